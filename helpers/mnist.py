"""MNIST, its content verified, from wherever it can be had; and a stand-in for where it cannot.

Only NumPy is imported here. What the download and the stand-in need is imported where it is used.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import sys
import tempfile
import textwrap
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["MNIST_MIRRORS", "MNIST_SHA256", "Mnist", "MnistError", "load_mnist", "stand_in_mnist"]

#: Where MNIST is downloaded from, in this order. A mirror is an .npz with the four arrays, or a folder (it ends with
#: "/") with the four gzipped IDX files.
MNIST_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

#: SHA-256 of the original, uncompressed IDX files. The header of such a file holds the shape, so the hashes
#: imply the shapes too.
#:
#: :meta hide-value:
MNIST_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

READ_SECONDS = 10.0  # for the connection, and for each wait for more bytes

_IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
# For messages and for the stand-in. The check itself is the hash.
_SHAPES = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}
_TRAIN_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_TEST_COUNTS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
_REAL = "MNIST (content verified)"
_STAND_IN = "STAND-IN: scikit-learn's 8 x 8 digits, enlarged and jittered; NOT MNIST"
_CONTAINERS = (
    "an .npz with x_train, y_train, x_test and y_test, or a folder with train-images-idx3-ubyte, "
    "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (plain or .gz)"
)


class MnistError(RuntimeError):
    """A copy of MNIST is missing, damaged or not MNIST. The message says which, and what to do."""


class Mnist(NamedTuple):
    """MNIST, or its stand-in: grey images (0 to 255) of handwritten digits, and the digits as labels.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998.

    Attributes:
        x_train: uint8, shape (60000, 28, 28).
        y_train: uint8, shape (60000,).
        x_test: uint8, shape (10000, 28, 28).
        y_test: uint8, shape (10000,).
        source: what the data are. It holds no path, so it may be printed in a checked notebook.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: str

    @property
    def is_stand_in(self) -> bool:
        """Whether these are not the real MNIST digits."""
        return self.source != _REAL

    @property
    def title_note(self) -> str:
        """What to append to the title of every figure; empty for the real MNIST."""
        return " [STAND-IN DIGITS, NOT MNIST]" if self.is_stand_in else ""


def load_mnist(path: str | os.PathLike | None = None) -> Mnist:
    """Return MNIST with its content verified, or loud stand-in digits where there is no network.

    Looks in this order: `path`; the environment variable MNIST_NPZ (an empty one counts as unset); the
    cache; the mirrors in `MNIST_MIRRORS`. The cache is the file mnist.npz in the folder named by the
    environment variable EXAMPLE_WEIGHTING_CACHE, or in the user's cache folder for "example-weighting".

    The content is verified (`MNIST_SHA256`), not the container. So an .npz with the keys x_train, y_train,
    x_test and y_test will do, and so will a folder with the four IDX files, plain or gzipped.

    Args:
        path: a copy of MNIST that you have. None: look in the other places.

    Warns:
        UserWarning: the cached file is damaged (it is downloaded again), the cache cannot be written, or no
            mirror could be reached (the digits are then a stand-in, see `stand_in_mnist`).

    Raises:
        MnistError: `path` or MNIST_NPZ names something that is not an unchanged MNIST, or a mirror was
            reached but none gave an unchanged MNIST.
    """
    if path is not None:
        return Mnist(**_read_named(path, "path", "leave path out"), source=_REAL)
    if os.environ.get("MNIST_NPZ"):
        return Mnist(**_read_named(os.environ["MNIST_NPZ"], "MNIST_NPZ", "unset MNIST_NPZ"), source=_REAL)
    cached = _cache_file()
    arrays = _read_cache(cached)
    if arrays is None:
        try:
            arrays = _download()
        except _NoMirror as reasons:
            warnings.warn(
                f"These digits are a STAND-IN, NOT MNIST. No mirror gave any data:\n{reasons}\n"
                "To get MNIST, set MNIST_NPZ to a copy of it, or run again with a network.",
                stacklevel=2,
            )
            return stand_in_mnist()
        _write_cache(arrays, cached)
    return Mnist(**arrays, source=_REAL)


