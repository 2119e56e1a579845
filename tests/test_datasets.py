"""Tests of helpers.datasets.

Only the loopback address is used. MNIST is small and made up, but for one test that reads the real one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests  # noqa: F401 (pooch imports it late, which would take a good part of the short time limits)
from sklearn.metrics import average_precision_score, log_loss

from helpers import datasets
from helpers.datasets import Mnist, MnistError, clusters, curve, load_mnist, ramp, rare_sequences, stand_in_mnist

ROOT = Path(__file__).parents[1]
REAL = "MNIST (content verified)"
NAMES = ("x_train", "y_train", "x_test", "y_test")
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# As they are before the fixtures change them.
MIRRORS = datasets.MNIST_MIRRORS
MNIST_NPZ = os.environ.get("MNIST_NPZ")


# Small made-up data in place of MNIST.


def make_arrays(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((12, 28, 28), (12,), (5, 28, 28), (5,))
    return {NAMES[i]: rng.integers(0, 256, shape, dtype=np.uint8) for i, shape in enumerate(shapes)}


def idx_bytes(array: np.ndarray) -> bytes:
    magic = {1: 0x00000801, 3: 0x00000803}[array.ndim]
    return magic.to_bytes(4, "big") + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def assert_same(mnist: Mnist, arrays: dict[str, np.ndarray]) -> None:
    assert mnist.source == REAL
    for name in NAMES:
        np.testing.assert_array_equal(getattr(mnist, name), arrays[name])
        assert getattr(mnist, name).dtype == np.uint8
        assert getattr(mnist, name).flags.writeable


@pytest.fixture
def arrays(monkeypatch) -> dict[str, np.ndarray]:
    """Small arrays that pass for MNIST."""
    made = make_arrays(0)
    hashes = {name: hashlib.sha256(idx_bytes(array)).hexdigest() for name, array in made.items()}
    monkeypatch.setattr(datasets, "MNIST_SHA256", hashes)
    return made


@pytest.fixture
def npz(arrays, tmp_path) -> Path:
    file = tmp_path / "own.npz"
    file.write_bytes(npz_bytes(arrays))
    return file


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """A closed world: an empty cache, no mirror in reach, no proxy, and a temporary folder of our own.

    After each test nothing half written may be left in either folder.
    """
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    folder = tmp_path / "cache"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.delenv("MNIST_NPZ", raising=False)
    monkeypatch.setenv("EXAMPLE_WEIGHTING_CACHE", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(datasets, "MNIST_MIRRORS", (closed_url(),))
    yield folder
    assert list(temporary.iterdir()) == []
    assert not folder.exists() or [file.name for file in folder.iterdir()] in ([], ["mnist.npz"])


# A local server with the faults of real ones.


def closed_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/mnist.npz"


class Server(ThreadingHTTPServer):
    """Serves files[name] as /name, and as /fault/name with one of the faults below."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.left = threading.Event()  # a client has hung up
        self.stop = threading.Event()  # the test is over

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Sends a file whole, or stops, stalls, drips or keeps silent."""

    def log_message(self, *args) -> None:
        """Say nothing: the tests are silent."""

    def do_GET(self) -> None:  # the name is the library's
        self.server.asked.append(self.path)
        fault, _, name = self.path.rpartition("/")
        if fault == "/mute":
            self.server.stop.wait(20)
        elif name in self.server.files and fault in ("", "/half", "/stall", "/drip", "/steady"):
            content = self.server.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.send(content, fault)
        else:
            self.send_error(404)

    def send(self, content: bytes, fault: str) -> None:
        half = content[: len(content) // 2]
        if fault == "":
            self.wfile.write(content)
        elif fault == "/half":
            self.wfile.write(half)
        elif fault == "/stall":
            self.wfile.write(half)
            self.server.stop.wait(20)
        elif fault == "/drip":  # too little for one block of 1024 bytes
            self.send_slowly(content, block=1, pause=0.02)
        elif fault == "/steady":
            self.send_slowly(content, block=1024, pause=0.2)

    def send_slowly(self, content: bytes, block: int, pause: float) -> None:
        for start in range(0, len(content), block):
            try:
                self.wfile.write(content[start : start + block])
            except ConnectionError:
                self.server.left.set()
                return
            if self.server.stop.wait(pause):
                return


@pytest.fixture
def server(arrays):
    """A server with the small data as /mnist.npz and as four IDX files."""
    with Server() as running:
        running.files["mnist.npz"] = npz_bytes(arrays)
        for name, file in zip(NAMES, IDX_FILES, strict=True):
            running.files[f"{file}.gz"] = gzip.compress(idx_bytes(arrays[name]))
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.stop.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def mirrors(monkeypatch, server):
    """Set the mirrors, as paths on the server or as whole addresses, and short limits of time."""
    monkeypatch.setattr(datasets, "DOWNLOAD_SECONDS", 0.8)
    monkeypatch.setattr(datasets, "READ_SECONDS", 0.4)

    def set_to(*urls: str) -> None:
        whole = tuple(url if url.startswith("http") else server.url(url) for url in urls)
        monkeypatch.setattr(datasets, "MNIST_MIRRORS", whole)

    return set_to


@pytest.fixture
def quick_stand_in(monkeypatch) -> None:
    """A stand-in that costs nothing, for tests that only ask whether it is used."""
    small = Mnist(**make_arrays(9), source="STAND-IN for the tests")
    monkeypatch.setattr(datasets, "stand_in_mnist", lambda: small)


# A file or folder that the user names.


def test_real_mnist():
    shared = ROOT.parent / "shared" / "mnist" / "mnist.npz"
    path = MNIST_NPZ or (shared if shared.exists() else None)
    if path is None:
        pytest.skip("needs the real MNIST: set MNIST_NPZ, or put mnist.npz in ../shared/mnist")
    mnist = load_mnist(path)
    assert mnist.x_train.shape == (60000, 28, 28)
    assert mnist.y_train.shape == (60000,)
    assert mnist.x_test.shape == (10000, 28, 28)
    assert mnist.y_test.shape == (10000,)
    assert np.bincount(mnist.y_train).tolist() == list(datasets._TRAIN_COUNTS)
    assert np.bincount(mnist.y_test).tolist() == list(datasets._TEST_COUNTS)
    assert mnist.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.x_train.mean() == pytest.approx(33.318, abs=1e-3)
    assert (mnist.source, mnist.is_stand_in, mnist.title_note) == (REAL, False, "")


def test_npz_by_path_and_by_environment(npz, arrays, monkeypatch):
    assert_same(load_mnist(npz), arrays)
    assert_same(load_mnist(str(npz)), arrays)
    monkeypatch.setenv("MNIST_NPZ", str(npz))
    assert_same(load_mnist(), arrays)


@pytest.mark.parametrize("packed", ["plain", "gz", "gz without the suffix", "some of each"])
def test_idx_folder(arrays, tmp_path, packed):
    folder = tmp_path / "idx"
    folder.mkdir()
    for i, (name, file) in enumerate(zip(NAMES, IDX_FILES, strict=True)):
        content = idx_bytes(arrays[name])
        if packed == "plain" or (packed == "some of each" and i % 2):
            (folder / file).write_bytes(content)
        else:
            suffix = "" if packed == "gz without the suffix" else ".gz"
            (folder / f"{file}{suffix}").write_bytes(gzip.compress(content))
    assert_same(load_mnist(folder), arrays)


def spoil(kind: str, npz: Path, arrays: dict[str, np.ndarray]) -> None:
    """Put one fault into the file."""
    content = npz.read_bytes()
    if kind == "missing":
        npz.unlink()
    elif kind == "empty":
        npz.write_bytes(b"")
    elif kind == "truncated":
        npz.write_bytes(content[: len(content) // 2])
    elif kind == "text":
        npz.write_text("<html>Please sign in to the network.</html>")
    elif kind == "npy":
        file = io.BytesIO()
        np.save(file, arrays["x_train"])
        npz.write_bytes(file.getvalue())
    elif kind == "key":
        np.savez(npz, **{name: arrays[name] for name in NAMES[:3]})
    elif kind == "other data":
        np.savez(npz, **make_arrays(1))
    elif kind == "one pixel":
        arrays["x_test"][3, 14, 14] ^= 1
        np.savez(npz, **arrays)
    elif kind == "shape":
        np.savez(npz, **(arrays | {"x_train": arrays["x_train"].reshape(12, 784)}))
    elif kind == "dtype":
        np.savez(npz, **(arrays | {"x_train": arrays["x_train"].astype(np.float32)}))
    elif kind == "objects":
        np.savez(npz, **(arrays | {"y_test": np.array([1, None], dtype=object)}))
    elif kind == "idx folder without a file":
        npz.unlink()
        npz.mkdir()
        for name, file in zip(NAMES[:3], IDX_FILES, strict=False):
            (npz / file).write_bytes(idx_bytes(arrays[name]))
    else:
        raise AssertionError(kind)


FAULTS = {
    "missing": "found no such file or folder, expected an .npz with x_train",
    "empty": "found 0 bytes that are no .npz or only a part of one, expected an .npz with x_train",
    "truncated": "bytes that are no .npz or only a part of one, expected an .npz with x_train",
    "text": "found 43 bytes that are no .npz or only a part of one, expected an .npz with x_train",
    "npy": "bytes that are no .npz or only a part of one, expected an .npz with x_train",
    "key": "found the keys ['x_train', 'y_train', 'x_test'] without ['y_test'], expected an .npz with",
    "other data": "found x_train of shape (12, 28, 28) with the SHA-256 ",
    "one pixel": "found x_test of shape (5, 28, 28) with the SHA-256 ",
    "shape": "found x_train of shape (12, 784) with the SHA-256 ",
    "dtype": "found x_train of dtype float32, expected uint8 of shape (60000, 28, 28)",
    "objects": "found data that cannot be read (ValueError: Object arrays cannot be loaded",
    "idx folder without a file": "found neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz in",
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("by", ["path", "MNIST_NPZ"])
def test_faults_of_a_named_file(npz, arrays, server, mirrors, monkeypatch, kind, by):
    mirrors("/mnist.npz")  # a good mirror, which must not be asked
    spoil(kind, npz, arrays)
    if by == "MNIST_NPZ":
        monkeypatch.setenv("MNIST_NPZ", str(npz))
    with warnings.catch_warnings(), pytest.raises(MnistError) as caught:
        warnings.simplefilter("error")
        load_mnist(npz if by == "path" else None)
    message = str(caught.value)
    assert message.startswith(f"{by} {str(npz)!r}: found ")
    assert FAULTS[kind] in message
    assert ", expected " in message
    to_do = "leave path out" if by == "path" else "unset MNIST_NPZ"
    assert message.endswith(f"Name a whole, unchanged copy of MNIST, or {to_do} to have it downloaded.")
    assert "allow_pickle=True" not in message
    assert server.asked == []


def test_every_flipped_byte_is_an_error_or_harmless(npz, arrays):
    small = {name: array[:2, :4, :4] if array.ndim == 3 else array[:2] for name, array in arrays.items()}
    for name, array in small.items():
        datasets.MNIST_SHA256[name] = hashlib.sha256(idx_bytes(array)).hexdigest()
    content = npz_bytes(small)
    refused = 0
    for i in range(len(content)):
        npz.write_bytes(content[:i] + bytes([content[i] ^ 0x10]) + content[i + 1 :])
        try:
            assert_same(load_mnist(npz), small)  # the byte was one that says nothing, such as a date
        except MnistError:
            refused += 1
    assert refused > len(content) // 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda old: old[:-1], "9423 bytes, expected 9424 for the shape (12, 28, 28) in its header"),
        (lambda old: old + b"\0", "9425 bytes, expected 9424 for the shape (12, 28, 28) in its header"),
        (lambda old: old[:2], "with 2 bytes that start with 0x0000, expected an IDX file of uint8"),
        (lambda old: b"\0\0\x0d\x03" + old[4:], "start with 0x00000d03, expected an IDX file of uint8"),
        (lambda old: gzip.compress(old)[:-20], "found a damaged train-images-idx3-ubyte"),
        (lambda old: old[:500] + b"!" + old[501:], "found x_train of shape (12, 28, 28) with the SHA"),
    ],
    ids=["short", "long", "header", "type", "gzip", "pixel"],
)
def test_faults_of_an_idx_file(arrays, tmp_path, damage, message):
    for name, file in zip(NAMES, IDX_FILES, strict=True):
        (tmp_path / file).write_bytes(idx_bytes(arrays[name]))
    file = tmp_path / IDX_FILES[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(MnistError) as caught:
        load_mnist(tmp_path)
    assert message in str(caught.value)


# Where it looks, and in which order.


def test_search_order(npz, server, mirrors, cache, monkeypatch, tmp_path):
    """Each place holds other data, all of which pass. Take away one after the other."""
    names = ("path", "MNIST_NPZ", "cache", "mirror")
    places = {name: make_arrays(seed) for seed, name in enumerate(names, 10)}
    monkeypatch.setattr(datasets, "_verify", lambda name, array: None)
    for name in ("path", "MNIST_NPZ"):
        (tmp_path / f"{name}.npz").write_bytes(npz_bytes(places[name]))
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(npz_bytes(places["cache"]))
    server.files["mnist.npz"] = npz_bytes(places["mirror"])
    mirrors("/mnist.npz")

    monkeypatch.setenv("MNIST_NPZ", str(tmp_path / "MNIST_NPZ.npz"))
    assert_same(load_mnist(tmp_path / "path.npz"), places["path"])
    assert_same(load_mnist(), places["MNIST_NPZ"])
    monkeypatch.setenv("MNIST_NPZ", "")  # counts as unset
    assert_same(load_mnist(), places["cache"])
    assert server.asked == []
    (cache / "mnist.npz").unlink()
    assert_same(load_mnist(), places["mirror"])
    assert server.asked == ["/mnist.npz"]


def test_default_cache_folder(monkeypatch):
    monkeypatch.delenv("EXAMPLE_WEIGHTING_CACHE")
    assert datasets._cache_file() == Path(pooch.os_cache("example-weighting")) / "mnist.npz"


# The download.


@pytest.mark.parametrize("mirror", ["/mnist.npz", "/"])
def test_download_fills_the_cache(arrays, server, mirrors, cache, mirror, capfd):
    mirrors(mirror)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(load_mnist(), arrays)
        assert [file.name for file in cache.iterdir()] == ["mnist.npz"]
        assert_same(load_mnist(cache / "mnist.npz"), arrays)
        asked = list(server.asked)
        assert_same(load_mnist(), arrays)
    assert server.asked == asked, "the second call must read the cache"
    assert capfd.readouterr() == ("", "")


def change(arrays: dict[str, np.ndarray]) -> bytes:
    return npz_bytes(arrays | {"y_test": arrays["y_test"] ^ 1})


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("/half/mnist.npz", "IncompleteRead"),
        ("/stall/mnist.npz", "TimeoutError: timed out"),
        ("/drip/mnist.npz", "TimeoutError: not complete after 0.8 s"),
        ("/changed.npz", "found y_test of shape (5,) with the SHA-256"),
        ("/page.npz", "found 13 bytes that are no .npz or only a part of one"),
    ],
)
class TestBrokenMirror:
    """A mirror that was reached, but what came from it was broken."""

    @pytest.fixture(autouse=True)
    def broken(self, arrays, server):
        server.files["changed.npz"] = change(arrays)
        server.files["page.npz"] = b"<html></html>"

    def test_alone_is_an_error(self, server, mirrors, cache, mirror, reason):
        mirrors(mirror)
        start = time.monotonic()
        with warnings.catch_warnings(), pytest.raises(MnistError) as caught:
            warnings.simplefilter("error")
            load_mnist()
        assert time.monotonic() - start < 2
        message = str(caught.value)
        assert f"  - {server.url(mirror)}: " in message
        assert reason in message
        assert "Run again, or set MNIST_NPZ to a copy of MNIST" in message
        assert not cache.exists()

    def test_with_one_out_of_reach_is_an_error(self, mirrors, mirror, reason):
        unreachable = closed_url()
        mirrors(unreachable, mirror)
        with pytest.raises(MnistError) as caught:
            load_mnist()
        assert f"  - {unreachable}: ConnectionRefusedError" in str(caught.value)
        assert reason in str(caught.value)

    def test_is_passed_over_for_a_good_one(self, arrays, server, mirrors, cache, mirror, reason):
        mirrors(mirror, "/mnist.npz")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_same(load_mnist(), arrays)
        assert server.asked == [mirror, "/mnist.npz"]
        assert_same(load_mnist(cache / "mnist.npz"), arrays)

    def test_leaves_a_damaged_cache_alone(self, mirrors, cache, mirror, reason):
        cache.mkdir()
        (cache / "mnist.npz").write_bytes(b"damaged")
        mirrors(mirror)
        with pytest.warns(UserWarning, match="is not used"), pytest.raises(MnistError):
            load_mnist()
        assert (cache / "mnist.npz").read_bytes() == b"damaged"


def test_idx_mirror_that_lacks_a_file_is_broken(server, mirrors):
    mirrors("/")
    del server.files["t10k-labels-idx1-ubyte.gz"]
    with pytest.raises(MnistError, match="HTTPError: 404"):
        load_mnist()


def test_no_download_goes_on_after_the_limit(server, mirrors):
    mirrors("/steady/mnist.npz")
    with pytest.raises(MnistError, match="not complete after"):
        load_mnist()
    assert server.left.wait(2), "the client still reads in the background"


UNREACHABLE = {
    "closed port": "ConnectionRefusedError: ",
    "404": "HTTPError: 404 Client Error",
    "mute": "TimeoutError: timed out",
}


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_no_mirror_in_reach_gives_the_stand_in(server, mirrors, cache, quick_stand_in, kind):
    urls = {
        "closed port": [closed_url(), closed_url()],
        "404": [server.url("/absent.npz"), server.url("/absent/")],
        "mute": [server.url("/mute/mnist.npz")],
    }[kind]
    mirrors(*urls)
    with pytest.warns(UserWarning) as caught:
        mnist = load_mnist()
    assert mnist.is_stand_in
    (warning,) = caught
    message = str(warning.message)
    assert message.startswith("These digits are a STAND-IN, NOT MNIST.")
    for url in urls:
        assert f"  - {url}: " in message
    assert UNREACHABLE[kind] in message
    assert message.endswith("To get MNIST, set MNIST_NPZ to a copy of it, or run again with a network.")
    assert warning.filename == __file__, "the warning must point at the caller"
    assert not cache.exists()


# The cache.


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"missing", "idx folder without a file"}))
def test_damaged_cache_is_replaced(arrays, mirrors, cache, kind):
    mirrors("/mnist.npz")
    cache.mkdir()
    file = cache / "mnist.npz"
    file.write_bytes(npz_bytes(arrays))
    good = {name: array.copy() for name, array in arrays.items()}
    spoil(kind, file, arrays)
    with pytest.warns(UserWarning) as caught:
        assert_same(load_mnist(), good)
    (warning,) = caught
    assert f"The cached MNIST {str(file)!r} is not used: found " in str(warning.message)
    assert FAULTS[kind] in str(warning.message)
    assert warning.filename == __file__
    assert_same(load_mnist(file), good)


def test_damaged_cache_without_network_stays(cache, quick_stand_in):
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"damaged")
    with pytest.warns(UserWarning) as caught:
        assert load_mnist().is_stand_in
    assert len(caught) == 2
    assert (cache / "mnist.npz").read_bytes() == b"damaged"


def test_cache_that_cannot_be_written(arrays, mirrors, monkeypatch, tmp_path):
    """The tests may run as root, who may write anywhere. But nobody has a folder below a file."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EXAMPLE_WEIGHTING_CACHE", str(tmp_path / "file" / "cache"))
    mirrors("/mnist.npz")
    with pytest.warns(UserWarning) as caught:
        assert_same(load_mnist(), arrays)
    (warning,) = caught
    assert "could not be saved as" in str(warning.message)
    assert "Set EXAMPLE_WEIGHTING_CACHE to a folder that can be written." in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("before", [None, b"damaged"])
