"""Inputs: which kinds of data may carry which weights, and what happens to weights that do not fit?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from helpers._start import import_tensorflow
from helpers.reductions import reduce_losses
from helpers.semantics.denominators import CE, LOGITS, MULTI_HOT, ONE_HOT, torch_loss
from helpers.semantics.probe import (
    ACCEPTED,
    BY_CLASS,
    CLASS_WEIGHT,
    LABELS,
    REFUSED,
    ROW_WEIGHTS,
    SILENT,
    N,
    Outcome,
    Result,
    Row,
    attempt,
    import_keras,
    import_torch,
    judge,
    numbers_of,
)
from helpers.weights import check_sample_weights, class_to_sample_weights

FORMS = ("numpy", "tf.data", "PyDataset", "generator", "torch DataLoader")
UNIT_ROWS, OUTPUTS = np.eye(N, dtype=np.float32), np.array([[1], [2], [4], [8]], np.float32)


def _keras_run(feed: Sequence, columns: int = 1, per_row: bool = True, **weights) -> Outcome:
    """Train the probe on `UNIT_ROWS` and any targets: what weight has each output, shape (N, columns)?

    The loss of a row is the sum of its outputs, or each output is a loss of its own. The losses are summed, so that
    an output's parameter goes down by the weight of its loss.
    """
    keras = import_keras()

    class Output(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.sum(y_pred, axis=-1) if per_row else y_pred

    start = np.repeat(OUTPUTS, columns, axis=1)
    # Names, because Keras' own are numbered through the process, and its errors cite them.
    x = keras.Input((N,), name="x")
    model = keras.Model(x, keras.layers.Dense(columns, use_bias=False, name="rows")(x), name="probe")
    model.compile(keras.optimizers.SGD(1.0), Output(reduction="sum"), run_eagerly=True)
    model.set_weights([start])
    loss = model.fit(*feed, shuffle=False, verbose=0, **weights).history["loss"][0]
    found = start - model.get_weights()[0]
    return found, float(loss), float((found * start).sum())


def feed(form: str, *parts: np.ndarray) -> Sequence:
    """The positional arguments of `fit` for (x, y) or (x, y, weights): one batch, in the form of this name."""
    if form == "numpy":
        # fit(x, y); with weights fit((x, y, weights)), since a third argument would be the batch size.
        return parts if len(parts) == 2 else [parts]
    if form == "tf.data":
        return [import_tensorflow().data.Dataset.from_tensors(parts)]
    if form == "generator":
        return [(batch for batch in [parts])]
    if form == "torch DataLoader":
        data = import_torch().utils.data
        return [data.DataLoader(data.TensorDataset(*map(import_torch().tensor, parts)), batch_size=N)]

    class OneBatch(import_keras().utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return parts

    return [OneBatch()]


def input_rows() -> Iterator[Row]:
    """Every form of data with every kind of weights."""
    cases = {
        "class_weight": ({"class_weight": CLASS_WEIGHT}, [], BY_CLASS[LABELS]),
        "sample_weight": ({"sample_weight": ROW_WEIGHTS}, [], ROW_WEIGHTS),
        "third element": ({}, [ROW_WEIGHTS], ROW_WEIGHTS),
    }
    for form in FORMS:
        experiments = (
            (form, target, partial(judge, partial(_run_form, form, arguments, third), meant[:, None]))
            for target, (arguments, third, meant) in cases.items()
        )
        yield from attempt(experiments, partial(_unweighted, form))


def _run_form(form: str, arguments: dict, third: Sequence[np.ndarray] = ()) -> Outcome:
    return _keras_run(feed(form, UNIT_ROWS, LABELS.astype(np.float32), *third), **arguments)


def _unweighted(form: str) -> None:
    found = _run_form(form, {})[0]
    if not (found == 1).all():
        raise RuntimeError(f"without weights the rows have the weights {numbers_of(found)}")


# Bad inputs: what happens to weights that do not fit?

STEPS = np.array([[0, 1, 2, 0], [2, 2, 1, 1], [1, 0, 0, 2], [0, 2, 1, 0]])
# For each case its variants: labels, class weights, and the weights that were meant; None where nothing could be.
CLASS_CASES = {
    "string keys": [(LABELS, {str(label): weight for label, weight in CLASS_WEIGHT.items()}, BY_CLASS[LABELS])],
    "a missing class": [(LABELS, {0: 0.5, 1: 2.5}, None)],
    "an unknown class": [(LABELS, CLASS_WEIGHT | {3: 9.0}, BY_CLASS[LABELS])],
    "a list": [(LABELS, BY_CLASS.tolist(), BY_CLASS[LABELS])],
    "negative": [(LABELS, CLASS_WEIGHT | {1: -2.5}, np.array([3.5, 0.5, -2.5, 3.5]))],
    "NaN": [(LABELS, CLASS_WEIGHT | {1: np.nan}, None)],
    "all zero": [(LABELS, dict.fromkeys(CLASS_WEIGHT, 0.0), np.zeros(N))],
    "labels 1..K": [(LABELS + 1, dict(enumerate(BY_CLASS.tolist())), BY_CLASS[LABELS])],
    "one-hot": [(ONE_HOT, CLASS_WEIGHT, BY_CLASS[LABELS])],
    "multi-hot": [(MULTI_HOT, CLASS_WEIGHT, np.tile(BY_CLASS, (N, 1)))],
    # Where N = T, weights of shape (N,) fit the time steps as well as the rows.
    "sequences (N, T)": [(steps, CLASS_WEIGHT, BY_CLASS[steps]) for steps in (STEPS[:, :3], STEPS)],
    "regression targets": [(np.array([0.25, 1.75, 0.75, 3.25], np.float32), CLASS_WEIGHT, None)],
}
COLUMN = ROW_WEIGHTS[:, None]
# For each case its variants: shape of the losses, row weights, and the weights that were meant.
ROW_CASES = {
    "a list": [((N,), ROW_WEIGHTS.tolist(), ROW_WEIGHTS)],
    "negative": [((N,), ROW_WEIGHTS * [1, -1, 1, 1], ROW_WEIGHTS * [1, -1, 1, 1])],
    "NaN": [((N,), ROW_WEIGHTS * [1, np.nan, 1, 1], None)],
    "all zero": [((N,), ROW_WEIGHTS * 0, ROW_WEIGHTS * 0)],
    "sequences (N, T)": [((N, steps), ROW_WEIGHTS, COLUMN.repeat(steps, axis=1)) for steps in (3, N)],
    "wrong length": [((N,), ROW_WEIGHTS[1:], None)],
    "(n,) against (n, 1)": [((N, 1), ROW_WEIGHTS, COLUMN), ((N,), COLUMN, ROW_WEIGHTS)],
}


def bad_input_rows(by_class: Callable, by_row: Callable) -> Iterator[Row]:
    """Every case, done with class weights and with row weights in a framework's own way; first with good weights."""
    ways = (
        ("class_weight", by_class, CLASS_CASES, LABELS, CLASS_WEIGHT),
        ("sample_weight", by_row, ROW_CASES, (N,), ROW_WEIGHTS),
    )
    for target, run, table, *good in ways:
        experiments = ((case, target, partial(_bad_input, run, variants)) for case, variants in table.items())
        yield from attempt(experiments, partial(run, *good))


