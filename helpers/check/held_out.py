"""Rows that a training holds out for validation, and rows that it drops."""

from __future__ import annotations

import time

import numpy as np

from helpers.check.repeats import Design, Trainings, other_targets
from helpers.check.rows import FAILS, HOLDS, NOT_OBSERVED, Result
from helpers.check.tensors import Array, kind_of, to_kind, to_numpy

MOST_PROBES, SECONDS = 24, 6.0


def held_out_rows(runs: Trainings, n: int) -> np.ndarray:
    """Rows whose inputs can be moved a little without any effect: they are in no gradient, and can be for validation.

    Some rows are tried, from the ends inwards.
    """
    x = runs.x
    if isinstance(x, dict | tuple | list) or to_numpy(x).dtype.kind != "f":
        return np.array([], int)
    rows, ones = np.arange(n), np.ones(n)
    before = runs.predictions(Design(rows, ones))
    if not np.array_equal(before, runs.predictions(Design(rows, ones))):
        return np.array([], int)  # nothing is exactly the same here
    end, held = time.process_time() + SECONDS, []
    for row in _probes(n):
        runs.x = _nudged(x, row)
        with_it = runs.predictions(Design(rows, ones))
        runs.x = x
        # The prediction of the row itself moves with its inputs.
        others = np.repeat(rows != row, len(before) // n)
        if np.array_equal(before[others], with_it[others]):
            held.append(row)
        if time.process_time() > end:
            break
    return np.array(sorted(held), int) if len(held) < n else np.array([], int)


def _probes(n: int) -> list[int]:
    """The last rows, the first, and some between."""
    return list(dict.fromkeys([n - 1, 0, n - 2, *np.linspace(1, n - 3, MOST_PROBES - 3).astype(int).tolist()]))


def _nudged(x: Array, row: int) -> Array:
    values = to_numpy(x).copy()
    values[row] += 0.01 * (values.std() or 1.0)
    return to_kind(values, kind_of(x), values.dtype.name)


def validation_result(runs: Trainings, w: np.ndarray, held: np.ndarray, effect: float) -> Result:
    """Rows that are held out: with weight 0 their targets must not decide when to stop, or which model to keep."""
    if not len(held):
        return NOT_OBSERVED, "no row was found to be held out"
    rows = np.arange(len(w))
    targets = other_targets(runs.y, held)
    zeros = np.where(np.isin(rows, held), 0.0, w)
    if np.array_equal(runs.predictions(Design(rows, w, targets)), runs.predictions(Design(rows, w))):
        return NOT_OBSERVED, f"rows {', '.join(map(str, held))} are held out, but decide nothing"
    changed = np.linalg.norm(runs.predictions(Design(rows, zeros, targets)) - runs.predictions(Design(rows, zeros)))
    said = f"other targets in the held-out rows {', '.join(map(str, held))}, which weigh 0"
    if changed > 1e-6 * effect:
        return FAILS, f"{said}, change the predictions by {changed / effect:.2%} of what they change as training rows"
    return HOLDS, f"{said}, change nothing"


def batch_is_dropped(runs: Trainings, n: int) -> str:
    """What to say if the last rows have no effect in their places, and rows before them have; "" if all have.

    A loop that drops its last, smaller batch uses all rows of some numbers of rows. One that validates on the last
    rows does so for every number.
    """
    for size in (n, n - 1):
        if _counts(runs, size, size - 1) or not _counts(runs, size, 0, of=size - 1):
            continue
        low, high = 1, size - 1  # the last `low` rows have no effect; the search is for how many
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (low, middle - 1) if _counts(runs, size, size - middle) else (middle, high)
        if low < size - 1 and _counts(runs, size - low, size - low - 1):
            return f"of {size} rows the last {low} have no effect, of {size - low} rows all: a last batch is dropped"
    return ""


def _counts(runs: Trainings, size: int, place: int, of: int | None = None) -> bool:
    """Whether the targets of the row at this place, of so many rows, have an effect. `of`: another row goes there."""
    rows, ones = np.arange(size), np.ones(size)
    if of is not None:
        rows = np.roll(rows, place - of)
    targets = other_targets(runs.y, rows[[place]])
    return not np.array_equal(
        runs.predictions(Design(rows, ones, targets)), runs.predictions(Design(rows, ones))
    )