def test_cache_write_that_fails_half_way(arrays, mirrors, cache, monkeypatch, before):
    def full_disk(file, **arrays):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    mirrors("/mnist.npz")
    cache.mkdir()
    if before is not None:
        (cache / "mnist.npz").write_bytes(before)
    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.warns(UserWarning) as caught:
        assert_same(load_mnist(), arrays)
    assert "No space left on device" in str(caught[-1].message)
    assert [file.read_bytes() for file in cache.iterdir()] == ([] if before is None else [before])


def test_interrupt_while_the_cache_is_written(mirrors, cache, monkeypatch):
    def interrupt(file, **arrays):
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    mirrors("/mnist.npz")
    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_mnist()
    assert list(cache.iterdir()) == []


# The stand-in.


@pytest.fixture(scope="module")
def stand_in() -> Mnist:
    return stand_in_mnist()


def test_stand_in_is_shaped_like_mnist(stand_in):
    assert stand_in.x_train.shape == (60000, 28, 28)
    assert stand_in.y_train.shape == (60000,)
    assert stand_in.x_test.shape == (10000, 28, 28)
    assert stand_in.y_test.shape == (10000,)
    assert {getattr(stand_in, name).dtype for name in NAMES} == {np.dtype(np.uint8)}
    train_counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(stand_in.y_train).tolist() == train_counts
    assert np.bincount(stand_in.y_test).tolist() == test_counts


