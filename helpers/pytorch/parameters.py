"""A model's parameters in the layout of Keras, so that both frameworks can start from the same values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


def get_weights(model: nn.Module) -> list[np.ndarray]:
    """All parameters of a stack of linear layers, in the layout of Keras' `model.get_weights()`.

    A linear layer's matrix is (inputs, outputs) in Keras and (outputs, inputs) in torch.

    Args:
        model: its layers with parameters are all linear.

    Returns:
        Matrix and bias of each layer, as copies.
    """
    return [(p.T if p.ndim == 2 else p).detach().cpu().numpy().copy() for p in model.parameters()]


def set_weights(model: nn.Module, weights: Sequence[np.ndarray]) -> None:
    """Give a stack of linear layers the values that Keras' `model.get_weights()` returned.

    Args:
        model: its layers with parameters are all linear. It is changed in place.
        weights: matrix and bias of each layer, in the layout of Keras.

    Raises:
        ValueError: another number of arrays, or an array of another shape.
    """
    shapes = [tuple(w.shape) for w in get_weights(model)]
    given = [np.shape(w) for w in weights]
    if shapes != given:
        raise ValueError(f"the model needs arrays of the shapes {shapes} (Keras layout), got {given}.")
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), weights, strict=True):
            values = torch.tensor(np.asarray(values))
            parameter.copy_(values.T if parameter.ndim == 2 else values)


def to_tensor(values: Tensor | np.ndarray) -> Tensor:
    """A tensor as it is; an array as a tensor, float64 as float32, as in Keras."""
    if isinstance(values, Tensor):
        return values
    if not (hasattr(values, "__array__") or isinstance(values, list | tuple)):
        raise ValueError(f"expected an array or a tensor with one row per example, got {type(values).__name__}.")
    values = np.asarray(values)
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    # A tensor over a read-only array (a memory map in a parallel process) would make torch warn, and one that runs
    # backwards, as x[::-1], does not exist: copy these.
    if not values.flags.writeable or min(values.strides, default=0) < 0:
        values = values.copy()
    return torch.as_tensor(values)


def to_numpy(values: Tensor | np.ndarray) -> np.ndarray:
    """A tensor, from whatever device and graph, or an array, as an array."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