def stand_in_mnist() -> Mnist:
    """Make digits with MNIST's shapes and class counts out of scikit-learn's bundled 8 x 8 digits.

    Each image is one of the 1797 originals, enlarged to 20 x 20, put near the centre of 28 x 28 (up to 2
    pixels off) and scaled in brightness. Training and test images come from different originals. The result
    is the same on every call. It is easier and less varied than MNIST: good to run the code, not to compare
    numbers.

    Source of the originals: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository, 1998 (`sklearn.datasets.load_digits`).
    """
    from helpers._stand_in import jittered_digits

    return Mnist(*jittered_digits(_TRAIN_COUNTS, _TEST_COUNTS), source=_STAND_IN)


# Reading and verifying. The errors of these functions say what was found and what was expected. Their callers
# add where it was found and what to do.


def _read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the four arrays from an .npz or a folder of IDX files, and verify them. MnistError if it fails."""
    try:
        path = Path(path).expanduser()
        if not (path.is_file() or path.is_dir()):
            raise MnistError(f"found no such file or folder, expected {_CONTAINERS}")
        arrays = _read_idx_folder(path) if path.is_dir() else _read_npz(path)
        for name, array in arrays.items():
            _verify(name, array)
        return arrays
    except MnistError:
        raise
    except Exception as error:  # damaged files raise zip, zlib, OS, value and even memory errors
        raise MnistError(
            f"found data that cannot be read ({type(error).__name__}: {error}), expected {_CONTAINERS}"
        ) from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        # NumPy takes any file that is no archive for a pickle, and its message then advises to allow pickles.
        is_archive = file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(file)
        if not is_archive:
            size = path.stat().st_size
            raise MnistError(f"found {size} bytes that are no .npz or only a part of one, expected {_CONTAINERS}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            missing = [name for name in MNIST_SHA256 if name not in archive.files]
            if missing:
                raise MnistError(f"found the keys {archive.files} without {missing}, expected {_CONTAINERS}")
            return {name: np.ascontiguousarray(archive[name]) for name in MNIST_SHA256}


def _read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    arrays = {}
    for name, plain in _IDX_FILES.items():
        file = next((f for f in (folder / plain, folder / f"{plain}.gz") if f.exists()), None)
        if file is None:
            raise MnistError(f"found neither {plain} nor {plain}.gz in the folder, expected {_CONTAINERS}")
        arrays[name] = _read_idx(file)
    return arrays


def _read_idx(file: Path) -> np.ndarray:
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):  # not the suffix: some servers and browsers unpack .gz on the way
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise MnistError(f"found a damaged {file.name} ({error}), expected a whole gzip file") from error
    n_dims = 3 if "idx3" in file.name else 1
    header = struct.Struct(f">{1 + n_dims}I")
    if len(content) < header.size or content[:4] != struct.pack(">I", 0x800 + n_dims):
        raise MnistError(
            f"found {file.name} with {len(content)} bytes that start with 0x{content[:4].hex()}, "
            f"expected an IDX file of uint8 that starts with 0x{0x800 + n_dims:08x}"
        )
    _, *shape = header.unpack_from(content)
    if len(content) != header.size + math.prod(shape):
        raise MnistError(
            f"found {file.name} with {len(content)} bytes, "
            f"expected {header.size + math.prod(shape)} for the shape {tuple(shape)} in its header"
        )
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape).copy()  # copied to be writable


def _verify(name: str, array: np.ndarray) -> None:
    if array.dtype != np.uint8:
        raise MnistError(f"found {name} of dtype {array.dtype}, expected uint8 of shape {_SHAPES[name]}")
    digest = hashlib.sha256(struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape))
    digest.update(array)
    if digest.hexdigest() != MNIST_SHA256[name]:
        raise MnistError(
            f"found {name} of shape {array.shape} with the SHA-256 {digest.hexdigest()[:16]}..., "
            f"expected MNIST's, of shape {_SHAPES[name]} with {MNIST_SHA256[name][:16]}..."
        )


def _read_named(path: str | os.PathLike, origin: str, otherwise: str) -> dict[str, np.ndarray]:
    """Read what the user named. There is no fallback: a wrong name must not go unseen."""
    try:
        return _read(path)
    except MnistError as fault:
        # From the cause, so that the traceback does not tell the fault twice.
        raise MnistError(
            f"{origin} {str(path)!r}: {fault}. "
            f"Name a whole, unchanged copy of MNIST, or {otherwise} to have it downloaded."
        ) from fault.__cause__


# The cache.


def _cache_file() -> Path:
    folder = os.environ.get("EXAMPLE_WEIGHTING_CACHE")
    if not folder:
        import pooch

        folder = pooch.os_cache("example-weighting")
    return Path(os.path.expanduser(folder)) / "mnist.npz"


def _read_cache(file: Path) -> dict[str, np.ndarray] | None:
    """Return the cached arrays, or None where there are none. A damaged file stays, with a warning."""
    if not os.path.lexists(file):
        return None
    try:
        return _read(file)
    except MnistError as fault:
        warnings.warn(
            f"The cached MNIST {str(file)!r} is not used: {fault}. "
            "It is downloaded again, and the file is replaced if that succeeds.",
            stacklevel=3,
        )
        return None


def _write_cache(arrays: dict[str, np.ndarray], file: Path) -> None:
    """Save the arrays whole or not at all. A cache that cannot be written gives a warning only."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the last step is a rename within one file system: all or nothing.
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            whole = Path(folder) / file.name
            np.savez_compressed(whole, **arrays)
            os.replace(whole, file)
    except OSError as error:
        warnings.warn(
            f"MNIST is loaded and verified, but it could not be saved as {str(file)!r} ({error}), so it is "
            "downloaded again next time. Set EXAMPLE_WEIGHTING_CACHE to a folder that can be written.",
            stacklevel=3,
        )


