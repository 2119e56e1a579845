"""Gradients as numbers: measured once, or many times where they are random, and compared by direction and size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers.check.rows import FAILS, HOLDS, NOT_OBSERVED, CannotBeDriven, Result

TOLERANCE = 1e-3  # of a norm: float32 is a thousand times more exact
TOLERANCE_OF_STEPS = 1e-2  # a model may compute in half precision; the faults are larger by far
ERRORS = 4  # standard errors that chance may explain
TOO_NOISY = 0.5
CALLS, SECONDS_A_MEASUREMENT = (30, 300), 0.2  # of the processor


@dataclass(frozen=True)
class Measured:
    """A gradient, or its mean over some calls.

    Attributes:
        mean: flat, float64.
        error: norm of the standard error of the mean; 0 for a gradient that is always the same.
    """

    mean: np.ndarray
    error: float = 0.0

    @property
    def norm(self) -> float:
        """Euclidean length."""
        return float(np.linalg.norm(self.mean))

    @property
    def largest(self) -> float:
        """Largest absolute number."""
        return float(np.abs(self.mean).max())


@dataclass(frozen=True)
class Comparison:
    """How a gradient lies to a reference: found = factor x reference + rest.

    Attributes:
        factor: by least squares.
        rest: norm of the rest, as a share of the norm of what was found.
        noise: share that chance may explain.
    """

    factor: float
    rest: float
    noise: float


class Meter:
    """Measures what a function returns, once if it is always the same, else by its mean."""

    def __init__(self, run: Callable[[], ArrayLike]):
        """Find out with a first input whether the function is random; refuse one that drifts."""
        start = time.process_time()
        # A few: two masks of light dropout are the same now and then.
        first = [flat(run()) for _ in range(8)]
        seconds = (time.process_time() - start) / 8
        self.calls = 1
        if all(same(first[0], other) for other in first[1:]):
            return
        first += [flat(run()) for _ in range(8)]
        if drifts(np.array(first)):
            raise CannotBeDriven(
                "the same call gives another gradient each time, and moves away from the first: the step changes its "
                "model or the state of its optimiser. Put both back before each call, or return the gradient and "
                "leave out optimizer.step()."
            )
        self.calls = int(np.clip(SECONDS_A_MEASUREMENT / max(seconds, 1e-6), *CALLS))

    def __call__(self, run: Callable[[], ArrayLike]) -> Measured:
        """Measure what a function returns."""
        values = np.array([flat(run()) for _ in range(self.calls)])
        if self.calls == 1:
            return Measured(values[0])
        return Measured(values.mean(axis=0), float(np.linalg.norm(values.std(axis=0, ddof=1) / np.sqrt(self.calls))))

    @property
    def said(self) -> str:
        """What to say of random gradients."""
        return f"; means of {self.calls} calls, {ERRORS} standard errors allowed" if self.calls > 1 else ""


def flat(values: ArrayLike) -> np.ndarray:
    """An array or a tensor, flat, in float64."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    elif hasattr(values, "numpy"):
        values = values.numpy()
    try:
        if values is None:  # which NumPy takes for NaN
            raise TypeError("nothing was returned")
        return np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise CannotBeDriven(
            f"expected one flat array of numbers, got {type(values).__name__}. Join the gradients of all parameters: "
            "np.concatenate([g.ravel() for g in gradients])."
        ) from error


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal but for rounding."""
    size = np.linalg.norm(one)
    return one.shape == other.shape and bool(
        np.linalg.norm(one - other) <= 1e-5 * size or np.array_equal(one, other, equal_nan=True)
    )


def drifts(calls: np.ndarray) -> bool:
    """Whether calls that are far apart in time differ more than those that are near. Chance knows no time."""
    distances = {lag: np.mean(np.sum((calls[lag:] - calls[:-lag]) ** 2, axis=1)) for lag in (1, 10)}
    return bool(distances[10] > 3 * distances[1])


def compare(found: Measured, reference: Measured) -> Comparison:
    """Project one on the other."""
    if found.mean.shape != reference.mean.shape:
        raise CannotBeDriven(
            f"the gradient has {reference.mean.size} numbers for one batch and {found.mean.size} for another. Return "
            "the gradient of all parameters, always in the same order."
        )
    square = reference.mean @ reference.mean
    factor = float(found.mean @ reference.mean / square) if square else np.nan
    size = found.norm or 1.0
    noise = ERRORS * float(np.hypot(found.error, factor * reference.error)) / size
    return Comparison(factor, float(np.linalg.norm(found.mean - factor * reference.mean)) / size, noise)


def judge(
    found: Measured, reference: Measured, expected: float | None, why: str = "", tolerance: float = TOLERANCE
) -> Result:
    """Has a gradient the direction of its reference, and the size that is expected?

    Args:
        found: the gradient.
        reference: what it should be parallel to.
        expected: found / reference; None: any size above 0.
        why: who expects this.
        tolerance: relative, of the direction and of the size.
    """
    if not np.isfinite(reference.mean).all():
        return NOT_OBSERVED, "the gradient of the reference is not finite"
    if not reference.norm:
        return NOT_OBSERVED, "the gradient of the reference is 0"
    if not np.isfinite(found.mean).all():
        return FAILS, "the gradient is not finite"
    found_to_be = compare(found, reference)
    factor, rest, allowed = found_to_be.factor, found_to_be.rest, tolerance + found_to_be.noise
    if found_to_be.noise > TOO_NOISY:
        return NOT_OBSERVED, f"chance alone explains {found_to_be.noise:.0%} of the gradient"
    if not found.norm or factor <= 0 or rest > allowed:
        return FAILS, f"the gradient has another direction: {rest:.2%} of it is off, factor {factor:.4g}"
    if expected is not None and abs(factor / expected - 1) > allowed:
        return FAILS, f"the gradient is {factor:.4g} times the reference, expected {expected:.4g}{why}"
    chance = f", chance explains {found_to_be.noise:.1%}" if found_to_be.noise else ""
    return HOLDS, f"factor {factor:.4g}{why if expected is not None else ''}{chance}"
