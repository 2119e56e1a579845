"""Does a loss honour weights?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np

from helpers.check.drive import as_loss
from helpers.check.gradients import (
    FEWEST_ROWS,
    Batch,
    Laboratory,
    choose_rows,
    common_results,
    designs,
    nan_said,
    ones,
)
from helpers.check.measures import Measured, judge
from helpers.check.rows import (
    FAILS,
    HOLDS,
    MASK_COUNT,
    NAN,
    NOT_OBSERVED,
    OWN,
    ZERO,
    CannotBeDriven,
    Result,
    Row,
    attempt,
    message_of,
    rows_of,
)
from helpers.check.tensors import (
    Array,
    Loss,
    backend_of,
    dtype_of,
    kind_of,
    length_of,
    take,
    to_kind,
    to_numpy,
    value_and_gradient,
)
from helpers.reductions import REDUCTIONS

IGNORED = "ignored target is absence"


@dataclass
class Case:
    """A loss with data, all of one library.

    Attributes:
        loss: `loss(outputs, targets, weights)`.
        outputs: shape (n, ...).
        targets: shape (n, ...).
        shape: how n weights are given: maps n to a shape.
    """

    loss: Loss
    outputs: Array
    targets: Array
    shape: tuple[int, ...] = ()

    def __call__(
        self, rows: np.ndarray, weights: np.ndarray, dtype: str | None = None, shape: tuple[int, ...] | None = None
    ) -> tuple[float, np.ndarray]:
        """Value, and gradient with respect to the outputs of all rows."""
        return value_and_gradient(
            self.loss, self.outputs, rows, take(self.targets, rows), self.weights(weights, dtype, shape)
        )

    def weights(self, weights: np.ndarray, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> Array:
        """The weights as a tensor; by default of the outputs' type, and of the shape that the loss takes."""
        rest = self.shape if shape is None else shape
        weights = np.broadcast_to(weights.reshape(-1, *[1] * len(rest)), (len(weights), *rest))
        made = to_kind(weights, kind_of(self.outputs), dtype or dtype_of(self.outputs))
        return made.to(self.outputs.device) if kind_of(made) == "torch" else made


def check_loss(loss: Loss, outputs: Array, targets: Array, *, ignored: float | None = None) -> list[Row]:
    """Does a loss honour weights? Its gradient is asked, with respect to the outputs.

    Every row stands there as often as its weight says: so must its gradient be. The denominator is the one that
    explains the gradients' sizes. A NaN is put in the outputs of a row of weight 0, and must reach nothing else.

    The weights are given as (n,), in the type of the outputs; half precision becomes float32. To a loss that refuses
    this they are given as (n, 1, ...), then in the outputs' shape. Further rows say which types and shapes the loss
    takes, and which it broadcasts to something else.

    An example::

        import torch
        from torch.nn.functional import cross_entropy
        from helpers.check import check_loss, render

        def loss(outputs, targets, weights):
            losses = cross_entropy(outputs, targets, reduction="none", ignore_index=-1)
            return (losses * weights).sum() / (targets != -1).sum()

        print(render(check_loss(loss, torch.randn(12, 3), torch.arange(12) % 3, ignored=-1)))

    Args:
        loss: `loss(outputs, targets, weights)`, which returns a differentiable number; or a Keras loss.
        outputs: shape (n, ...), n at least 3; a tensor, or an array, which becomes a tensor. Up to 12 rows are used.
        targets: shape (n, ...).
        ignored: the target that a mask ignores. Some targets are set to it.

    Returns:
        Rows with the keys `KEYS`.

    Raises:
        CannotBeDriven: no number comes back, it has no gradient, or the loss refuses the data.
    """
    case, ignores = _prepare(as_loss(loss), outputs, targets, ignored, backend_of(loss, outputs))
    candidates = REDUCTIONS if ignored is None else (*REDUCTIONS, MASK_COUNT)
    lab = Laboratory(lambda batches: case(*batches[0])[1], ~ignores, candidates)
    results = common_results(lab)
    if results[OWN][0] == NOT_OBSERVED:
        results[OWN] = attempt(partial(_own_result, lab, results[OWN]))
    results[NAN] = attempt(partial(_nan_result, case, lab))
    if ignored is not None:
        results[IGNORED] = attempt(partial(_ignored_result, lab, results["denominator"][0]))
    return rows_of(results | _form_results(case, lab), "a loss has no steps, ranks or validation data")