def test_stand_in_says_so(stand_in):
    assert stand_in.source == "STAND-IN: scikit-learn's 8 x 8 digits, enlarged and jittered; NOT MNIST"
    assert stand_in.is_stand_in
    assert stand_in.title_note == " [STAND-IN DIGITS, NOT MNIST]"


def test_stand_in_is_the_same_each_time(stand_in):
    again = stand_in_mnist()
    for name in NAMES:
        np.testing.assert_array_equal(getattr(again, name), getattr(stand_in, name))


def test_stand_in_images(stand_in):
    images = stand_in.x_train
    brightest = images.max(axis=(1, 2))
    assert (brightest.min() > 100, brightest.max() > 250) == (True, True)
    assert np.ptp(np.quantile(brightest, [0.1, 0.9])) > 40, "the brightness varies"
    border = np.concatenate([images[:, :2].ravel(), images[:, -2:].ravel(), images[:, :, :2].ravel()])
    assert not border.any(), "at most 2 pixels off the centre leaves a border of 2"
    used = np.flatnonzero(images.any(axis=(0, 1)))
    assert (used[0], used[-1]) == (2, 25), "both ends of the jitter occur"
    assert len(np.unique(stand_in.y_train[:100])) == 10, "the rows are shuffled"


def test_stand_in_images_fit_their_labels(stand_in):
    """A nearest mean, made on the training images, must know most test images of other originals."""
    x, y = stand_in.x_train, stand_in.y_train
    means = np.stack([x[y == digit].mean(axis=0).ravel() for digit in range(10)])
    test = stand_in.x_test[:2000].reshape(2000, -1).astype(np.float64)
    distance = (means**2).sum(axis=1) - 2 * test @ means.T
    assert (distance.argmin(axis=1) == stand_in.y_test[:2000]).mean() > 0.5


