"""The data of the book: two curves, two clusters, rare events in sequences, and MNIST with its content verified.

Only NumPy is imported here. What the download and the stand-in need is imported where it is used.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import math
import os
import struct
import tempfile
import textwrap
import threading
import time
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = [
    "MNIST_MIRRORS",
    "MNIST_SHA256",
    "Mnist",
    "MnistError",
    "RareSequences",
    "clusters",
    "curve",
    "load_mnist",
    "nines_and_fours",
    "ramp",
    "rare_sequences",
    "stand_in_mnist",
]

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

DOWNLOAD_SECONDS = 180.0  # for one mirror, all its files together
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


def curve(n: int = 200, low: float = -3.0, high: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the bell curve y = exp(-x**2) at n regular points.

    Args:
        n: points, at least 2.
        low: the first x.
        high: the last x.

    Returns:
        x and y, both float32 of shape (n,); x runs from low to high, both included.

    Raises:
        ValueError: n is below 2, or low is not below high.
    """
    x = _grid(n, low, high)
    return x.astype(np.float32), np.exp(-(x**2)).astype(np.float32)


def ramp(n: int = 200, low: float = -3.0, high: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return y = exp(x) / exp(high) at n regular points: flat on the left, steep on the right, 1 at the end.

    Args:
        n: points, at least 2.
        low: the first x.
        high: the last x.

    Returns:
        x and y, both float32 of shape (n,); x runs from low to high, both included.

    Raises:
        ValueError: n is below 2, or low is not below high.
    """
    x = _grid(n, low, high)
    # One exponential of the difference: exp(high) alone could overflow.
    return x.astype(np.float32), np.exp(x - high).astype(np.float32)


def clusters(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw two normal clusters on a line, both of variance 1: label 1 around -1, label 0 around +1.

    Args:
        n_per_class: points in each cluster.
        seed: seed of `numpy.random.default_rng`.

    Returns:
        x, float32 of shape (2 * n_per_class,), and labels, int64 of the same shape, in shuffled order.
        Label 1 marks the first class, the cluster at -1.

    Raises:
        ValueError: n_per_class is below 1.
    """
    if n_per_class < 1:
        raise ValueError(f"n_per_class is {n_per_class!r}, expected 1 or more: ask for at least one point")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.array([1, 0], dtype=np.int64), n_per_class))
    x = rng.standard_normal(labels.size) + np.where(labels == 1, -1.0, 1.0)
    return x.astype(np.float32), labels


class RareSequences(NamedTuple):
    """Noisy sequences in which a pattern is rare, a label for each step, and the best scores that are possible.

    Attributes:
        x: float32, shape (n, length, 1).
        y: int64, shape (n, length): 1 at the last step of a pattern, else 0.
        scores: float64, shape (n, length): the probability that y is 1, given x up to and including this step. No
            model that reads from left to right can rank better, or be better calibrated.
    """

    x: np.ndarray
    y: np.ndarray
    scores: np.ndarray


def rare_sequences(
    n: int,
    length: int = 20,
    *,
    seed: int,
    prevalence: float = 0.008,
    noise: float = 0.5,
    pattern: Sequence[float] = (1.0, -1.0, 1.0),
) -> RareSequences:
    """Draw sequences of noise in which a pattern is hidden now and then; label the steps at which it ends.

    A step is either background, with mean 0, or one value of the pattern. After background, and after a whole
    pattern, the next step starts a pattern with a fixed probability. The sequences are cut out of an endless one: a
    pattern may begin before the first step or end after the last, and every step has the same prevalence. The scores
    are exact, by the forward algorithm.

    Args:
        n: sequences.
        length: steps of each.
        seed: seed of `numpy.random.default_rng`.
        prevalence: probability that a step has the label 1; above 0 and below 1 / len(pattern).
        noise: standard deviation of the normal noise on every step, in the units of the pattern.
        pattern: the values to find, in their order.

    Raises:
        ValueError: n or length is below 1, prevalence or noise is out of range, or the pattern is empty, not finite
            or all zeros.

    Source: L. R. Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition", 1989.
    """
    means = _check_rare_sequences(n, length, prevalence, noise, pattern)
    last = len(means) - 1  # the states: 0 is background, 1 to last are the values of the pattern
    # As many patterns start as end: prevalence = start * (share of background steps + share of last steps).
    start = prevalence / (1 - (last - 1) * prevalence)

    rng = np.random.default_rng(seed)
    states = np.empty((n, length), dtype=np.int64)
    # Each value of the pattern is as frequent as its last one; what is left is background.
    share = rng.random(n) / prevalence
    states[:, 0] = np.where(share < last, share + 1, 0)
    starts = rng.random((n, length)) < start
    for t in range(1, length):
        before = states[:, t - 1]
        states[:, t] = np.where((before == 0) | (before == last), starts[:, t], before + 1)
    x = (means[states] + noise * rng.standard_normal((n, length))).astype(np.float32)
    scores = _last_state(x, means, noise, start, prevalence)
    return RareSequences(x[..., None], (states == last).astype(np.int64), scores)


