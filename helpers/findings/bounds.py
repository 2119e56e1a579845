"""Bounds and counts of seeds, for the chapters whose results are exact or convex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import floor, isfinite

import numpy as np
from numpy.typing import ArrayLike

from helpers.findings.sizes import truth_values
from helpers.findings.verdicts import Finding


def verdict(
    claim: str,
    holds: Mapping[str, bool],
    figures: Mapping[str, str],
    *,
    only_if: str | None = None,
    because: str | None = None,
) -> Finding:
    """Turn what each framework showed into a verdict on a claim.

    Args:
        claim: its name in `claims.md`.
        holds: framework -> whether the claim held there.
        figures: framework -> the figure behind it. The same frameworks as in `holds`.
        only_if: a condition without which the claim fails; give it when a counterexample was computed.
        because: why the claim fails; shown only if it does.

    Raises:
        ValueError: no framework, or `holds` and `figures` name different ones.
    """
    if not holds or set(holds) != set(figures):
        raise ValueError(f"holds and figures must name the same frameworks, got {list(holds)} and {list(figures)}.")
    failed = [framework for framework, held in holds.items() if not held]
    if not failed:
        return Finding(claim, f"holds if {only_if}" if only_if else "holds", figures)
    where = "" if len(failed) == len(holds) else f" in {' and '.join(failed)}"
    return Finding(claim, f"does not hold{where}" + (f": {because}" if because else ""), figures)


def spread(values: ArrayLike, digits: int = 3) -> str:
    """Mean, sample standard deviation, extremes and number of the values, as text.

    Args:
        values: at least two, of any shape.
        digits: decimals to show.

    Raises:
        ValueError: fewer than two values: one run has no spread.
    """
    values = np.asarray(values, dtype=float).ravel()
    if len(values) < 2:
        raise ValueError(f"a spread needs at least two values, got {len(values)}.")
    numbers = np.array([values.mean(), values.std(ddof=1), values.min(), values.max()])
    # Adding 0.0 turns a rounded -0.0 into 0.0: the sign of almost nothing is not stable.
    mean, sd, low, high = (f"{v:.{digits}f}" for v in np.round(numbers, digits) + 0.0)
    return f"{mean} ± {sd} ({low} to {high}, n = {len(values)})"


def seeds(condition: ArrayLike) -> str:
    """On how many seeds a condition holds: `seeds(weighted > unweighted)` is "5 of 5 seeds".

    A bound that is written into the condition, as in `seeds(recall > 0.6)`, stays stable where the values move.

    Args:
        condition: one truth value per seed, shape (n,).

    Raises:
        ValueError: no seeds, more than one dimension, or values that are not truth values.
    """
    condition = truth_values(condition)
    return f"{int(condition.sum())} of {len(condition)} seeds"


def about(values: ArrayLike, target: float, tolerance: float) -> bool:
    """Whether every value lies within the tolerance of the target. A NaN does not.

    Args:
        values: at least one, of any shape.
        target: what they should be.
        tolerance: how far from it they may be; above 0.

    Raises:
        ValueError: no values, or a tolerance that is not above 0.
    """
    values = _some(values)
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}.")
    return bool((np.abs(values - target) <= tolerance).all())


def at_least(values: ArrayLike, step: float = 0.1) -> str:
    """The lowest value, rounded down to a multiple of `step`: a bound that all values keep.

    Args:
        values: at least one, of any shape.
        step: the bound is a multiple of it, and is written with as many decimals.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    return _rounded(_some(values).min(), step, down=True)


def at_most(values: ArrayLike, step: float = 0.1) -> str:
    """The highest value, rounded up to a multiple of `step`: a bound that all values keep.

    Args:
        values: at least one, of any shape.
        step: the bound is a multiple of it, and is written with as many decimals.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    return _rounded(_some(values).max(), step, down=False)


def _rounded(value: float, step: float, down: bool) -> str:
    if not isfinite(value):
        raise ValueError(f"a bound needs finite values, got {value}.")
    # A value a hair beside a multiple of the step counts as that multiple: 0.3 / 0.1 is 2.9999999999999996.
    steps = value / step
    steps = round(steps) if abs(steps - round(steps)) < 1e-9 else floor(steps) + (0 if down else 1)
    # As many digits as the step has: with fewer, 0.75 in steps of 0.25 would print as 0.8.
    digits = max(0, -Decimal(str(step)).normalize().as_tuple().exponent)
    return f"{steps * step:.{digits}f}"


def _some(values: ArrayLike | Sequence[float]) -> np.ndarray:
    values = np.asarray(values, dtype=float).ravel()
    if not len(values):
        raise ValueError("no values were given.")
    return values
