"""The reductions of NumPy, torch and Keras behind one interface, for the tests of several files."""

from __future__ import annotations

import tensorflow as tf
import torch

import helpers.keras
import helpers.pytorch
import helpers.reductions

# Every engine takes arrays and gives the value, and the gradient with respect to the losses, as NumPy numbers.


def by_numpy(losses, weights=None, reduction="mean"):
    return helpers.reductions.reduce_losses(losses, weights, reduction)


def by_torch(losses, weights=None, reduction="mean"):
    weights = None if weights is None else torch.as_tensor(weights)
    return helpers.pytorch.reduce_losses(torch.as_tensor(losses), weights, reduction).item()


def by_keras(losses, weights=None, reduction="mean"):
    return float(helpers.keras.reduce_losses(losses, weights, reduction))


def torch_gradient(losses, weights, reduction):
    losses = torch.tensor(losses, requires_grad=True)
    helpers.pytorch.reduce_losses(losses, torch.as_tensor(weights), reduction).backward()
    return losses.grad.numpy()


def keras_gradient(losses, weights, reduction):
    losses = tf.Variable(losses)
    with tf.GradientTape() as tape:
        value = helpers.keras.reduce_losses(losses, weights, reduction)
    return tape.gradient(value, losses).numpy()
