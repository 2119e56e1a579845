"""Measured quantities, each with its interval and number of seeds, in one printed form."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

#: Of every interval.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effect:
    """A measured quantity. Printed, it is `text`.

    Attributes:
        value: the number.
        low: lower end of its 95 % interval.
        high: upper end.
        n: number of seeds, or of rows; None where nothing was sampled.
        text: all of it, for a reader.
    """

    value: float
    low: float
    high: float
    n: int | None
    text: str

    def __str__(self) -> str:
        return self.text


def exact(value: float, text: str | None = None) -> Effect:
    """A quantity without spread: a count, a closed form, the optimum of a convex model.

    Args:
        value: the number; True is 1.
        text: what a reader sees, the number unless given.
    """
    return Effect(float(value), float(value), float(value), None, f"{value:g}" if text is None else text)


def mean(values: ArrayLike, digits: int = 3, unit: str = "", overlap: float = 0.0) -> Effect:
    """Mean ± sample standard deviation over seeds: "12.3 ± 4.5 (n = 20)". Its interval is Student's, for the mean.

    Args:
        values: one per seed, shape (n,), n at least 2, all finite.
        digits: decimals to show.
        unit: what follows the numbers, as in " %".
        overlap: as in `paired`.

    Raises:
        ValueError: another shape, fewer than two values, or one that is not finite.
    """
    values = _per_seed(values)
    low, high = _interval(values, overlap)
    text = f"{_number(values.mean(), digits)} ± {_number(values.std(ddof=1), digits)}{unit} (n = {len(values)})"
    return Effect(float(values.mean()), low, high, len(values), text)


def paired(first: ArrayLike, second: ArrayLike, digits: int = 3, unit: str = "", overlap: float = 0.0) -> Effect:
    """Mean of first - second over paired seeds, with its interval: "+3.2, 95 % interval +1.1 to +5.3 (n = 20)".

    The interval is Student's, of the differences. Seeds that are splits of one table share most of their rows, and so
    know less than n draws would: with `overlap` the variance of the mean is (1 / n + overlap) times that of a
    difference (Nadeau and Bengio, "Inference for the Generalization Error", 2003).

    Args:
        first: one per seed, shape (n,), n at least 2, all finite.
        second: the same for the twins, in the same order.
        digits: decimals to show.
        unit: what follows the numbers.
        overlap: of splits of one table, test rows per training row; 0 for seeds that draw new rows.

    Raises:
        ValueError: other or different shapes, fewer than two pairs, a value that is not finite, a negative overlap.
    """
    first, second = _pairs(first, second)
    difference = first - second
    low, high = _interval(difference, overlap)
    ends = f"{_number(low, digits, '+')} to {_number(high, digits, '+')}"
    text = f"{_number(difference.mean(), digits, '+')}{unit}, 95 % interval {ends} (n = {len(difference)})"
    return Effect(float(difference.mean()), low, high, len(difference), text)


def ratio(first: ArrayLike, second: ArrayLike, digits: int = 2) -> Effect:
    """Ratio of the means of paired seeds, with Fieller's 95 % interval: "0.45, 95 % interval 0.40 to 0.51 (n = 20)".

    Fieller, "Some problems in interval estimation", 1954: all r for which the mean of first - r second is not
    distinguishable from 0 by Student's t. If the mean of `second` itself is not, the interval has no ends.

    Args:
        first: one per seed, shape (n,), n at least 2, all finite.
        second: the same for what it is a part of.
        digits: decimals to show.

    Raises:
        ValueError: other or different shapes, fewer than two pairs, a value that is not finite, a mean of 0 below.
    """
    first, second = _pairs(first, second)
    n, a, b = len(first), first.mean(), second.mean()
    if b == 0:
        raise ValueError("a ratio needs a second mean that is not 0.")
    (aa, ab), (_, bb) = np.cov(first, second) / n * stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) ** 2
    if b * b <= bb:
        return Effect(a / b, -inf, inf, n, f"{_number(a / b, digits)}, of any size by its 95 % interval (n = {n})")
    middle, root = a * b - ab, np.sqrt(max(0.0, (a * b - ab) ** 2 - (a * a - aa) * (b * b - bb)))
    low, high = (middle - root) / (b * b - bb), (middle + root) / (b * b - bb)
    ends = f"{_number(low, digits)} to {_number(high, digits)}"
    return Effect(float(a / b), float(low), float(high), n, f"{_number(a / b, digits)}, 95 % interval {ends} (n = {n})")


def share(condition: ArrayLike) -> Effect:
    """On how many seeds a condition holds, with Wilson's 95 % interval: "18 of 20, 95 % interval 70 to 97 %".

    Args:
        condition: one truth value per seed, shape (n,).

    Raises:
        ValueError: no seeds, more than one dimension, or values that are not truth values.
    """
    condition = _truth_values(condition)
    k, n = int(condition.sum()), len(condition)
    ends = stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    text = f"{k} of {n}, 95 % interval {100 * ends.low:.0f} to {100 * ends.high:.0f} %"
    return Effect(k / n, float(ends.low), float(ends.high), n, text)


def _truth_values(condition: ArrayLike) -> np.ndarray:
    condition = np.asarray(condition)
    if condition.ndim != 1 or not len(condition) or condition.dtype != bool:
        raise ValueError(
            f"expected one truth value per seed, got shape {condition.shape} of {condition.dtype}. "
            "Compare first, as in first > second."
        )
    return condition


def _per_seed(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected one finite value per seed, two or more, got shape {values.shape}: {values}.")
    return values


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = _per_seed(first), _per_seed(second)
    if len(first) != len(second):
        raise ValueError(f"pairs need the same seeds, got {len(first)} and {len(second)} values.")
    return first, second


def _interval(values: np.ndarray, overlap: float = 0.0) -> tuple[float, float]:
    if not overlap >= 0:
        raise ValueError(f"overlap is {overlap!r}, expected the number of test rows per training row, 0 or more.")
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    half *= np.sqrt(1 + len(values) * overlap)
    return float(values.mean() - half), float(values.mean() + half)


def _number(value: float, digits: int, sign: str = "") -> str:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return f"{round(float(value), digits) + 0.0:{sign}.{digits}f}"