# The download.


class _NoMirror(Exception):
    """No mirror gave any data. The text lists each mirror with its reason."""


def _download() -> dict[str, np.ndarray]:
    """Return the verified arrays from the first mirror that gives them.

    Raises:
        _NoMirror: no mirror could be reached.
        MnistError: a mirror was reached, but no mirror gave an unchanged MNIST.
    """
    faults = []
    answers = []
    for url in MNIST_MIRRORS:
        try:
            with tempfile.TemporaryDirectory() as folder:
                return _download_from(url, Path(folder), answers)
        except (MnistError, OSError, ValueError) as error:  # the errors of requests are OSErrors
            faults.append(f"  - {url}: {_short(error)}")
    if not any(answers):
        raise _NoMirror("\n".join(faults))
    raise MnistError(
        "The download of MNIST failed:\n" + "\n".join(faults) + "\n"
        "Expected the unchanged MNIST from one of these. Run again, or set MNIST_NPZ to a copy of MNIST."
    )


def _download_from(url: str, folder: Path, answers: list[bool]) -> dict[str, np.ndarray]:
    """Fetch one file, or the four of a folder, with pooch. `answers` gets True for each that began to come."""
    import pooch

    def note(response, **_) -> None:
        answers.append(response.ok)

    # Silent where stderr is no terminal, so that notebooks and logs stay clean.
    bar = sys.stderr is not None and sys.stderr.isatty()
    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=READ_SECONDS, hooks={"response": note})
    pooch.get_logger().setLevel("WARNING")
    names = [f"{name}.gz" for name in _IDX_FILES.values()] if url.endswith("/") else ["mnist.npz"]
    for name in names:
        address = f"{url}{name}" if url.endswith("/") else url
        # No hash: it is the content that is verified, whatever it comes in.
        pooch.retrieve(address, known_hash=None, fname=name, path=folder, downloader=downloader)
    return _read(folder if url.endswith("/") else folder / "mnist.npz")


def _short(error: BaseException) -> str:
    """Name an error in one line by its root: requests wraps "Connection refused" in three layers of text."""
    if isinstance(error, MnistError):
        return str(error)
    while error.__context__ is not None:
        error = error.__context__
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200)
