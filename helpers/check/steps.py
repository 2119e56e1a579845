"""Does a step of an optimiser honour weights, in one batch, in several micro-batches, and on several ranks?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from helpers.check.drive import as_step
from helpers.check.gradients import FEWEST_ROWS, Batch, Laboratory, choose_rows, common_results, designs, nan_said
from helpers.check.measures import TOLERANCE_OF_STEPS, Measured, flat, judge
from helpers.check.preconditions import random_layers, rows_meet
from helpers.check.rows import (
    DENOMINATOR,
    FAILS,
    HOLDS,
    MICRO,
    NAN,
    NONE_OF_THESE,
    NOT_OBSERVED,
    OWN,
    PROPERTIES,
    RANKS,
    VALIDATION,
    ZERO,
    CannotBeDriven,
    Result,
    Row,
    attempt,
    rows_of,
)
from helpers.check.tensors import Array, dtype_of, kind_of, length_of, like, take, to_kind, to_numpy

Step = Callable[[list[tuple[Any, Any, Any]]], ArrayLike]
Launcher = Callable[[Step, list[list[tuple[Any, Any, Any]]]], Any]


def check_step(step: Step, x: Array, y: Array, *, launcher: Launcher | None = None) -> list[Row]:
    """Does one step of an optimiser honour weights?

    The gradient of the step is asked. In one batch, every row stands there as often as its weight says. Micro-batches
    of unequal lengths, and ranks, must give the gradient that the same rows have in one batch: its direction AND its
    size. Up to 12 rows are used, and some of them many times.

    Preconditions. The step must start from the same model each time; a drift is an error. Where the gradient is random
    (dropout), its mean over some calls is asked, and what four standard errors explain is not called a fault. Where
    batch norm is found in training mode, nothing is observed: rows that share statistics have no gradients of their
    own. A clipped gradient is noticed: then only directions are compared.

    An example::

        import torch
        from helpers.check import check_step, render

        x, y, model = torch.randn(12, 3), torch.randn(12), torch.nn.Linear(3, 1)

        def step(micro_batches):
            total = sum(w.sum() for x, y, w in micro_batches)
            model.zero_grad()
            for x, y, w in micro_batches:
                (((model(x)[:, 0] - y) ** 2 * w).sum() / total).backward()
            return torch.cat([p.grad.ravel() for p in model.parameters()])

        print(render(check_step(step, x, y)))

    Args:
        step: `step(micro_batches)` returns the gradient of one step as a flat array; `micro_batches` is a list of
            `(x, y, w)`. Or a compiled Keras model; or an HF `Trainer` or a `LightningModule`, whose own loop makes
            the step: the batches are dictionaries with the columns of `x`, "labels" and "sample_weight", or, where a
            `LightningModule` is given an array, `(x, y, w)`.
        x: inputs, n rows, n at least 3: an array, a tensor, or a dictionary or tuple of them.
        y: targets, likewise. The weights come in the library of `x`, shape (n,).
        launcher: `launcher(step, shares)` runs `step(shares[r])` on rank r, with a list of micro-batches each, and
            returns what each rank got, or the one gradient that all of them have. `forked_ranks` is one.

    Returns:
        Rows with the keys `KEYS`.

    Raises:
        CannotBeDriven: the step refuses one batch of all rows, drifts, or returns no flat array.
    """
    if length_of(x) != length_of(y) or length_of(x) < FEWEST_ROWS:
        raise CannotBeDriven(
            f"expected x and y of the same number of rows, {FEWEST_ROWS} or more, "
            f"got {length_of(x)} and {length_of(y)}."
        )
    step = as_step(step)
    rows = choose_rows(length_of(x))
    x, y = take(x, rows), take(y, rows)
    lab = _laboratory(step, x, y, len(rows))
    if rows_meet(step):
        said = "batch norm in training mode: the rows share statistics. Put these layers in evaluation mode"
        nothing = {name: (NOT_OBSERVED, said) for name in PROPERTIES} | {DENOMINATOR: (NONE_OF_THESE, said)}
        return rows_of(nothing, said)
    results = common_results(lab)
    if lab.meter.calls == 1 and random_layers(step):
        said = "dropout whose masks are always the same: take the seed out of the step, or put it in evaluation mode"
        results = {name: (NOT_OBSERVED if name != DENOMINATOR else NONE_OF_THESE, said) for name in results}
    if lab.is_clipped_by_value():
        said = "the gradient is clipped number by number, which changes its direction: leave that out for the check"
        results = {name: (NOT_OBSERVED if name != DENOMINATOR else NONE_OF_THESE, said) for name in results}
        return rows_of(results, said)
    results[NAN] = attempt(partial(_nan_result, step, x, y, lab))
    results[MICRO] = attempt(partial(_micro_result, lab, getattr(step, "micro_batches", True)))
    if launcher is not None:
        results[RANKS] = attempt(partial(_ranks_result, launcher, step, x, y, lab))
    if hasattr(step, "validate"):
        results[VALIDATION] = attempt(partial(validation_result, step.validate, x, y, len(rows)))
    return rows_of(results, "no launcher was given, and a step has no validation data")


def _laboratory(step: Step, x: Array, y: Array, n: int) -> Laboratory:
    try:
        return Laboratory(
            lambda batches: step(_micro_batches(x, y, batches)), np.ones((n, 1), bool), tolerance=TOLERANCE_OF_STEPS
        )
    except CannotBeDriven:
        raise
    except Exception as error:
        raise CannotBeDriven(
            f"the step failed with one batch of {n} rows, [(x, y, w)] with w of shape ({n},): "
            f"{type(error).__name__}: {error}"
        ) from error


def _micro_batches(x: Array, y: Array, batches: Sequence[Batch]) -> list[tuple[Array, Array, Array]]:
    return [(take(x, rows), take(y, rows), like(weights, x)) for rows, weights in batches]


def _split(n: int) -> list[np.ndarray]:
    """Parts of unequal lengths."""
    cuts = [2, 2 + n // 3] if n >= 6 else [1]
    return np.split(np.arange(n), cuts)


def _micro_result(lab: Laboratory, several: bool | str = True) -> Result:
    """Micro-batches of unequal lengths and weights, from short to long and back, against all rows in one batch."""
    if several is not True:
        return NOT_OBSERVED, str(several)
    rows, weights = designs(lab.rows)[OWN][0]
    parts = [(rows[part], weights[part]) for part in _split(len(rows))]
    for order in (parts, parts[::-1]):
        sizes = ", ".join(str(len(part)) for part, _ in order)
        result = lab.judge(order, [(rows, weights)], 1.0)
        if result[0] != HOLDS:
            return result[0], f"{result[1]}: micro-batches of {sizes} rows against one batch"
    return HOLDS, f"micro-batches of {sizes} rows have the gradient of one batch{lab.meter.said}"


def _ranks_result(launcher: Launcher, step: Step, x: Array, y: Array, lab: Laboratory) -> Result:
    """Two ranks with unequal numbers of rows, weights and micro-batches, against all rows in one batch."""
    rows, weights = designs(lab.rows)[OWN][0]
    parts = [(rows[part], weights[part]) for part in _split(len(rows))]
    shares = [_micro_batches(x, y, share) for share in (parts[:1], parts[1:])]
    returned = launcher(step, shares)
    several = isinstance(returned, list | tuple) and len(returned) == len(shares) and np.ndim(returned[0])
    gradients = [flat(gradient) - lab.penalty for gradient in (returned if several else [returned])]
    if any(g.shape != gradients[0].shape or not np.allclose(g, gradients[0], rtol=1e-4) for g in gradients):
        return FAILS, "the ranks have different gradients: they were not averaged"
    observed, said = judge(Measured(gradients[0]), lab.measure((rows, weights)), 1.0, "", lab.tolerance)
    return observed, f"{said}: 2 ranks of {len(parts[0][0])} and {len(rows) - len(parts[0][0])} rows against one batch"


def _nan_result(step: Step, x: Array, y: Array, lab: Laboratory) -> Result:
    """NaN in the targets of a row of weight 0."""
    if isinstance(y, dict | tuple | list) or "float" not in dtype_of(y):
        return NOT_OBSERVED, "the targets are no floating-point numbers, and cannot be NaN"
    rows, weights = designs(lab.rows)[ZERO][0]
    spoilt = to_numpy(y).copy()
    spoilt[np.flatnonzero(weights == 0)[0]] = np.nan
    changed = to_kind(spoilt, kind_of(y), dtype_of(y))
    found = lab.meter(lambda: flat(step(_micro_batches(x, changed, [(rows, weights)]))) - lab.penalty)
    if np.isfinite(found.mean).all():
        return judge(found, lab.measure((rows, weights)), 1.0, "", lab.tolerance)
    return nan_said("a NaN target makes the gradient NaN")


def validation_result(validate: Callable[[Array, Array, Array], float], x: Array, y: Array, n: int) -> Result:
    """Do rows of weight 0 count in the validation loss?"""
    rows, weights = designs(np.arange(n))[ZERO][0]
    other = np.where(weights == 0, np.roll(rows, 1), rows)  # where the weight is 0, another row
    losses = [float(validate(take(x, order), take(y, order), like(weights, x))) for order in (rows, other)]
    plain = [float(validate(take(x, order), take(y, order), like(np.ones(n), x))) for order in (rows, other)]
    if np.isclose(*plain, rtol=1e-6):
        return NOT_OBSERVED, "the validation loss does not depend on the rows"
    if not np.isclose(*losses, rtol=1e-5):
        return FAILS, f"other rows of weight 0 change the validation loss from {losses[0]:.4g} to {losses[1]:.4g}"
    return HOLDS, "rows of weight 0 do not count in the validation loss"
