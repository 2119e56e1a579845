"""Precision: which dtype may weights have, on which device, and from which size on do they overflow?

Rows of class 1 have the heavy weight, rows of class 0 the weight 1. In torch the losses are summed, and the weight of
a row is the gradient of its logit over that without weights. In Keras the loss of a row IS its output, and a step of
plain SGD is its weight. The heavy weight is a power of two, which every format holds exactly. Two cases break that:
257, which bfloat16 rounds, and 100000, which float16 does not reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

import numpy as np

from helpers.semantics.inputs import UNIT_ROWS
from helpers.semantics.probe import N, Outcome, Row, attempt, import_keras, import_torch, judge, numbers_of

LABELS = np.array([1, 0, 1, 0])
HEAVY, ROUNDED, TOO_LARGE = 4.0, 257.0, 1e5
SAMPLE_WEIGHT, CLASS_WEIGHT = "sample_weight", "class_weight"
ROUNDING = 2**-6  # bfloat16 has steps of 2**-7
START = np.ones((N, 1), np.float32)


def _rows(heavy: float, light: float = 1.0) -> np.ndarray:
    """The weight of each row, shape (N,)."""
    return np.where(LABELS == 1, heavy, light)


# Keras.


def _keras_cases() -> Iterator[tuple[str, str, str, object, np.ndarray]]:
    """Policy, what is given, argument, its value, the weights that were meant."""
    for dtype in ("int64", "float64", "float16"):
        yield "float32", dtype, SAMPLE_WEIGHT, _rows(HEAVY).astype(dtype), _rows(HEAVY)
    yield "float32", f"float16, weight {TOO_LARGE:g}", SAMPLE_WEIGHT, _too_large_for_float16(), _rows(TOO_LARGE)
    yield "float32", "integers", CLASS_WEIGHT, {0: 1, 1: int(HEAVY)}, _rows(HEAVY)
    for policy in ("mixed_bfloat16", "float16", "mixed_float16"):
        yield policy, "float32", SAMPLE_WEIGHT, _rows(HEAVY).astype(np.float32), _rows(HEAVY)
    scaled = _rows(1.0, 1 / HEAVY)
    yield "mixed_float16", "float32, at most 1", SAMPLE_WEIGHT, scaled.astype(np.float32), scaled
    rounded = _rows(ROUNDED).astype(np.float32)
    yield "mixed_bfloat16", f"float32, weight {ROUNDED:g}", SAMPLE_WEIGHT, rounded, _rows(ROUNDED)


def _too_large_for_float16() -> np.ndarray:
    with np.errstate(over="ignore"):
        return _rows(TOO_LARGE).astype(np.float16)


def keras_rows() -> Iterator[Row]:
    """Weights of several dtypes, under several dtype policies."""
    experiments = (
        (f"{policy}: {given}", argument, partial(judge, partial(_keras_run, policy, argument, value), meant))
        for policy, given, argument, value, meant in _keras_cases()
    )
    return attempt(experiments, _unweighted)


def _keras_run(policy: str, argument: str, value) -> Outcome:
    """What weight has each row, shape (N,)?"""
    keras = import_keras()

    class Output(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.sum(y_pred, axis=-1)

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(1, use_bias=False)])
        # compile() scales the loss by itself where the policy is mixed_float16.
        model.compile(keras.optimizers.SGD(1.0), Output(reduction="sum"), run_eagerly=True)
        model.set_weights([START])
        given = {} if value is None else {argument: value}
        fitted = model.fit(UNIT_ROWS, LABELS.astype(np.float32), shuffle=False, verbose=0, **given)
        found = (START - model.get_weights()[0].astype(np.float32))[:, 0]
    finally:
        keras.config.set_dtype_policy(before)
    return found, float(fitted.history["loss"][0]), float(found @ START[:, 0])


def _unweighted() -> None:
    found = _keras_run("float32", SAMPLE_WEIGHT, None)[0]
    if not (found == 1).all():
        raise RuntimeError(f"without weights the rows have the weights {numbers_of(found)}")


# torch.

ANOTHER = "another device"
# What is given, dtype of the logits, dtype or device of the weights, the heavy weight, autocast?
TORCH_CASES = (
    ("float32 logits, int64 weights", "float32", "int64", HEAVY, False),
    ("float32 logits, float64 weights", "float32", "float64", HEAVY, False),
    ("float32 logits, float16 weights", "float32", "float16", HEAVY, False),
    ("float16 logits, float32 weights", "float16", "float32", HEAVY, False),
    ("autocast to bfloat16, float32 weights", "float32", "float32", HEAVY, True),
    ("weights on another device", "float32", ANOTHER, HEAVY, False),
    (f"float32 logits, bfloat16 weight {ROUNDED:g}", "float32", "bfloat16", ROUNDED, False),
    (f"all float16, weight {TOO_LARGE:g}", "float16", "float16", TOO_LARGE, False),
)


def _torch_losses() -> dict[str, Callable]:
    """Loss of the logits (N, 2), given the weights of the classes, shape (2,), or None."""
    torch = import_torch()
    f, labels = torch.nn.functional, torch.tensor(LABELS)
    column = labels[:, None].float()

    def binary(z, w, weight=False, pos_weight=False):
        given = {} if w is None else {"weight": w[labels][:, None]} if weight else {"pos_weight": w[1:]}
        return f.binary_cross_entropy_with_logits(z[:, :1], column.to(z.dtype), reduction="sum", **given)

    def squared(z, w):
        given = {} if w is None else {"weight": w[labels][:, None]}
        return f.mse_loss(z[:, :1], torch.ones_like(z[:, :1]), reduction="sum", **given)

    def product(z, w):
        losses = f.cross_entropy(z, labels, reduction="none")
        return losses.sum() if w is None else (losses * w[labels]).sum()

    one_hot = f.one_hot(labels, 2)
    return {
        "cross_entropy, class indices": lambda z, w: f.cross_entropy(z, labels, weight=w, reduction="sum"),
        "cross_entropy, probabilities": lambda z, w: f.cross_entropy(z, one_hot.to(z), weight=w, reduction="sum"),
        "BCE with logits, weight": partial(binary, weight=True),
        "BCE with logits, pos_weight": partial(binary, pos_weight=True),
        "mse_loss, weight": squared,
        "losses * weights": product,
    }


def torch_rows() -> Iterator[Row]:
    """Each loss with each kind of weights."""
    return attempt(
        (case, name, partial(judge, partial(_torch_run, name, *setting), _rows(setting[2])))
        for case, *setting in TORCH_CASES
        for name in _torch_losses()
    )


def _torch_run(name: str, logits: str, weights: str, heavy: float, autocast: bool) -> Outcome:
    torch = import_torch()
    by_class = torch.tensor([1.0, heavy])
    # Where the processor is all there is, a device without memory stands for another.
    another = "meta" if by_class.device.type == "cpu" else "cpu"
    by_class = by_class.to(another if weights == ANOTHER else getattr(torch, weights))
    plain, unweighted = _gradient(name, logits, None, autocast)
    gradient, loss = _gradient(name, logits, by_class, autocast)
    found = gradient / plain
    # The loss itself is rounded, to the format in which it is added up.
    value, exact = loss.item(), unweighted.item() / N * _rows(heavy).sum()
    return found, value, value if abs(value - exact) <= ROUNDING * abs(exact) else exact


def _gradient(name: str, logits: str, by_class, autocast: bool):
    """The gradient of each row's first logit, and the loss."""
    torch = import_torch()
    z = torch.zeros(N, 2, dtype=getattr(torch, logits), requires_grad=True)
    with torch.autocast(z.device.type, torch.bfloat16) if autocast else nullcontext():
        # A product of matrices is what autocast casts.
        loss = _torch_losses()[name](z @ torch.eye(2, dtype=z.dtype), by_class)
    loss.backward()
    return z.grad[:, 0].double().cpu().numpy(), loss.detach()