def test_stand_in_test_originals_are_not_in_training(monkeypatch):
    """Every original gets a grey value of its own; the two sides must share none."""
    import sklearn.datasets

    digits = sklearn.datasets.load_digits()
    digits.images = np.broadcast_to(np.arange(len(digits.images))[:, None, None] / 10000, (1797, 8, 8)).copy()
    seen = []
    jittered = datasets._jittered

    def spy(images, by_class, counts, rng):
        seen.append({round(float(images[row].max()) * 160000) for rows in by_class for row in rows})
        return jittered(images, by_class, counts, rng)

    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: digits)
    monkeypatch.setattr(datasets, "_jittered", spy)
    stand_in_mnist()
    train, test = seen
    assert not train & test
    assert len(train | test) == 1797


# The curves and the clusters.


def test_curve():
    x, y = curve()
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((200,), (200,), np.float32, np.float32)
    assert (x[0], x[-1]) == (-3, 3)
    np.testing.assert_allclose(np.diff(x), 6 / 199, rtol=1e-4)
    np.testing.assert_allclose(y, np.exp(-(x.astype(np.float64) ** 2)), rtol=1e-5)
    x, y = curve(n=3, low=0, high=1)
    np.testing.assert_allclose(x, [0, 0.5, 1])
    np.testing.assert_allclose(y, [1, 0.778801, 0.367879], rtol=1e-5)


