"""Arrays of NumPy, torch and TensorFlow: of which kind, some rows of them, their like, and the gradient of a loss."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from helpers._start import import_tensorflow
from helpers.check.rows import CannotBeDriven

Array = Any  # an array of NumPy, or a tensor
Loss = Callable[[Array, Array, Array], Array]


def kind_of(values: Array) -> str:
    """Which library an array belongs to: "numpy", "torch" or "tensorflow"."""
    library = type(values).__module__.partition(".")[0]
    if library == "keras":
        return kind_of(values.value)
    if library in ("torch", "tensorflow"):
        return library
    if library in ("jax", "jaxlib"):
        raise CannotBeDriven("arrays of JAX are not supported. Run Keras on the backend tensorflow or torch.")
    return "numpy"


def to_numpy(values: Array) -> np.ndarray:
    """An array or a tensor as an array, from whatever device and graph; bfloat16 as float32."""
    if kind_of(values) == "torch":
        values = values.detach().cpu()
        return (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    return np.asarray(values)


def to_kind(values: ArrayLike, kind: str, dtype: str | None = None) -> Array:
    """An array as one of NumPy, torch or TensorFlow."""
    values = np.array(values, dtype=None if dtype == "bfloat16" else dtype)
    if kind == "torch":
        torch = import_module("torch")
        return torch.as_tensor(values, dtype=getattr(torch, dtype) if dtype else None)
    return import_tensorflow().convert_to_tensor(values, dtype=dtype) if kind == "tensorflow" else values


def take(values: Array, rows: np.ndarray) -> Array:
    """Some rows of an array, of a tensor, or of a dictionary or tuple of them."""
    if isinstance(values, dict):
        return {key: take(value, rows) for key, value in values.items()}
    if isinstance(values, tuple | list):
        return type(values)(take(value, rows) for value in values)
    kind = kind_of(values)
    if kind == "tensorflow":
        return import_tensorflow().gather(values, rows)
    return values[to_kind(rows, "torch").to(values.device)] if kind == "torch" else np.asarray(values)[rows]


def length_of(values: Array) -> int:
    """The number of rows."""
    if isinstance(values, dict | tuple) or (isinstance(values, list) and np.ndim(values[0])):
        return length_of(next(iter(values.values())) if isinstance(values, dict) else values[0])
    return len(to_numpy(values))


def dtype_of(values: Array) -> str:
    """The name of a type, as NumPy spells it."""
    return str(getattr(values.dtype, "name", values.dtype)).removeprefix("torch.")


def like(values: np.ndarray, example: Array) -> Array:
    """Weights for this example: of its library, and of its device and type where that is a floating one."""
    while isinstance(example, dict | tuple | list):
        example = next(iter(example.values())) if isinstance(example, dict) else example[0]
    kind, dtype = kind_of(example), "float32"
    if kind != "numpy" and "float" in dtype_of(example):
        dtype = dtype_of(example)
    made = to_kind(values, kind, dtype)
    return made.to(example.device) if kind == "torch" else made


def backend_of(thing: object, outputs: Array) -> str:
    """The library in which a loss computes: that of its outputs; for arrays, Keras' backend or torch."""
    kind = kind_of(outputs)
    if kind != "numpy":
        return kind
    is_keras = any(cls.__module__.startswith("keras.") for cls in type(thing).__mro__)
    return sys.modules["keras"].backend.backend() if is_keras else "torch"


def value_and_gradient(
    loss: Loss, table: Array, rows: np.ndarray, targets: Array, weights: Array
) -> tuple[float, np.ndarray]:
    """The loss of some rows of the outputs, and its gradient with respect to all outputs.

    Args:
        loss: `loss(outputs, targets, weights)`.
        table: the outputs of all rows.
        rows: which of them.
        targets: of these rows.
        weights: of these rows.

    Raises:
        CannotBeDriven: the loss is not one number, or has no gradient.
    """
    if kind_of(table) == "torch":
        value, gradient = _by_torch(loss, table, rows, targets, weights)
    else:
        value, gradient = _by_tensorflow(loss, table, rows, targets, weights)
    return float(value), to_numpy(gradient).astype(np.float64)


def _by_torch(loss: Loss, table: Array, rows: np.ndarray, targets: Array, weights: Array) -> tuple[Array, Array]:
    table = table.detach().clone().requires_grad_()
    value = loss(take(table, rows), targets, weights)
    _refuse_no_number(value)
    if not getattr(value, "requires_grad", False):
        raise CannotBeDriven(_NO_GRADIENT)
    value.sum().backward()
    if table.grad is None:
        raise CannotBeDriven(_NO_GRADIENT)
    return value.detach(), table.grad


def _by_tensorflow(loss: Loss, table: Array, rows: np.ndarray, targets: Array, weights: Array) -> tuple[Array, Array]:
    tf = import_tensorflow()
    table = tf.convert_to_tensor(table)
    with tf.GradientTape() as tape:
        tape.watch(table)
        value = loss(tf.gather(table, rows), targets, weights)
    _refuse_no_number(value)
    gradient = tape.gradient(value, table) if tf.is_tensor(value) else None
    if gradient is None:
        raise CannotBeDriven(_NO_GRADIENT)
    return value, tf.convert_to_tensor(gradient)  # of rows that were taken


_NO_GRADIENT = (
    "the loss has no gradient with respect to the outputs: it must return a tensor that is computed from them, "
    "without .item(), .detach() or NumPy in between."
)


def _refuse_no_number(value: Array) -> None:
    shape = tuple(np.shape(value) if kind_of(value) == "numpy" else value.shape)
    if int(np.prod(shape)) != 1:
        raise CannotBeDriven(
            f"the loss must return one number, got shape {shape}: reduce it, as in "
            "`lambda outputs, targets, w: (loss(outputs, targets) * w).mean()`."
        )
