"""Outputs: in a model with two outputs, does each get the weight that was meant for it?

The outputs are named "b" and "a", in this order, so that the order of the outputs is not that of the alphabet. In Keras
each row has a parameter for each output, the loss of a row IS its output, and the losses are summed: the step of a
parameter is the weight of its row in its output. In torch a weight is the gradient with respect to the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from helpers._start import import_tensorflow
from helpers.semantics.inputs import OUTPUTS, UNIT_ROWS
from helpers.semantics.probe import (
    BY_CLASS,
    CLASS_WEIGHT,
    LABELS,
    ROW_WEIGHTS,
    N,
    Outcome,
    Row,
    attempt,
    import_keras,
    import_torch,
    judge,
    numbers_of,
)

NAMES = ("b", "a")
B, A = 10.0, 1.0  # weights of the two losses
ONES = np.ones(N, np.float32)
START = np.concatenate([OUTPUTS, 3 * OUTPUTS], axis=1)
LOSS_WEIGHTS, SAMPLE_WEIGHT, CLASSES = "loss_weights", "sample_weight", "class_weight"
VARIABLES = "list of variables"
LISTS, DICTS, NAMED = "outputs in a list", "outputs in a dict", "outputs in a list, losses by name"
BY_LOSS = np.tile(np.array([B, A], np.float32), (N, 1))
ONE_OF_THEM = np.stack([ROW_WEIGHTS, ONES], axis=1)
BOTH = np.stack([ROW_WEIGHTS, ROW_WEIGHTS], axis=1)


def _by_name(first, second) -> dict:
    return dict(zip(NAMES, (first, second), strict=True))


def _keras_cases() -> Iterator[tuple[str, str, str, object, np.ndarray | None]]:
    """Model, what is given, argument, its value, the weights that were meant: None where nothing could be."""
    for model in (LISTS, NAMED, DICTS):
        yield model, "list", LOSS_WEIGHTS, [B, A], BY_LOSS
        yield model, "dict", LOSS_WEIGHTS, _by_name(B, A), BY_LOSS
    yield LISTS, "dict of other names", LOSS_WEIGHTS, {"d": B, "c": A}, None
    yield NAMED, "dict, a name too few", LOSS_WEIGHTS, {"b": B}, None
    yield NAMED, "dict, a name too many", LOSS_WEIGHTS, _by_name(B, A) | {"c": 1.0}, None
    yield LISTS, "list, too short", LOSS_WEIGHTS, [B], None
    yield LISTS, "list, too long", LOSS_WEIGHTS, [B, A, 1.0], None
    yield LISTS, "list with None", LOSS_WEIGHTS, [B, None], BY_LOSS
    yield LISTS, VARIABLES, LOSS_WEIGHTS, [B, A], BY_LOSS
    yield LISTS, "array", LOSS_WEIGHTS, np.array([B, A]), BY_LOSS
    yield "one loss for two outputs", "list", LOSS_WEIGHTS, [B, A], BY_LOSS
    for model in (LISTS, NAMED, DICTS):
        yield model, "list", SAMPLE_WEIGHT, [ROW_WEIGHTS, ONES], ONE_OF_THEM
        yield model, "dict", SAMPLE_WEIGHT, _by_name(ROW_WEIGHTS, ONES), ONE_OF_THEM
        yield model, "one array (n,)", SAMPLE_WEIGHT, ROW_WEIGHTS, BOTH
    yield LISTS, "list with None", SAMPLE_WEIGHT, [ROW_WEIGHTS, None], ONE_OF_THEM
    yield DICTS, "dict with None", SAMPLE_WEIGHT, _by_name(ROW_WEIGHTS, None), ONE_OF_THEM
    yield DICTS, "dict, a name too few", SAMPLE_WEIGHT, {"b": ROW_WEIGHTS}, ONE_OF_THEM
    yield LISTS, "one array (n, 2)", SAMPLE_WEIGHT, ONE_OF_THEM, ONE_OF_THEM
    by_class = np.stack([BY_CLASS[LABELS], ONES], axis=1)
    for model in (LISTS, DICTS):
        yield model, "one dict", CLASSES, CLASS_WEIGHT, np.repeat(by_class[:, :1], 2, axis=1)
        yield model, "dict of dicts", CLASSES, _by_name(CLASS_WEIGHT, dict.fromkeys(CLASS_WEIGHT, 1.0)), by_class
    yield LISTS, "one dict, tf.data", CLASSES, CLASS_WEIGHT, np.repeat(by_class[:, :1], 2, axis=1)


def keras_rows() -> Iterator[Row]:
    """Weights of outputs, rows and classes, by order and by name."""
    experiments = (
        (f"{model}: {given}", argument, partial(judge, partial(_keras_run, model, given, argument, value), meant))
        for model, given, argument, value, meant in _keras_cases()
    )
    return attempt(experiments, _unweighted)


def _keras_run(model: str, given: str, argument: str, value) -> Outcome:
    """What weight has each row in each output, shape (N, 2)?"""
    keras = import_keras()

    class Output(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.sum(y_pred, axis=-1)

    x = keras.Input((N,), name="x")
    outputs = [keras.layers.Dense(1, use_bias=False, name=name)(x) for name in NAMES]
    probe = keras.Model(x, _by_name(*outputs) if model == DICTS else outputs, name="probe")
    losses = [Output(reduction="sum") for _ in NAMES]
    loss = losses if model == LISTS else losses[0] if model.startswith("one") else _by_name(*losses)
    if given == VARIABLES:
        value = [keras.Variable(number) for number in value]
    compiled = {argument: value} if argument == LOSS_WEIGHTS else {}
    fitted = {argument: value} if argument in (SAMPLE_WEIGHT, CLASSES) else {}
    probe.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True, **compiled)
    for name, column in zip(NAMES, START.T, strict=True):
        probe.get_layer(name).set_weights([column[:, None]])
    y = [LABELS.astype(np.float32)] * 2
    # Targets by name, where the outputs or the weights are.
    data = UNIT_ROWS, _by_name(*y) if model == DICTS or (model == NAMED and given == "dict") else y
    if given.endswith("tf.data"):
        data = [import_tensorflow().data.Dataset.from_tensors((UNIT_ROWS, tuple(y)))]
    reported = probe.fit(*data, shuffle=False, verbose=0, **fitted).history["loss"][0]
    found = START - np.concatenate([probe.get_layer(name).get_weights()[0] for name in NAMES], axis=1)
    return found, float(reported), float((found * START).sum())


def _unweighted() -> None:
    for model in (LISTS, NAMED, DICTS):
        found = _keras_run(model, "nothing", "", None)[0]
        if not (found == 1).all():
            raise RuntimeError(f"{model}: without weights the rows have the weights {numbers_of(found)}")


# torch: what is written, the argument it stands for, what is given, how the losses (N, 2) become one, what was meant.
def _zip(weights, losses):
    return sum(weight * loss for weight, loss in zip(weights, losses.sum(dim=0), strict=False))


def _product(weights, losses):
    return (losses.sum(dim=0) * weights).sum()


def _names(weights, losses):
    return sum(weights[name] * loss for name, loss in zip(NAMES, losses.sum(dim=0), strict=True))


def _rows(weights, losses):
    return (losses * weights).sum()


TORCH_CASES = (
    ("zip(weights, losses)", LOSS_WEIGHTS, [B, A], _zip, BY_LOSS),
    ("zip(weights, losses), too short", LOSS_WEIGHTS, [B], _zip, None),
    ("losses * weights", LOSS_WEIGHTS, [B, A], _product, BY_LOSS),
    ("losses * weights, too short", LOSS_WEIGHTS, [B], _product, None),
    ("losses * weights, too long", LOSS_WEIGHTS, [B, A, 1.0], _product, None),
    ("weights[name] * loss", LOSS_WEIGHTS, _by_name(B, A), _names, BY_LOSS),
    ("weights[name] * loss, a name too few", LOSS_WEIGHTS, {"b": B}, _names, None),
    ("losses (n, 2) * weights (n, 2)", SAMPLE_WEIGHT, ONE_OF_THEM, _rows, ONE_OF_THEM),
    ("losses (n, 2) * weights (n, 1)", SAMPLE_WEIGHT, ROW_WEIGHTS[:, None], _rows, BOTH),
    ("losses (n, 2) * weights (n,)", SAMPLE_WEIGHT, ROW_WEIGHTS, _rows, BOTH),
)


def torch_rows() -> Iterator[Row]:
    """The ways in which a loop adds losses up."""
    return attempt(
        (case, argument, partial(judge, partial(_torch_run, value, reduce), meant))
        for case, argument, value, reduce, meant in TORCH_CASES
    )


def _torch_run(weights, reduce: Callable) -> Outcome:
    torch = import_torch()
    losses = torch.tensor(START, requires_grad=True)
    by_loop = isinstance(weights, dict) or reduce is _zip
    total = reduce(weights if by_loop else torch.tensor(weights), losses)
    total.backward()
    found = losses.grad.cpu().numpy()
    return found, total.item(), float((found * START).sum())
