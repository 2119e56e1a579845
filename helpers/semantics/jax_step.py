"""A train step of one's own on JAX, where nothing changes in place: the state goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from helpers.semantics.probe import import_keras


def jax_model(unpack: Callable) -> type:
    """The class of a model whose `train_step` is written as Keras' guide for JAX writes it."""

    class Custom(import_keras().Model):
        def train_step(self, state: tuple, data: Any) -> tuple[dict, tuple]:
            return _step(self, state, *unpack(data))

    return Custom


def _step(model, state: tuple, x, y, weights) -> tuple[dict, tuple]:
    def loss_of(trainable, non_trainable):
        y_pred, non_trainable = model.stateless_call(trainable, non_trainable, x, training=True)
        return model.compute_loss(x, y, y_pred, weights), (y_pred, non_trainable)

    trainable, non_trainable, of_optimizer, of_metrics = state
    value_and_gradient = import_module("jax").value_and_grad(loss_of, has_aux=True)
    (loss, (y_pred, non_trainable)), gradients = value_and_gradient(trainable, non_trainable)
    trainable, of_optimizer = model.optimizer.stateless_apply(of_optimizer, gradients, trainable)
    with import_keras().StatelessScope(list(zip(model.metrics_variables, of_metrics, strict=True))) as scope:
        next(metric for metric in model.metrics if metric.name == "loss").update_state(loss)
        logs = model.compute_metrics(x, y, y_pred, weights)
    of_metrics = [scope.get_current_value(variable) for variable in model.metrics_variables]
    return logs, (trainable, non_trainable, of_optimizer, of_metrics)
