"""Masks: steps are left out of the loss. By what is it divided, and is what was left out really out?

Four sequences of up to four steps, padded. A step's logits are its id's row in a table, plus a bias that all steps
share: what the padding does to the bias, it would do to any network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from helpers.semantics.probe import NONE_OF_THESE, K, Result, Row, attempt, import_keras, import_torch, numbers_of

VALID = np.arange(4) < np.array([4, 1, 3, 1])[:, None]
IDS = np.where(VALID, np.cumsum(VALID).reshape(VALID.shape), 0)
TABLE = (((np.arange((VALID.sum() + 1) * K) * 5) % 8 - 3.5) / 4).astype(np.float32).reshape(-1, K)
LABELS = np.where(VALID, (IDS * 2) % K, 0)
# A weight of 0 sets the number of weights that are not 0 apart.
CLASS_W = np.array([0.5, 0, 3.5], np.float32)
IGNORED = -100

DIVISOR, WEIGHTED, EMPTY, POISONED = QUESTIONS = ("divided by", "with class weights", "all ignored", "NaN underneath")


def _log_p(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


LOSSES = -np.take_along_axis(_log_p(TABLE[IDS].astype(np.float64)), LABELS[..., None], -1)[..., 0]


def _divisor(value: float, weights: np.ndarray) -> Result:
    """By what is the sum of the valid steps' weighted losses divided?"""
    candidates = {
        "1": 1,
        "all steps": VALID.size,
        "valid steps": VALID.sum(),
        "weights of the valid steps": weights[VALID].sum(),
        "weights of all steps": weights.sum(),
        "valid steps of weight above 0": (weights[VALID] > 0).sum(),
    }
    divisor = (weights * LOSSES)[VALID].sum() / value
    found = [name for name, candidate in candidates.items() if np.isclose(divisor, candidate, rtol=1e-5)]
    said = ", ".join(f"{name} {candidate:.4g}" for name, candidate in candidates.items())
    return found[0] if found else NONE_OF_THESE, f"the sum is divided by {divisor:.4g}; candidates: {said}"


def _ask(question: str, run: Callable[[np.ndarray, np.ndarray, np.ndarray | None], tuple[float, np.ndarray]]) -> Result:
    """`run(table, valid, class_weights)` -> the loss, and the step or gradient of the shared bias."""
    if question == DIVISOR:
        return _divisor(run(TABLE, VALID, None)[0], np.ones(VALID.shape))
    if question == WEIGHTED:
        return _divisor(run(TABLE, VALID, CLASS_W)[0], CLASS_W[LABELS])
    if question == EMPTY:
        loss, step = run(TABLE, np.zeros_like(VALID), None)
    else:
        table = TABLE.copy()
        table[0] = np.nan
        loss, step = run(table, VALID, None)
    finite = np.isfinite(loss), np.isfinite(step).all()
    said = f"the loss is {loss + 0.0:.4g}, the step of the bias {numbers_of(step)}"
    if question == EMPTY and all(finite):
        return ("0" if loss == 0 and not step.any() else NONE_OF_THESE), said
    return {(True, True): "clean", (True, False): "gradient NaN"}.get(finite, "loss NaN"), said


# Keras.