def test_ramp():
    x, y = ramp()
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((200,), (200,), np.float32, np.float32)
    np.testing.assert_array_equal(x, curve()[0])
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)) / np.exp(3), rtol=1e-5)
    assert y[-1] == 1
    assert ramp(n=2, low=0, high=1000)[1].tolist() == [0, 1], "no overflow"


@pytest.mark.parametrize("function", [curve, ramp])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1}, "n is 1, expected 2 or more"),
        ({"n": -5}, "n is -5, expected 2 or more"),
        ({"low": 1.0, "high": 1.0}, "low is 1.0 and high is 1.0"),
        ({"low": 2.0, "high": 1.0}, "low is 2.0 and high is 1.0"),
        ({"low": float("nan")}, "low is nan"),
        ({"high": float("inf")}, "high is inf"),
    ],
)
def test_curve_and_ramp_errors(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


def test_clusters():
    x, labels = clusters(20000, seed=3)
    assert (x.shape, labels.shape, x.dtype, labels.dtype) == ((40000,), (40000,), np.float32, np.int64)
    assert np.bincount(labels).tolist() == [20000, 20000]
    for label, centre in ((1, -1), (0, 1)):
        assert x[labels == label].mean() == pytest.approx(centre, abs=0.03)
        assert x[labels == label].var() == pytest.approx(1, abs=0.05)
    assert 9000 < labels[:20000].sum() < 11000, "the rows are shuffled"


def test_clusters_seed():
    first, again, other = clusters(50, seed=1), clusters(50, seed=1), clusters(50, seed=2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("n", [0, -1])
def test_clusters_errors(n):
    with pytest.raises(ValueError, match=f"n_per_class is {n}, expected 1 or more"):
        clusters(n, seed=0)


# Rare sequences.


def test_rare_sequences():
    x, y, scores = rare_sequences(50, 7, seed=3, prevalence=0.1)
    assert (x.shape, y.shape, scores.shape) == ((50, 7, 1), (50, 7), (50, 7))
    assert (x.dtype, y.dtype, scores.dtype) == (np.float32, np.int64, np.float64)
    assert set(np.unique(y)) == {0, 1}
    assert (scores > 0).all() and (scores < 1).all()


def test_rare_sequences_seed():
    first, again, other = (rare_sequences(30, seed=seed, prevalence=0.1) for seed in (1, 1, 2))
    for name in ("x", "y", "scores"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


@pytest.mark.parametrize("pattern", [(1.0,), (1.0, -1.0, 1.0)])
def test_every_step_has_the_prevalence_that_was_asked_for(pattern):
    y = rare_sequences(100_000, 8, seed=0, prevalence=0.05, pattern=pattern).y
    # Five standard errors, at the first step too: a pattern may have begun before it.
    np.testing.assert_allclose(y.mean(axis=0), 0.05, atol=5 * np.sqrt(0.05 * 0.95 / 100_000))


def test_the_label_stands_at_the_end_of_the_pattern():
    pattern = [1.0, -2.0, 3.0]
    x, y, _ = rare_sequences(2000, 12, seed=0, prevalence=0.1, noise=0.01, pattern=pattern)
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], 3, axis=1)
    found = np.abs(windows - pattern).max(axis=-1) < 0.1
    np.testing.assert_array_equal(found, y[:, 2:] == 1)
    assert found[:, 3:][found[:, :-3]].any(), "one pattern may follow another at once"
    assert not (y[:, 1:] & y[:, :-1]).any(), "patterns do not overlap"


def brute_force_score(x: np.ndarray, pattern: list[float], noise: float, prevalence: float) -> float:
    """P(the last step ends a pattern | x): the sum over all paths of hidden states."""
    k = len(pattern)
    start = prevalence / (1 - (k - 1) * prevalence)
    first = [1 - k * prevalence, *[prevalence] * k]
    means = [0.0, *pattern]
    total = positive = 0.0
    for path in itertools.product(range(k + 1), repeat=len(x)):
        p = first[path[0]]
        for before, now in itertools.pairwise(path):
            p *= {1: start, 0: 1 - start}.get(now, 0.0) if before in (0, k) else float(now == before + 1)
        for value, state in zip(x, path, strict=True):
            p *= np.exp(-0.5 * ((value - means[state]) / noise) ** 2)
        total += p
        positive += p * (path[-1] == k)
    return positive / total


@pytest.mark.parametrize(("pattern", "prevalence"), [([1.0], 0.3), ([1.0, -1.0], 0.2), ([1.0, 0.5, -2.0], 0.1)])
def test_scores_are_the_sum_over_all_paths(pattern, prevalence):
    x, _, scores = rare_sequences(4, 5, seed=0, prevalence=prevalence, noise=0.8, pattern=pattern)
    for row, t in itertools.product(range(4), range(5)):
        seen = x[row, : t + 1, 0].astype(np.float64)
        assert scores[row, t] == pytest.approx(brute_force_score(seen, pattern, 0.8, prevalence), rel=1e-10)


def test_scores_of_a_single_value_are_a_logistic_curve():
    x, _, scores = rare_sequences(100, 3, seed=0, prevalence=0.2, noise=0.7, pattern=[2.0])
    # The log of the odds before x is seen, plus the log of the ratio of the two normal densities at x.
    logits = np.log(0.2 / 0.8) + (2 * x[..., 0].astype(np.float64) - 2) / 0.7**2
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), rtol=1e-10)


