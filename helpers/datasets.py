"""The data of the book: two curves, two clusters, rare events in sequences; and MNIST, from `helpers.mnist`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from helpers.mnist import load_mnist

__all__ = ["RareSequences", "clusters", "curve", "load_mnist", "nines_and_fours", "ramp", "rare_sequences"]


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


def _grid(n: int, low: float, high: float) -> np.ndarray:
    if n < 2:
        raise ValueError(f"n is {n!r}, expected 2 or more: a curve needs both its ends")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low is {low!r} and high is {high!r}, expected finite numbers with low below high")
    return np.linspace(low, high, n)
