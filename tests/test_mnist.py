"""Tests of helpers.mnist.

Only the loopback address is used. MNIST is small and made up, but for one test that reads the real one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests  # noqa: F401 (pooch imports it late, which would take a good part of the short time limits)

from helpers import _stand_in, mnist
from helpers.mnist import Mnist, MnistError, load_mnist, stand_in_mnist

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
MIRRORS = mnist.MNIST_MIRRORS
MNIST_NPZ = os.environ.get("MNIST_NPZ")


# Small made-up data in place of MNIST.


def make_arrays(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((12, 28, 28), (12,), (5, 28, 28), (5,))
    return {NAMES[i]: rng.integers(0, 256, shape, dtype=np.uint8) for i, shape in enumerate(shapes)}


def saved(save, *args, **arrays) -> bytes:
    """What `np.save` or `np.savez` writes."""
    file = io.BytesIO()
    save(file, *args, **arrays)
    return file.getvalue()


def idx_bytes(array: np.ndarray) -> bytes:
    magic = {1: 0x00000801, 3: 0x00000803}[array.ndim]
    return magic.to_bytes(4, "big") + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    return saved(np.savez_compressed, **arrays)


def assert_same(found: Mnist, arrays: dict[str, np.ndarray]) -> None:
    assert found.source == REAL
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), arrays[name])
        assert getattr(found, name).dtype == np.uint8
        assert getattr(found, name).flags.writeable


@pytest.fixture
def arrays(monkeypatch) -> dict[str, np.ndarray]:
    """Small arrays that pass for MNIST."""
    made = make_arrays(0)
    hashes = {name: hashlib.sha256(idx_bytes(array)).hexdigest() for name, array in made.items()}
    monkeypatch.setattr(mnist, "MNIST_SHA256", hashes)
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
    monkeypatch.setattr(mnist, "MNIST_MIRRORS", (closed_url(),))
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
        self.stop = threading.Event()  # the test is over

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Sends a file whole, or stops, stalls or keeps silent."""

    def log_message(self, *args) -> None:
        """Say nothing: the tests are silent."""

    def do_GET(self) -> None:  # the name is the library's
        self.server.asked.append(self.path)
        fault, _, name = self.path.rpartition("/")
        if fault == "/mute":
            self.server.stop.wait(20)
        elif name in self.server.files and fault in ("", "/half", "/stall"):
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
    """Set the mirrors, as paths on the server or as whole addresses; a short limit of time where it will run out."""

    def set_to(*urls: str) -> None:
        monkeypatch.setattr(mnist, "READ_SECONDS", 0.4 if {"stall", "mute"} & set("/".join(urls).split("/")) else 10)
        whole = tuple(url if url.startswith("http") else server.url(url) for url in urls)
        monkeypatch.setattr(mnist, "MNIST_MIRRORS", whole)

    return set_to


@pytest.fixture
def quick_stand_in(monkeypatch) -> None:
    """A stand-in that costs nothing, for tests that only ask whether it is used."""
    small = Mnist(**make_arrays(9), source="STAND-IN for the tests")
    monkeypatch.setattr(mnist, "stand_in_mnist", lambda: small)


def assert_shaped_like_mnist(found: Mnist) -> None:
    assert [getattr(found, name).shape for name in NAMES] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert {getattr(found, name).dtype for name in NAMES} == {np.dtype(np.uint8)}
    train_counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert [np.bincount(found.y_train).tolist(), np.bincount(found.y_test).tolist()] == [train_counts, test_counts]


# A file or folder that the user names.


def test_real_mnist():
    shared = ROOT.parent / "shared" / "mnist" / "mnist.npz"
    path = MNIST_NPZ or (shared if shared.exists() else None)
    if path is None:
        pytest.skip("needs the real MNIST: set MNIST_NPZ, or put mnist.npz in ../shared/mnist")
    real = load_mnist(path)
    assert_shaped_like_mnist(real)
    assert real.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert real.x_train.mean() == pytest.approx(33.318, abs=1e-3)
    assert (real.source, real.is_stand_in, real.title_note) == (REAL, False, "")


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


PIXEL = np.zeros((5, 28, 28), np.uint8)
PIXEL[3, 14, 14] = 1
NO_NPZ = "bytes that are no .npz or only a part of one, expected an .npz with x_train"

