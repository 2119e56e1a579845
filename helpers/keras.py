"""The four reductions on Keras tensors, on any backend. Importing this module imports Keras, quietly.

TensorFlow writes to the process' error stream before any setting can stop it. Import this module before `keras` or
`tensorflow`, and a notebook's outputs stay clean.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from helpers.reductions import check_reduction, fitting_shape
from helpers.weights import check_weight_values

__all__ = ["reduce_losses"]


@contextlib.contextmanager
def _silent_error_stream() -> Iterator[None]:
    """Send file descriptor 2 to nowhere. Python's own exceptions are raised as ever."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _silent_error_stream():
    import keras
    from keras import KerasTensor, ops


def reduce_losses(losses, weights=None, reduction: str = "mean"):
    """Reduce weighted losses to one number; differentiable.

    The rules, arguments and errors of `helpers.reductions.reduce_losses`. A weight of 0 adds exactly 0 to the value
    and to the gradient with respect to the losses, even where the loss is NaN or infinite. Inside a traced function
    (`tf.function`, `jax.jit`, and so a compiled `fit`) values cannot be looked at: there only shapes are checked.

    Args:
        losses: shape (n, ...), one or more per row: your loss with `reduction=None`.
        weights: the losses' shape, or one per row, (n,) or (n, 1, ...). None: all 1.
        reduction: one of `helpers.reductions.REDUCTIONS`.

    Returns:
        A tensor of shape (), with the losses' type.

    Raises:
        ValueError: an unknown reduction, shapes that do not fit, or a negative, NaN or infinite weight.
    """
    check_reduction(reduction)
    losses = ops.convert_to_tensor(losses)
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(losses.dtype)):
        losses = ops.cast(losses, keras.config.floatx())
    if weights is None:
        weights = ops.ones_like(losses)
    weights = ops.convert_to_tensor(weights)
    shape = fitting_shape(tuple(losses.shape), tuple(weights.shape))
    if not _is_traced(weights):
        check_weight_values(ops.convert_to_numpy(weights))
    weights = ops.cast(weights, losses.dtype)
    if shape != tuple(weights.shape):
        weights = ops.reshape(weights, shape)
    weights = ops.broadcast_to(weights, ops.shape(losses))
    # 0 * NaN is NaN: the loss is masked before the product.
    total = ops.sum(ops.where(weights == 0, ops.zeros_like(losses), losses) * weights)
    denominator = {
        "sum": lambda: ops.ones_like(total),
        "mean": lambda: ops.sum(ops.ones_like(losses)),
        "weighted_mean": lambda: ops.sum(weights),
        "nonzero_mean": lambda: ops.sum(ops.cast(weights != 0, losses.dtype)),
    }[reduction]()
    # No weight at all: the total is 0, and 0 / 1 is 0.
    return total / ops.where(denominator == 0, ops.ones_like(denominator), denominator)


def _is_traced(tensor) -> bool:
    """Whether a tensor has no values yet."""
    if isinstance(tensor, KerasTensor):
        return True
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.is_symbolic_tensor(tensor)
    if backend == "jax":
        import jax

        return isinstance(tensor, jax.core.Tracer)
    return False