def _prepare(loss: Loss, outputs: Array, targets: Array, ignored: float | None, kind: str) -> tuple[Case, np.ndarray]:
    """The loss with some rows of the data, and which of their elements are ignored: shape (rows, elements)."""
    if length_of(outputs) != length_of(targets) or length_of(outputs) < FEWEST_ROWS:
        raise CannotBeDriven(
            f"expected outputs and targets of the same number of rows, {FEWEST_ROWS} or more, got "
            f"{length_of(outputs)} and {length_of(targets)}."
        )
    rows = choose_rows(length_of(outputs))
    outputs, targets = (
        take(values if kind_of(values) == kind else to_kind(to_numpy(values), kind), rows)
        for values in (outputs, targets)
    )
    if "float" not in dtype_of(outputs):
        raise CannotBeDriven(f"outputs must be floating-point numbers, got {dtype_of(outputs)}.")
    if dtype_of(outputs).endswith("float16"):  # float16, bfloat16
        outputs = to_kind(to_numpy(outputs), kind, "float32")
    values = to_numpy(targets).copy()
    ignores = np.zeros((len(rows), 1), bool)
    if ignored is not None:
        # One row whole, then half of every third: rows that no design leaves out.
        values.reshape(len(rows), -1)[2::3, : max(1, values[0].size // 2)] = ignored
        values[2] = ignored
        ignores = (values == ignored).reshape(len(rows), -1)
        targets = to_kind(values, kind)
    return _accepted(loss, outputs, targets), ignores


def _accepted(loss: Loss, outputs: Array, targets: Array) -> Case:
    """The loss with the first shape of weights that it takes."""
    inner = tuple(outputs.shape)[1:]
    problems = []
    for shape in dict.fromkeys([(), (1,) * max(1, len(inner)), inner]):
        case = Case(loss, outputs, targets, shape)
        try:
            case(*ones(np.arange(length_of(outputs))))
            return case
        except CannotBeDriven:
            raise
        except Exception as error:
            problems.append(f"with weights of shape {('n', *shape)}: {message_of(error)}".replace("'", ""))
    raise CannotBeDriven("the loss refuses this data. " + " | ".join(problems))


def _own_result(lab: Laboratory, before: Result) -> Result:
    """Where copies could not be made, as in a square of losses: each row's gradient is its weight times that of 1."""
    rows, weights = designs(lab.rows)[OWN][0]
    plain = lab.measure(ones(rows)).mean.reshape(len(rows), -1)
    result = judge(lab.measure((rows, weights)), Measured((weights[:, None] * plain).ravel()), None)
    return result if result[0] == FAILS else before


def _nan_result(case: Case, lab: Laboratory) -> Result:
    """NaN in the outputs of a row of weight 0: the value and the gradients of the other rows must not notice."""
    rows, weights = designs(lab.rows)[ZERO][0]
    row = int(np.flatnonzero(weights == 0)[0])
    value, gradient = case(rows, weights)
    spoilt = to_numpy(case.outputs).copy()
    spoilt[row] = np.nan
    outputs = to_kind(spoilt, kind_of(case.outputs), dtype_of(case.outputs))
    new_value, new_gradient = Case(case.loss, outputs, case.targets, case.shape)(rows, weights)
    others = rows != row
    result = judge(Measured(new_gradient[others].ravel()), Measured(gradient[others].ravel()), 1.0)
    if result[0] == FAILS:
        return FAILS, f"of the other rows {result[1]}"
    if not np.isfinite(new_value):
        return nan_said("the gradients of the other rows are right, but the value is NaN")
    if not np.isclose(new_value, value, rtol=1e-3):
        return FAILS, f"the value is {new_value:.4g}, without the NaN {value:.4g}"
    return HOLDS, "the value and the gradients of the other rows are as before"


def _ignored_result(lab: Laboratory, name: str) -> Result:
    """Rows whose targets are all ignored: as if they were not there."""
    kept = lab.mask.any(axis=1)
    if kept.all():
        return NOT_OBSERVED, "no row has ignored targets only"
    full, rest = ones(lab.rows), ones(lab.rows[kept])
    explained = name in lab.candidates
    expected = lab.size(name, full) / lab.size(name, rest) if explained else 1.0
    return judge(lab.measure(full), lab.measure(rest), expected, f" ({name})")


def _form_results(case: Case, lab: Laboratory) -> dict[str, Result]:
    """Which types and shapes does the loss take, and are its gradients then the same?"""
    n = len(lab.rows)
    whole = (lab.rows, np.round(1 + lab.rows % 5).astype(float))
    truth = (lab.rows, (lab.rows % 3 != 1).astype(float))
    own = designs(lab.rows)[OWN][0]
    forms = {f"weights of {dtype}": partial(_same, case, whole, dtype=dtype) for dtype in ("float64", "int64")}
    forms["weights of bool"] = partial(_same, case, truth, dtype="bool")
    for shape in dict.fromkeys([(), (1,)]):
        if shape != case.shape:
            name = f"weights of shape {(n, *shape)}"
            forms[name] = partial(_broadcast, partial(_same, case, own, shape=shape), "weights")
    columns = int(case.outputs.shape[-1])
    if case.shape and len(case.outputs.shape) > 1 and columns <= n:
        square = own[0][:columns], own[1][:columns]
        name = f"weights of shape {(columns,)} for {columns} rows"
        forms[name] = partial(_broadcast, partial(_same, case, square, shape=()), "weights")
    other = _other_targets(case)
    if other is not None:
        changed = Case(case.loss, case.outputs, other, case.shape)
        forms[f"targets of shape {tuple(other.shape)}"] = partial(
            _broadcast, partial(_same, case, own, other=changed), "targets"
        )
    return {name: _form_result(form) for name, form in forms.items()}


def _other_targets(case: Case) -> Array | None:
    """Targets (n,) as (n, 1), and (n, 1) as (n,)."""
    shape = tuple(case.targets.shape)
    if shape[1:] not in ((), (1,)):
        return None
    return case.targets[:, None] if len(shape) == 1 else case.targets[:, 0]


def _same(case: Case, batch: Batch, *, other: Case | None = None, **form) -> Result:
    """Is the gradient the same in another form?"""
    found, expected = (other or case)(*batch, **form), case(*batch)
    return judge(Measured(found[1].ravel()), Measured(expected[1].ravel()), 1.0)


def _broadcast(same, what: str) -> Result:
    """A shape that is silently taken for something else is a trap, and no fault of a loss that was given the other."""
    result = same()
    if result[0] == FAILS:
        return NOT_OBSERVED, f"silently broadcast to something else: {result[1]}. Give the {what} in the other shape"
    return result


def _form_result(form) -> Result:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a broadcast, which is what is looked for
            return form()
    except Exception as error:
        return NOT_OBSERVED, f"refused: {message_of(error)}"