# What is put in place of the file: nothing, bytes, or a folder of files. And what is then said.
FAULTS = {
    "missing": (lambda whole, a: None, "found no such file or folder, expected an .npz with x_train"),
    "empty": (lambda whole, a: b"", f"found 0 {NO_NPZ}"),
    "truncated": (lambda whole, a: whole[: len(whole) // 2], NO_NPZ),
    "text": (lambda whole, a: b"<html>Please sign in to the network.</html>", f"found 43 {NO_NPZ}"),
    "npy": (lambda whole, a: saved(np.save, a["x_train"]), NO_NPZ),
    "key": (
        lambda whole, a: npz_bytes({name: a[name] for name in NAMES[:3]}),
        "found the keys ['x_train', 'y_train', 'x_test'] without ['y_test'], expected an .npz with",
    ),
    "other data": (
        lambda whole, a: npz_bytes(make_arrays(1)),
        "found x_train of shape (12, 28, 28) with the SHA-256 ",
    ),
    "one pixel": (
        lambda whole, a: npz_bytes(a | {"x_test": a["x_test"] ^ PIXEL}),
        "found x_test of shape (5, 28, 28) with the SHA-256 ",
    ),
    "shape": (
        lambda whole, a: npz_bytes(a | {"x_train": a["x_train"].reshape(12, 784)}),
        "found x_train of shape (12, 784) with the SHA-256 ",
    ),
    "dtype": (
        lambda whole, a: npz_bytes(a | {"x_train": a["x_train"].astype(np.float32)}),
        "found x_train of dtype float32, expected uint8 of shape (60000, 28, 28)",
    ),
    "objects": (
        lambda whole, a: npz_bytes(a | {"y_test": np.array([1, None], dtype=object)}),
        "found data that cannot be read (ValueError: Object arrays cannot be loaded",
    ),
    "idx folder without a file": (
        lambda whole, a: {file: idx_bytes(a[name]) for name, file in zip(NAMES[:3], IDX_FILES, strict=False)},
        "found neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz in",
    ),
}


def spoil(kind: str, npz: Path, arrays: dict[str, np.ndarray]) -> str:
    """Put one fault into the file, and return what is to be said of it."""
    fault, message = FAULTS[kind]
    content = fault(npz.read_bytes(), arrays)
    npz.unlink()
    if isinstance(content, dict):
        npz.mkdir()
        for file, part in content.items():
            (npz / file).write_bytes(part)
    elif content is not None:
        npz.write_bytes(content)
    return message


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("by", ["path", "MNIST_NPZ"])
def test_faults_of_a_named_file(npz, arrays, server, mirrors, monkeypatch, kind, by):
    mirrors("/mnist.npz")  # a good mirror, which must not be asked
    said = spoil(kind, npz, arrays)
    if by == "MNIST_NPZ":
        monkeypatch.setenv("MNIST_NPZ", str(npz))
    with warnings.catch_warnings(), pytest.raises(MnistError) as caught:
        warnings.simplefilter("error")
        load_mnist(npz if by == "path" else None)
    message = str(caught.value)
    assert message.startswith(f"{by} {str(npz)!r}: found ")
    assert said in message
    assert ", expected " in message
    to_do = "leave path out" if by == "path" else "unset MNIST_NPZ"
    assert message.endswith(f"Name a whole, unchanged copy of MNIST, or {to_do} to have it downloaded.")
    assert "allow_pickle=True" not in message
    assert server.asked == []


def test_every_flipped_byte_is_an_error_or_harmless(npz, arrays):
    small = {name: array[:2, :4, :4] if array.ndim == 3 else array[:2] for name, array in arrays.items()}
    for name, array in small.items():
        mnist.MNIST_SHA256[name] = hashlib.sha256(idx_bytes(array)).hexdigest()
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
    monkeypatch.setattr(mnist, "_verify", lambda name, array: None)
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
    assert mnist._cache_file() == Path(pooch.os_cache("example-weighting")) / "mnist.npz"


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

    def test_is_an_error_alone_and_beside_one_out_of_reach(self, server, mirrors, cache, mirror, reason):
        unreachable = closed_url()
        for urls in ([mirror], [unreachable, mirror]):
            mirrors(*urls)
            with warnings.catch_warnings(), pytest.raises(MnistError) as caught:
                warnings.simplefilter("error")
                load_mnist()
            message = str(caught.value)
            assert f"  - {server.url(mirror)}: " in message and reason in message
            assert "Run again, or set MNIST_NPZ to a copy of MNIST" in message
            assert not cache.exists()
        assert f"  - {unreachable}: ConnectionRefusedError" in message

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
        found = load_mnist()
    assert found.is_stand_in
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
    said = spoil(kind, file, arrays)
    with pytest.warns(UserWarning) as caught:
        assert_same(load_mnist(), arrays)
    (warning,) = caught
    assert f"The cached MNIST {str(file)!r} is not used: found " in str(warning.message)
    assert said in str(warning.message)
    assert warning.filename == __file__
    assert_same(load_mnist(file), arrays)


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
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_cache_that_is_written_half_is_not_left_behind(arrays, mirrors, cache, monkeypatch, before, error):
    def fail(file, **arrays):
        Path(file).write_bytes(b"half")
        raise error

    mirrors("/mnist.npz")
    cache.mkdir()
    if before is not None:
        (cache / "mnist.npz").write_bytes(before)
    monkeypatch.setattr(np, "savez_compressed", fail)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                load_mnist()
        else:
            assert_same(load_mnist(), arrays)
            assert "No space left on device" in str(caught[-1].message)
    assert [file.read_bytes() for file in cache.iterdir()] == ([] if before is None else [before])


# The stand-in.


@pytest.fixture(scope="module")
def stand_in() -> Mnist:
    return stand_in_mnist()


def test_stand_in_is_shaped_like_mnist_and_says_what_it_is(stand_in):
    assert_shaped_like_mnist(stand_in)
    assert stand_in.source == "STAND-IN: scikit-learn's 8 x 8 digits, enlarged and jittered; NOT MNIST"
    assert (stand_in.is_stand_in, stand_in.title_note) == (True, " [STAND-IN DIGITS, NOT MNIST]")


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
    jittered = _stand_in._jittered

    def spy(images, by_class, counts, rng):
        seen.append({round(float(images[row].max()) * 160000) for rows in by_class for row in rows})
        return jittered(images, by_class, counts, rng)

    monkeypatch.setattr(_stand_in, "load_digits", lambda: digits)
    monkeypatch.setattr(_stand_in, "_jittered", spy)
    stand_in_mnist()
    train, test = seen
    assert not train & test
    assert len(train | test) == 1797


# The module.


def test_import_is_light():
    program = (
        "import sys, helpers.mnist as d; "
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
    assert sorted(mnist.MNIST_SHA256) == sorted(NAMES)
