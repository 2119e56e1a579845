"""Rows that a training holds out for validation, and rows that it drops."""

from __future__ import annotations

import time

import numpy as np

from helpers.check.repeats import Design, Trainings, other_targets
from helpers.check.rows import FAILS, HOLDS, NOT_OBSERVED, Result
from helpers.check.tensors import Array, kind_of, to_kind, to_numpy

MOST_PROBES, SECONDS = 18, 6.0


def held_out_rows(runs: Trainings, n: int) -> np.ndarray:
    """Rows whose inputs can be moved a little without any effect: they are in no gradient, and can be for validation.

    Some rows are tried, from the ends inwards.
    """
    if runs.known is None or not _can_be_nudged(runs.x):
        return np.array([], int)
    rows = np.arange(n)
    end, counts = time.process_time() + SECONDS, {}
    for row in _probes(n):
        counts[row] = _counts(runs, rows, row)
        if time.process_time() > end:
            break
    held = sorted(row for row, count in counts.items() if not count)
    # A model that does not move with any row, as a tree, does not show what it holds out.
    return np.array(held if len(held) <= len(counts) / 2 else [], int)


def _can_be_nudged(x: Array) -> bool:
    return not isinstance(x, dict | tuple | list) and to_numpy(x).dtype.kind == "f"


def _counts(runs: Trainings, rows: np.ndarray, row: int) -> bool:
    """Whether the inputs of one of these rows, moved a little, change the predictions of the others."""
    design, x = Design(rows, np.ones(len(rows))), runs.x
    before = runs.predictions(design)
    values = to_numpy(x).copy()
    values[row] += 0.01 * (values.std() or 1.0)
    after = runs.predictions(design, x=to_kind(values, kind_of(x), values.dtype.name))
    others = np.repeat(np.arange(len(values)) != row, len(before) // len(values))
    return not np.array_equal(before[others], after[others])


def _probes(n: int) -> list[int]:
    """The last rows, the first, and some between."""
    return list(dict.fromkeys([n - 1, 0, n - 2, *np.linspace(1, n - 3, MOST_PROBES - 3).astype(int).tolist()]))


def validation_result(runs: Trainings, w: np.ndarray, held: np.ndarray, effect: float) -> Result:
    """Rows that are held out: with weight 0 their targets must not decide when to stop, or which model to keep."""
    if not len(held):
        return NOT_OBSERVED, "no row was found to be held out"
    rows = np.arange(len(w))
    zeros, which = np.where(np.isin(rows, held), 0.0, w), ", ".join(map(str, held))

    def change(weights: np.ndarray, targets: np.ndarray) -> float:
        pair = (runs.predictions(Design(rows, weights, t)) for t in (targets, None))
        return float(np.linalg.norm(next(pair) - next(pair)))

    # Larger targets, and smaller ones: one of the two ought to stop the training elsewhere.
    for targets in (other_targets(runs.y, held, size) for size in (3.0, -3.0)):
        if not change(w, targets):
            continue
        changed = change(zeros, targets) / effect
        said = f"other targets in the held-out rows {which}, which weigh 0, change"
        if changed > 1e-6:
            return FAILS, f"{said} the predictions, by {changed:.2%} of what training rows change"
        return HOLDS, f"{said} nothing"
    return NOT_OBSERVED, f"rows {which} are held out, but decide nothing"


def batch_is_dropped(runs: Trainings, n: int) -> str:
    """What to say if the last rows have no effect in their places, and rows before them have; "" if all have.

    A loop that drops its last, smaller batch uses all rows of some numbers of rows. One that validates on the last
    rows does so for every number.
    """
    if runs.known is None or not _can_be_nudged(runs.x):
        return ""
    for size in (n, n - 1):
        rows = np.arange(size)
        if _counts(runs, rows, size - 1) or not _counts(runs, np.roll(rows, 1), size - 1):
            continue
        low, high = 1, size - 1  # the last `low` rows have no effect; the search is for how many
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (low, middle - 1) if _counts(runs, rows, size - middle) else (middle, high)
        if low < size - 1 and _counts(runs, rows[:-low], size - low - 1):
            return f"of {size} rows the last {low} have no effect, of {size - low} rows all: a last batch is dropped"
    return ""