def test_scores_are_calibrated():
    y, scores = (part.ravel() for part in rare_sequences(40_000, 10, seed=0, prevalence=0.05)[1:])
    for low, high in itertools.pairwise([0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1]):
        chosen = (scores >= low) & (scores < high)
        error = np.sqrt((scores * (1 - scores))[chosen].sum()) / chosen.sum()
        assert chosen.sum() > 500
        assert abs(y[chosen].mean() - scores[chosen].mean()) < 4 * error


def test_no_other_scores_are_better():
    x, y, scores = rare_sequences(20_000, 12, seed=0, prevalence=0.02)
    padded = np.pad(x[..., 0], ((0, 0), (2, 0)))
    matched_filter = padded[:, 2:] - padded[:, 1:-1] + padded[:, :-2]
    logits = np.log(scores / (1 - scores))
    disturbed = logits + 0.5 * np.random.default_rng(0).standard_normal(logits.shape)
    best = average_precision_score(y.ravel(), scores.ravel())
    for other in (x[..., 0], matched_filter, disturbed):
        assert average_precision_score(y.ravel(), other.ravel()) < best - 0.005
    at_best = log_loss(y.ravel(), scores.ravel())
    for other in (disturbed, logits + 0.3, logits - 0.3, 0.8 * logits, 1.2 * logits):
        assert log_loss(y.ravel(), 1 / (1 + np.exp(-other.ravel()))) > at_best


