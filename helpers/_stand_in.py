"""The digits that stand in for MNIST: scikit-learn's small ones, enlarged, moved and dimmed."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

Counts = tuple[int, ...]  # of each digit, from 0 to 9


def jittered_digits(train_counts: Counts, test_counts: Counts) -> tuple[np.ndarray, ...]:
    """Return x_train, y_train, x_test and y_test, all uint8, as `helpers.mnist.stand_in_mnist` describes them."""
    digits = load_digits()
    images = zoom(digits.images / 16.0, (1, 2.5, 2.5), order=1).astype(np.float32)  # (1797, 20, 20), 0 to 1
    by_class = [np.flatnonzero(digits.target == digit) for digit in range(10)]
    # Whole originals go to one side, so no test image is a jittered copy of a training image.
    for_training = [rows[: len(rows) * 4 // 5] for rows in by_class]
    for_test = [rows[len(rows) * 4 // 5 :] for rows in by_class]
    rng = np.random.default_rng(0)
    x_train, y_train = _jittered(images, for_training, train_counts, rng)
    x_test, y_test = _jittered(images, for_test, test_counts, rng)
    return x_train, y_train, x_test, y_test


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
