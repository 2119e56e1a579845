"""Weighted losses and training in PyTorch: what `model.fit` does, with the weights in sight."""

from __future__ import annotations

from helpers.pytorch.adapters import ExactModuleMixin, ExactTrainerMixin
from helpers.pytorch.exact import Step, exact_step
from helpers.pytorch.losses import reduce_losses, step_denominator
from helpers.pytorch.optimizers import KerasRMSprop
from helpers.pytorch.parameters import get_weights, set_weights
from helpers.pytorch.training import History, fit, predict

__all__ = [
    "ExactModuleMixin",
    "ExactTrainerMixin",
    "History",
    "KerasRMSprop",
    "Step",
    "exact_step",
    "fit",
    "get_weights",
    "predict",
    "reduce_losses",
    "set_weights",
    "step_denominator",
]