@pytest.mark.parametrize("noise", [1e-3, 1e3])
def test_scores_stay_finite_with_little_and_with_much_noise(noise):
    _, y, scores = rare_sequences(2000, 10, seed=0, prevalence=0.05, noise=noise)
    target = y[:, 2:] if noise < 1 else 0.05  # with little noise all is known; with much, only the prevalence
    np.testing.assert_allclose(scores[:, 2:], np.broadcast_to(target, (2000, 8)), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0, expected 1 or more"),
        ({"length": -1}, "length is -1, expected 1 or more"),
        ({"prevalence": 0}, "prevalence is 0, expected a number above 0 and below 1 / 3"),
        ({"prevalence": 1 / 3}, "below 1 / 3"),
        ({"prevalence": float("nan")}, "prevalence is nan"),
        ({"prevalence": 0.5, "pattern": [1.0, 2.0]}, "each label 1 takes the 2 steps"),
        ({"noise": 0.0}, "noise is 0.0, expected a finite standard deviation above 0"),
        ({"noise": float("inf")}, "noise is inf"),
        ({"pattern": []}, r"pattern is \[\], expected one or more finite numbers"),
        ({"pattern": [0.0, 0.0]}, "not all 0"),
        ({"pattern": [1.0, float("nan")]}, "expected one or more finite numbers"),
        ({"pattern": [[1.0], [2.0]]}, "expected one or more finite numbers"),
    ],
)
def test_rare_sequences_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        rare_sequences(**{"n": 5, "seed": 0, **arguments})


