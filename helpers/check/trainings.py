"""Does a training honour weights, from the data to the predictions?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from helpers.check.drive import as_training
from helpers.check.gradients import choose_rows, nan_said
from helpers.check.held_out import batch_is_dropped, held_out_rows, validation_result
from helpers.check.preconditions import rows_meet
from helpers.check.repeats import ERRORS, EXACT, ROUGH, Design, Trainings, other_targets
from helpers.check.rows import (
    DENOMINATOR,
    FAILS,
    HOLDS,
    NAN,
    NONE_OF_THESE,
    NOT_OBSERVED,
    ORDER,
    OWN,
    TWO,
    VALIDATION,
    ZERO,
    CannotBeDriven,
    Result,
    Row,
    attempt,
    rows_of,
)
from helpers.check.tensors import Array, dtype_of, length_of, take, to_numpy

MOST_ROWS, FEWEST_ROWS = 48, 8


def check_training(
    train: Callable[[Array, Array, Array], Callable[[Array], Any]],
    x: Array,
    y: Array,
    *,
    tolerance: float | None = None,
) -> list[Row]:
    """Does a training honour weights? Its predictions are asked.

    A loop makes batches, and a row less makes all of them others. So the designs that are compared have as many rows
    as each other, the same sum of weights and as many weights that are 0: no denominator tells them apart.

    - Weight 0: other targets, and other inputs, in rows of weight 0 change nothing.
    - Weight 2: every row stands there twice. Weights 2 and 0 are 1 and 1.
    - Each row its own weight: every row stands there twice. 0.9 w and 0.1 w are w / 2 and w / 2.
    - `denominator` is found by leaving rows out, where the loop has no batches; else ask `check_step`.

    Preconditions. The global generators of Python, NumPy, torch and Keras are seeded before each training. Where the
    result still depends on chance, or on the order of the rows, the MEAN over seeds and orders is asked, with its
    standard error. `train` must begin with a new model each time.

    An example::

        import numpy as np
        from sklearn.linear_model import Ridge
        from helpers.check import check_training, render

        def train(x, y, sample_weight):
            return Ridge().fit(x, y, sample_weight=sample_weight).predict

        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 3))
        print(render(check_training(train, x, x.sum(axis=1) + rng.normal(size=40))))

    Args:
        train: `train(x, y, sample_weight)` returns `predict`; or a scikit-learn-like estimator, or a compiled Keras
            model.
        x: inputs, n rows, n at least 8. Up to 48 rows are used.
        y: targets.
        tolerance: the largest difference of two predictions that counts as none. None: 2 % of what weights change, and
            20 % in a loop that depends on chance, where it is between weights 2 and 0 and weights 1 and 1.

    Returns:
        Rows with the keys `KEYS`.

    Raises:
        CannotBeDriven: the training fails on the data, or its predictions do not depend on the targets.
    """
    runs = _prepare(as_training(train), x, y, tolerance)
    n = length_of(runs.x)
    w = own_weights(n)
    held = held_out_rows(runs, n)
    used = np.setdiff1d(np.arange(n), held)
    zero, effect = _zero_result(runs, w, used, rows_meet(train) or rows_meet(runs.train))
    scale = weight_scale(runs, upper_half(runs.y), effect)
    results = {ZERO: zero}
    some = used[1::4]
    for name, pair in {TWO: copies(n, some), OWN: uneven(n, some)}.items():
        results[name] = attempt(partial(_copies_result, runs, pair, some, scale, zero))
    if zero[0] == FAILS and results[OWN][0] != FAILS:
        results[OWN] = attempt(partial(_follows_result, runs, n, some, results[OWN]))
    results[ORDER] = attempt(partial(_order_result, runs, w, some, scale or effect))
    dropped = batch_is_dropped(runs, n)
    if dropped:
        results[ORDER] = (FAILS, dropped)
    results[VALIDATION] = attempt(partial(validation_result, runs, w, held, effect))
    results[NAN] = attempt(partial(_nan_result, runs, w, used, effect))
    found = attempt(partial(_denominator, runs, w, scale or effect, len(held) > 0))
    results[DENOMINATOR] = found if found[0] != NOT_OBSERVED else (NONE_OF_THESE, found[1])
    return rows_of(results, "a training does not show its steps: ask check_step")


def _prepare(train: Callable, x: Array, y: Array, tolerance: float | None) -> Trainings:
    n = length_of(x)
    if n != length_of(y) or n < FEWEST_ROWS:
        raise CannotBeDriven(
            f"expected x and y of the same number of rows, {FEWEST_ROWS} or more, got {n} and {length_of(y)}."
        )
    rows = choose_rows(n, MOST_ROWS)
    runs = Trainings(train, take(x, rows), take(y, rows), tolerance)
    try:
        twice = [runs.predictions(Design(np.arange(len(rows)), np.ones(len(rows)))) for _ in range(2)]
        runs.known = {} if np.array_equal(*twice, equal_nan=True) else None
    except CannotBeDriven:
        raise
    except Exception as error:
        raise CannotBeDriven(
            f"the training failed with weights that are all 1: {type(error).__name__}: {error}"
        ) from error
    return runs


def own_weights(n: int) -> np.ndarray:
    """All different, mean 1, not sorted."""
    weights = 0.4 + 1.2 * (np.arange(n) * 7 % n if n % 7 else np.arange(n)) / n
    return weights / weights.mean()


def upper_half(y: Array) -> np.ndarray:
    """The rows with the larger targets, or every other class: what weighs more here moves all predictions."""
    values = to_numpy(y).reshape(length_of(y), -1)[:, -1]
    if values.dtype.kind == "f" and len(np.unique(values)) > 2:
        return values > np.median(values)
    return np.unique(values, return_inverse=True)[1] % 2 == 1


def copies(n: int, some: np.ndarray) -> tuple[Design, Design]:
    """All rows twice: some with the weights (2, 0) and with (1, 1), the others with (1, 1) and with (2, 0)."""
    rows, chosen = np.repeat(np.arange(n), 2), np.isin(np.repeat(np.arange(n), 2), some)
    apart = np.tile([2.0, 0.0], n)
    return Design(rows, np.where(chosen, apart, 1.0)), Design(rows, np.where(chosen, 1.0, apart))


def uneven(n: int, some: np.ndarray) -> tuple[Design, Design]:
    """All rows twice, each with a weight of its own that its copies share 9 to 1, or evenly."""
    rows, chosen = np.repeat(np.arange(n), 2), np.isin(np.repeat(np.arange(n), 2), some)
    even = np.repeat(own_weights(n), 2)
    apart = even * np.tile([1.8, 0.2], n)
    return Design(rows, np.where(chosen, apart, even)), Design(rows, np.where(chosen, even, apart))


def weight_scale(runs: Trainings, half: np.ndarray, effect: float) -> float:
    """What weights change: half of the rows weigh twice as much, or the other half; 0 if that is next to nothing."""
    rows = np.arange(len(half))
    one, other = (Design(rows, np.where(heavy, 4 / 3, 2 / 3)) for heavy in (half, ~half))
    size = float(np.linalg.norm(runs.predictions(one) - runs.predictions(other)))
    return size if size > 1e-3 * effect else 0.0


def _zero_result(runs: Trainings, w: np.ndarray, used: np.ndarray, meet: bool) -> tuple[Result, float]:
    """Rows of weight 0 with other contents; and the norm of what the contents change at weight 1."""
    n = len(w)
    rows, some = np.arange(n), used[::3]
    zeros = np.where(np.isin(rows, some), 0.0, w)
    targets = other_targets(runs.y, some)
    effect = float(np.linalg.norm(runs.predictions(Design(rows, w, targets)) - runs.predictions(Design(rows, w))))
    if not np.isfinite(effect) or effect < 1e-9:
        raise CannotBeDriven(
            "the predictions do not depend on the targets: train longer, or with a larger learning rate."
            if np.isfinite(effect) else "the predictions are not finite."
        )  # fmt: skip
    inputs = np.where(np.isin(rows, some), np.roll(rows, n // 2), rows)

    def experiment() -> Result:
        result = runs.judge(Design(rows, zeros, targets), Design(rows, zeros), effect)
        if result[0] != HOLDS:
            return result[0], f"rows of weight 0 get other targets: {result[1]}"
        moved = runs.judge(Design(rows, zeros, None, inputs), Design(rows, zeros), effect)
        if moved[0] == FAILS:
            said = f"rows of weight 0 get other inputs: {moved[1]}"
            return (NOT_OBSERVED, f"{said}; batch norm was found") if meet else (
                FAILS, f"{said}: batch norm, or a scaling without weights?"
            )  # fmt: skip
        return HOLDS, f"rows of weight 0 get other targets, then other inputs: {moved[1]}"

    return attempt(experiment), effect


def _copies_result(
    runs: Trainings, pair: tuple[Design, Design], some: np.ndarray, scale: float, zero: Result
) -> Result:
    if not scale:
        said = "half of the rows with twice the weight make the same predictions"
        return (FAILS, said) if zero[0] == FAILS else (NOT_OBSERVED, f"{said}: does the model fit every row exactly?")
    return runs.judge_influence(*pair, some, scale)


def _follows_result(runs: Trainings, n: int, some: np.ndarray, before: Result) -> Result:
    """Where rows of weight 0 matter: does the influence of some rows follow THEIR weights, from 2 / 3 to 4 / 3?"""
    rows, chosen = np.arange(n), np.isin(np.arange(n), some)
    rest = (n - np.array([4, 2]) / 3 * len(some)) / (n - len(some))  # the weights of the others, for the same sum
    heavy, light = (Design(rows, np.where(chosen, w, r)) for w, r in zip((4 / 3, 2 / 3), rest, strict=True))
    ratio, error, _ = runs.influence_ratio(heavy, light, some)
    if ratio < 2 / ROUGH - ERRORS * error:
        return FAILS, f"rows with twice the weight have {ratio:.2f} times the influence, standard error {error:.2f}"
    return before


def _order_result(runs: Trainings, w: np.ndarray, some: np.ndarray, scale: float) -> Result:
    """The same rows in another order. Where it matters without weights too, they are not to blame."""
    rows, ones = np.arange(len(w)), np.ones(len(w))
    moved = np.roll(rows[::-1], len(w) // 3)
    result = runs.judge_influence(Design(moved, w[moved]), Design(rows, w), some, scale)
    if result[0] == FAILS:
        plain = runs.judge_influence(Design(moved, ones), Design(rows, ones), some, scale)
        if plain[0] != HOLDS:
            return NOT_OBSERVED, f"the order matters without weights too: {plain[1]}. Does the loop not shuffle?"
    return result


def _nan_result(runs: Trainings, w: np.ndarray, used: np.ndarray, effect: float) -> Result:
    """NaN in the targets of rows of weight 0."""
    if "float" not in dtype_of(runs.y) or len(np.unique(to_numpy(runs.y))) <= 2:
        return NOT_OBSERVED, "the targets are labels, and cannot be NaN"
    rows, some = np.arange(len(w)), used[::3]
    zeros = np.where(np.isin(rows, some), 0.0, w)
    targets = to_numpy(runs.y).copy()
    targets[some] = np.nan
    with np.errstate(invalid="ignore"):
        result = runs.judge(Design(rows, zeros, targets), Design(rows, zeros), effect)
    return result if result[0] == HOLDS else nan_said("NaN targets change the predictions")


def _denominator(runs: Trainings, w: np.ndarray, scale: float, held: bool) -> Result:
    """Rows are left out, or doubled, with the weights that each denominator would need for the same result."""
    n = len(w)
    rows, kept, few = np.arange(n), np.arange(n) % 3 != 1, 1 + np.arange(n) % 2

    def gap(one: Design, other: Design) -> float:
        return float(np.linalg.norm(runs.predictions(one) - runs.predictions(other)) / scale)

    limit = EXACT if runs.tolerance is None else runs.tolerance * np.sqrt(n) / scale
    plain = Design(rows, w)
    if held or gap(plain.shuffled(1), plain) > limit:
        return NONE_OF_THESE, "not to be told from a loop that makes batches or holds rows out: ask check_step"
    if gap(Design(rows, 2 * w), plain) <= limit:
        return (
            "weighted_mean",
            "twice the weights change nothing; nor would they at an optimum, where no denominator matters",
        )
    zeros, twos = Design(rows, np.where(kept, w, 0)), Design(rows, few.astype(float))
    repeated = np.repeat(rows, few)
    fits = {
        (case, name): gap(Design(left, factor * weights), weighted) <= limit
        for case, weighted, left, weights in (
            ("zeros", zeros, rows[kept], w[kept]), ("twos", twos, repeated, np.ones(len(repeated)))
        )
        for name, factor in (("sum", 1.0), ("mean", len(left) / n))
    }  # fmt: skip
    named = {"sum": ("sum", "sum"), "mean": ("mean", "mean"), "nonzero_mean": ("sum", "mean")}
    found = [name for name, (zero, two) in named.items() if fits["zeros", zero] and fits["twos", two]]
    said = ", ".join(f"{case} as {name}" for (case, name), fit in fits.items() if fit)
    return (found[0] if len(found) == 1 else NONE_OF_THESE), f"rows left out and doubled fit: {said or 'nothing'}"