def _last_state(x: np.ndarray, means: np.ndarray, noise: float, start: float, prevalence: float) -> np.ndarray:
    """The probability of the last state at each step, given x up to there: the forward algorithm, in logarithms."""
    last = len(means) - 1
    log_p = np.log(np.array([1 - last * prevalence, *[prevalence] * last]))  # of each state before x is seen
    log_p = np.tile(log_p, (len(x), 1))
    scores = np.empty(x.shape)
    for t in range(x.shape[1]):
        if t:
            free = np.logaddexp(log_p[:, :1], log_p[:, -1:])  # the next pattern may start
            log_p = np.hstack([free + np.log1p(-start), free + np.log(start), log_p[:, 1:-1]])
        log_p = log_p - 0.5 * ((x[:, t, None] - means) / noise) ** 2
        log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
        scores[:, t] = np.exp(log_p[:, -1])
    return scores


def _check_rare_sequences(n: int, length: int, prevalence: float, noise: float, pattern: Sequence[float]) -> np.ndarray:
    """Refuse what makes no sequences. Returns the mean of each state: the background's 0, then the pattern."""
    for name, value in (("n", n), ("length", length)):
        if value < 1:
            raise ValueError(f"{name} is {value!r}, expected 1 or more: ask for at least one")
    values = np.asarray(pattern, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or not values.any():
        raise ValueError(
            f"pattern is {pattern!r}, expected one or more finite numbers, not all 0: zeros look like background"
        )
    if not 0 < prevalence < 1 / values.size:
        raise ValueError(
            f"prevalence is {prevalence!r}, expected a number above 0 and below 1 / {values.size}: "
            f"each label 1 takes the {values.size} steps of a pattern"
        )
    if not (math.isfinite(noise) and noise > 0):
        raise ValueError(f"noise is {noise!r}, expected a finite standard deviation above 0")
    return np.concatenate([[0.0], values])


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


def nines_and_fours(images: np.ndarray, labels: np.ndarray, fours: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return all 9s, then the first `fours` 4s (None: all), as document 003 arranges them.

    Args:
        images: uint8, shape (n, 28, 28).
        labels: the digits, shape (n,).
        fours: how many 4s to take.

    Returns:
        x, float32 of shape (m, 784) with values from 0 to 1, and y, float32 of shape (m,), which is 1 for a 9
        and 0 for a 4.

    Raises:
        ValueError: there are fewer 4s than asked for.
    """
    rows_9, rows_4 = (np.flatnonzero(labels == digit) for digit in (9, 4))
    if fours is not None and not 0 <= fours <= len(rows_4):
        raise ValueError(f"fours is {fours!r}, expected 0 to {len(rows_4)}: there are no more 4s in these labels")
    chosen = np.concatenate([rows_9, rows_4[:fours]])
    x = images[chosen].reshape(len(chosen), -1).astype(np.float32) / 255
    return x, (labels[chosen] == 9).astype(np.float32)


def stand_in_mnist() -> Mnist:
    """Make digits with MNIST's shapes and class counts out of scikit-learn's bundled 8 x 8 digits.

    Each image is one of the 1797 originals, enlarged to 20 x 20, put near the centre of 28 x 28 (up to 2
    pixels off) and scaled in brightness. Training and test images come from different originals. The result
    is the same on every call. It is easier and less varied than MNIST: good to run the code, not to compare
    numbers.

    Source of the originals: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository, 1998 (`sklearn.datasets.load_digits`).
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = zoom(digits.images / 16.0, (1, 2.5, 2.5), order=1).astype(np.float32)  # (1797, 20, 20), 0 to 1
    by_class = [np.flatnonzero(digits.target == digit) for digit in range(10)]
    # Whole originals go to one side, so no test image is a jittered copy of a training image.
    for_training = [rows[: len(rows) * 4 // 5] for rows in by_class]
    for_test = [rows[len(rows) * 4 // 5 :] for rows in by_class]
    rng = np.random.default_rng(0)
    x_train, y_train = _jittered(images, for_training, _TRAIN_COUNTS, rng)
    x_test, y_test = _jittered(images, for_test, _TEST_COUNTS, rng)
    return Mnist(x_train, y_train, x_test, y_test, _STAND_IN)


def _jittered(
    images: np.ndarray, by_class: list[np.ndarray], counts: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw counts[c] moved and dimmed copies of the images in by_class[c], in shuffled order."""
    labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), counts))
    originals = np.empty(len(labels), dtype=np.int64)
    for digit, rows in enumerate(by_class):
        originals[labels == digit] = rng.choice(rows, counts[digit])
    brightness = rng.uniform(0.7 * 255, 255, (len(labels), 1, 1)).astype(np.float32)
    small = np.rint(images[originals] * brightness).astype(np.uint8)
    top, left = rng.integers(2, 7, (2, len(labels)))  # 4 is the centre
    canvas = np.zeros((len(labels), 28, 28), dtype=np.uint8)
    for row, column in itertools.product(range(2, 7), repeat=2):
        here = (top == row) & (left == column)
        canvas[here, row : row + 20, column : column + 20] = small[here]
    return canvas, labels


def _grid(n: int, low: float, high: float) -> np.ndarray:
    if n < 2:
        raise ValueError(f"n is {n!r}, expected 2 or more: a curve needs both its ends")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low is {low!r} and high is {high!r}, expected finite numbers with low below high")
    return np.linspace(low, high, n)


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


class _Progress:
    """A progress bar for pooch that also ends the download when its time is over.

    pooch sets `total` when a good answer begins, so this object knows whether the mirror was reached.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.answered = False
        self._bar = None

    @property
    def total(self) -> int:
        return self._bar.total

    @total.setter
    def total(self, n_bytes: int) -> None:
        from tqdm import tqdm

        self.answered = True
        # disable=None: silent where stderr is no terminal, so notebooks and logs stay clean.
        self._bar = tqdm(total=n_bytes, desc="MNIST", unit="B", unit_scale=True, leave=False, disable=None)

    def update(self, n_bytes: int) -> None:
        if time.monotonic() >= self.deadline:
            raise _too_late()
        self._bar.update(n_bytes)

    def reset(self) -> None:
        self._bar.reset()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _too_late() -> TimeoutError:
    return TimeoutError(f"not complete after {DOWNLOAD_SECONDS:g} s")


def _download() -> dict[str, np.ndarray]:
    """Return the verified arrays from the first mirror that gives them.

    Raises:
        _NoMirror: no mirror could be reached.
        MnistError: a mirror was reached, but no mirror gave an unchanged MNIST.
    """
    faults = []
    reached = False
    for url in MNIST_MIRRORS:
        progress = _Progress(time.monotonic() + DOWNLOAD_SECONDS)
        try:
            return _download_from(url, progress)
        except (MnistError, OSError, ValueError) as error:  # the errors of requests are OSErrors
            faults.append(f"  - {url}: {_short(error)}")
            reached |= progress.answered
        finally:
            progress.deadline = -math.inf  # a thread that was left behind ends at its next bytes
    if not reached:
        raise _NoMirror("\n".join(faults))
    raise MnistError(
        "The download of MNIST failed:\n" + "\n".join(faults) + "\n"
        "Expected the unchanged MNIST from one of these. Run again, or set MNIST_NPZ to a copy of MNIST."
    )


def _download_from(url: str, progress: _Progress) -> dict[str, np.ndarray]:
    # On Windows a file that a thread left behind still holds open cannot be deleted: that is no error here.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if not url.endswith("/"):
            return _read(_fetch(url, Path(folder) / "mnist.npz", progress))
        for name in _IDX_FILES.values():
            _fetch(f"{url}{name}.gz", Path(folder) / f"{name}.gz", progress)
        return _read(folder)


def _fetch(url: str, file: Path, progress: _Progress) -> Path:
    """Download one file with pooch. Raises what pooch and requests raise, or TimeoutError at the deadline.

    pooch reports progress once in 1024 bytes, and nothing before the answer begins. A server that sends a
    byte now and then would pass any deadline, so the download runs in a thread and the clock outside it.
    """
    import pooch

    errors = []
    responses = []

    def keep(response, **_) -> None:
        responses.append(response)

    def work() -> None:
        try:
            download = pooch.HTTPDownloader(progress, timeout=READ_SECONDS, hooks={"response": keep})
            download(url, str(file), None)
        except Exception as error:  # raised again below: an error must not end in the thread
            errors.append(error)
        finally:
            progress.close()
            for response in responses:
                response.close()  # pooch does not, and an open one would go on receiving

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, progress.deadline - time.monotonic()))
    if thread.is_alive():
        raise _too_late()
    if errors:
        raise errors[0]
    return file


def _short(error: BaseException) -> str:
    """Name an error in one line by its root: requests wraps "Connection refused" in three layers of text."""
    if isinstance(error, MnistError):
        return str(error)
    while error.__context__ is not None:
        error = error.__context__
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200)