# The module.


def test_import_is_light():
    program = (
        "import sys, helpers.datasets as d; "
        "print(sorted({'sklearn', 'scipy', 'pooch', 'tqdm', 'requests'} & set(sys.modules)), d.__all__)"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("[] ['MNIST_MIRRORS'")


def test_published_constants():
    assert [url.split("/")[2] for url in MIRRORS] == [
        "storage.googleapis.com",
        "storage.googleapis.com",
        "ossci-datasets.s3.amazonaws.com",
    ]
    assert sorted(datasets.MNIST_SHA256) == sorted(NAMES)


def test_nines_and_fours_come_in_this_order_scaled_and_labelled() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.full((1, 28, 28), 51, dtype=np.uint8)
    labels = np.array([4, 9, 4, 1, 9, 4])
    x, y = datasets.nines_and_fours(images, labels, fours=2)
    assert x.shape == (4, 784) and x.dtype == y.dtype == np.float32
    assert x[:, 0] == pytest.approx([0.2, 0.8, 0.0, 0.4])
    assert y.tolist() == [1, 1, 0, 0]
    assert datasets.nines_and_fours(images, labels)[1].tolist() == [1, 1, 0, 0, 0]


def test_more_fours_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        datasets.nines_and_fours(np.zeros((1, 28, 28), np.uint8), np.array([4]), fours=2)
