"""The reductions of NumPy, torch and Keras behind one interface, for the tests of several files.

Every engine takes arrays and gives the value, or both gradients, as NumPy numbers. With a dtype it computes in that.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

import helpers.keras
import helpers.pytorch
import helpers.reductions
from helpers.reductions import REDUCTIONS


def by_numpy(losses, weights=None, reduction="mean"):
    value = helpers.reductions.reduce_losses(losses, weights, reduction)
    assert type(value) is float
    return value


def by_torch(losses, weights=None, reduction="mean", dtype=None):
    losses = torch.as_tensor(losses)
    if dtype:
        losses, weights = (torch.as_tensor(values).to(getattr(torch, dtype)) for values in (losses, weights))
    value = helpers.pytorch.reduce_losses(losses, weights, reduction)
    assert (value.dtype, value.shape) == (losses.dtype if losses.is_floating_point() else torch.float32, ())
    return value.item()


def by_keras(losses, weights=None, reduction="mean", dtype=None, transform=lambda reduce, *arguments: reduce):
    def reduce(losses, weights=None):
        return helpers.keras.reduce_losses(losses, weights, reduction)

    arguments = [losses] if weights is None else [losses, weights]
    if dtype:
        arguments = [tf.cast(values, dtype) for values in arguments]
    value = transform(reduce, *arguments)(*arguments)
    losses = tf.convert_to_tensor(arguments[0])
    assert (value.dtype, value.shape) == (losses.dtype if losses.dtype.is_floating else tf.float32, ())
    return float(tf.cast(value, "float64"))


def torch_gradients(losses, weights, reduction, dtype="float64"):
    """With respect to the losses, and to the weights."""
    leaves = [torch.tensor(values, dtype=getattr(torch, dtype), requires_grad=True) for values in (losses, weights)]
    helpers.pytorch.reduce_losses(*leaves, reduction).backward()
    return [leaf.grad.double().numpy() for leaf in leaves]


def keras_gradients(losses, weights, reduction, dtype="float64", transform=lambda gradients, *arguments: gradients):
    def gradients(losses, weights):
        with tf.GradientTape() as tape:
            tape.watch([losses, weights])
            value = helpers.keras.reduce_losses(losses, weights, reduction)
        return tape.gradient(value, [losses, weights])

    leaves = [tf.cast(values, dtype) for values in (losses, weights)]
    return [tf.cast(found, "float64").numpy() for found in transform(gradients, *leaves)(*leaves)]


def traced(function, *arguments):
    """The function as a `tf.function` that does not know how many rows will come."""
    tensors = [tf.convert_to_tensor(a) for a in arguments]
    signature = [tf.TensorSpec([None, *a.shape[1:]] if a.shape.rank else [], a.dtype) for a in tensors]
    return tf.function(function, input_signature=signature)


def by_keras_traced(*arguments):
    return by_keras(*arguments, transform=traced)


def keras_traced_gradients(*arguments):
    return keras_gradients(*arguments, transform=traced)


def formula(losses, weights, reduction):
    """The value and both gradients, element by element: nothing here is broadcast, and no engine is asked."""
    losses, weights = np.asarray(losses), np.asarray(weights)
    rows = losses.reshape(len(losses), -1)
    # A weight of full shape has an entry for each loss.
    full = weights.size == losses.size
    each = [
        (loss, row * rows.shape[1] + k if full else row) for row, some in enumerate(rows) for k, loss in enumerate(some)
    ]
    w = [float(weights.reshape(-1)[place]) for _, place in each]
    total = sum(weight * loss for weight, (loss, _) in zip(w, each, strict=True))
    counts = {"sum": 1, "mean": len(w), "weighted_mean": sum(w), "nonzero_mean": sum(weight != 0 for weight in w)}
    divisor = counts[reduction] or 1
    by_weight = np.zeros(weights.size)
    for loss, place in each:
        # Only under weighted_mean does the divisor move with the weights.
        by_weight[place] += (loss - (total / divisor if reduction == "weighted_mean" else 0)) / divisor
    return total / divisor, np.reshape(w, losses.shape) / divisor, by_weight.reshape(weights.shape)


ENGINES = {"numpy": by_numpy, "torch": by_torch, "keras": by_keras, "keras traced": by_keras_traced}
EAGER = {name: ENGINES[name] for name in ("numpy", "torch", "keras")}
GRADIENTS = {"torch": torch_gradients, "keras": keras_gradients, "keras traced": keras_traced_gradients}

every_engine = pytest.mark.parametrize("reduce", ENGINES.values(), ids=ENGINES)
every_eager_engine = pytest.mark.parametrize("reduce", EAGER.values(), ids=EAGER)
every_gradient = pytest.mark.parametrize("gradients", GRADIENTS.values(), ids=GRADIENTS)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