def _bad_input(run: Callable, variants: Sequence[tuple]) -> Result:
    """Judge the variants of a case. A silent surprise in one of them counts, whatever happens in the others."""
    results = {}
    for given, weights, meant in variants:
        name, rows = f"losses {given}, weights {np.shape(weights)}", "rows"
        if isinstance(given, np.ndarray):
            name = f"labels {given.shape}"
            rows = f"rows of class {numbers_of(given)}" if given.ndim == 1 and given.dtype.kind == "i" else "rows"
        results[name] = judge(partial(run, given, weights), meant, rows)
    if len(results) == 1:
        return results[name]
    worst = max((observed for observed, _ in results.values()), key=(ACCEPTED, REFUSED, SILENT).index)
    return worst, "; ".join(f"{name}: {observed}, {said.rstrip('.')}" for name, (observed, said) in results.items())


def keras_by_class(labels: np.ndarray, class_weight) -> Outcome:
    """Integer labels of (N, T) have a loss for each time step, all others one loss per row."""
    columns = 1 if labels.ndim == 1 else labels.shape[1]
    per_row = labels.ndim == 1 or labels.dtype.kind == "f"
    found, *losses = _keras_run((UNIT_ROWS, labels), columns, per_row, class_weight=class_weight)
    return (found[:, 0] if labels.ndim == 1 or labels is ONE_HOT else found), *losses


def keras_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    """Losses of any shape, and weights of another."""
    labels, columns = np.zeros(shape, np.float32), (*shape, 1)[1]
    found, *losses = _keras_run((UNIT_ROWS, labels), columns, len(shape) == 1, sample_weight=sample_weight)
    return found.reshape(shape), *losses


def torch_by_class(labels: np.ndarray, class_weight) -> Outcome:
    """The loss for such labels, with the dict's values as a tensor. Weight: weighted loss over unweighted loss."""
    weight = class_weight
    if isinstance(class_weight, dict) and "0" not in class_weight:
        weight = import_torch().tensor(list(class_weight.values()))
    per_step = labels.ndim == 2 and labels.dtype.kind == "i"
    data = (np.stack([LOGITS] * labels.shape[1], axis=2) if per_step else LOGITS), labels
    loss = partial(torch_loss, "binary_cross_entropy_with_logits" if labels is MULTI_HOT else CE[1], data)
    found = loss(weight=weight, reduction="none") / loss(reduction="none")
    mean = loss(weight=weight).item()
    return found.numpy(), mean, mean


def torch_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    """`(losses * weights).mean()`. Weight: N times the gradient with respect to the loss."""
    torch = import_torch()
    losses = torch.ones(shape, requires_grad=True)
    weights = torch.tensor(sample_weight) if isinstance(sample_weight, np.ndarray) else sample_weight
    return _from_gradient(losses, (losses * weights).mean())


def _from_gradient(losses, loss) -> Outcome:
    loss.backward()
    found = losses.grad.numpy() * losses.numel()
    return found, loss.item(), found.mean()


def helpers_by_class(labels: np.ndarray, class_weight) -> Outcome:
    """The book's own look-up."""
    weights = class_to_sample_weights(labels, class_weight)
    return weights, reduce_losses(np.ones(N), weights), weights.mean()


def helpers_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    """The book's own reduction, in torch."""
    from helpers import pytorch

    losses = import_torch().ones(shape, requires_grad=True)
    weights = check_sample_weights(sample_weight, N) if len(shape) == 1 else sample_weight
    return _from_gradient(losses, pytorch.reduce_losses(losses, weights))