def _keras_run(way: str, table: np.ndarray, valid: np.ndarray, class_weights: np.ndarray | None):
    keras = import_keras()
    ops, masked = keras.ops, way.startswith("mask_zero")
    reduction = "mean_with_sample_weight" if way.endswith("mean_with_sample_weight") else "sum_over_batch_size"

    class Replaced(keras.losses.Loss):
        def call(self, y_true, y_pred):
            inside = ops.not_equal(y_true, IGNORED)
            y_pred = ops.where(inside[..., None], y_pred, 0.0)
            losses = ops.sparse_categorical_crossentropy(ops.where(inside, y_true, 0), y_pred, from_logits=True)
            return ops.where(inside, losses, 0.0) * (VALID.size / max(valid.sum(), 1))

    stock = partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True, reduction=reduction)
    marked = way in ("ignore_class", "where before the loss")
    loss = {"ignore_class": partial(stock, ignore_class=IGNORED), "where before the loss": Replaced}.get(way, stock)()
    ids = keras.Input((VALID.shape[1],), dtype="int32", name="ids")
    rows = keras.layers.Embedding(len(table), K, mask_zero=masked, trainable=False, name="table")(ids)
    model = keras.Model(ids, keras.layers.Dense(K, name="shared")(rows), name="probe")
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    start = [table, np.eye(K, dtype=np.float32), np.zeros(K, np.float32)]
    by_name = {"table": start[:1], "shared": start[1:]}
    for name, values in by_name.items():
        model.get_layer(name).set_weights(values)
    weights = None if class_weights is None else class_weights[LABELS]
    if not (masked or marked):
        weights = valid * (1.0 if weights is None else weights)
    given = {} if weights is None else {"sample_weight": weights.astype(np.float32)}
    y = np.where(valid, LABELS, IGNORED if marked else 0)
    value = model.train_on_batch(np.where(valid, IDS, 0), y, **given)
    return float(np.ravel(value)[0]), -model.get_layer("shared").get_weights()[1]


KERAS_WAYS = (
    "mask_zero",
    "mask_zero, mean_with_sample_weight",
    "ignore_class",
    "sample_weight 0 and 1",
    "sample_weight 0 and 1, mean_with_sample_weight",
    "where before the loss",
)


def keras_rows() -> Iterator[Row]:
    """Every way by every question."""
    return attempt((way, q, partial(_ask, q, partial(_keras_run, way))) for way in KERAS_WAYS for q in QUESTIONS)


# torch.


def _cross_entropy(logits, labels, valid, **given):
    """Of all steps, and what each of them weighs."""
    functional = import_torch().nn.functional
    losses = functional.cross_entropy(logits, labels, reduction="none", **given)
    return losses, given["weight"][labels] if given else import_torch().ones(len(labels))


def _ignore_index(logits, labels, valid, **given):
    torch = import_torch()
    marked = torch.where(valid, labels, IGNORED)
    return torch.nn.functional.cross_entropy(logits, marked, ignore_index=IGNORED, **given)


def _product_mean(*data, **given):
    return (_cross_entropy(*data, **given)[0] * data[2]).mean()


def _product_sums(*data, **given):
    losses, weights = _cross_entropy(*data, **given)
    return (losses * data[2]).sum() / (weights * data[2]).sum()


def _selected(*data, **given):
    return _cross_entropy(*data, **given)[0][data[2]].mean()


def _where_after(*data, **given):
    losses, _ = _cross_entropy(*data, **given)
    return import_torch().where(data[2], losses, 0.0).sum() / data[2].sum()


def _where_before(logits, labels, valid, **given):
    logits = import_torch().where(valid[:, None], logits, 0.0)
    return (_cross_entropy(logits, labels, valid, **given)[0] * valid).sum() / valid.sum().clamp(min=1)


TORCH_WAYS = {
    "ignore_index": _ignore_index,
    "(losses * mask).mean()": _product_mean,
    "(losses * mask).sum() / (weights * mask).sum()": _product_sums,
    "losses[mask].mean()": _selected,
    "where(mask, losses, 0).sum() / mask.sum()": _where_after,
    "where before the loss": _where_before,
}


def torch_rows() -> Iterator[Row]:
    """Every way by every question."""
    ways = ((way, question, loss) for way, loss in TORCH_WAYS.items() for question in QUESTIONS)
    return attempt((way, question, partial(_ask, question, partial(_torch_run, loss))) for way, question, loss in ways)


def _torch_run(loss: Callable, table: np.ndarray, valid: np.ndarray, class_weights: np.ndarray | None):
    torch = import_torch()
    bias = torch.zeros(K, requires_grad=True)
    logits = torch.tensor(table[np.where(valid, IDS, 0)]).flatten(0, 1) + bias
    given = {} if class_weights is None else {"weight": torch.tensor(class_weights)}
    value = loss(logits, torch.tensor(LABELS).flatten(), torch.tensor(valid).flatten(), **given)
    value.backward()
    return value.item(), bias.grad.cpu().numpy()
