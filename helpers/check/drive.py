"""Objects as what the checks ask for: a loss, a step, a training."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.check.keras_models import KerasStep, KerasTraining
from helpers.check.loops import ModuleStep, TrainerStep, is_lightning_module, is_trainer
from helpers.check.rows import CannotBeDriven

KINDS = ("loss", "step", "training")
WEIGHT_NAMES = ("weights", "weight", "sample_weight", "sample_weights", "w")
WRAP = {
    "loss": "`lambda outputs, targets, w: (loss(outputs, targets) * w).mean()`, with a loss per row",
    "step": "`def step(micro_batches):` which makes the gradient of one step from [(x, y, w), ...] and returns it flat",
    "training": "`def train(x, y, sample_weight):` which trains a new model and returns its predict",
}


def as_loss(thing: Any) -> Callable:
    """`loss(outputs, targets, weights)`."""
    if _is_keras(thing, "Loss"):
        return lambda outputs, targets, weights: thing(targets, outputs, sample_weight=weights)
    _refuse_others(thing, "loss")
    names = _parameters(thing.forward if hasattr(thing, "forward") else thing)
    given = next((name for name in WEIGHT_NAMES if name in names), None)
    if given is not None:
        return lambda outputs, targets, weights: thing(outputs, targets, **{given: weights})
    if names and len(names) < 3:
        raise CannotBeDriven(f"{_name(thing)} takes no weights, only {', '.join(names)}. Wrap it: {WRAP['loss']}.")
    return thing


def as_step(thing: Any) -> Callable:
    """What `check_step` drives: a function that makes the gradient of one step, without changing the model.

    For instance, the gradient that the loop of Lightning makes of two micro-batches::

        import lightning
        import torch
        from helpers.check import as_step

        class Module(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Linear(3, 1)

            def training_step(self, batch):
                x, y, w = batch
                return ((self.net(x)[:, 0] - y) ** 2 * w).mean()

        batches = [(torch.randn(n, 3), torch.randn(n), torch.ones(n)) for n in (2, 8)]
        print(as_step(Module())(batches))

    Args:
        thing: a compiled Keras model, an HF `Trainer`, a `LightningModule`, or such a function itself.

    Returns:
        `step(micro_batches)`, which returns a flat array; `micro_batches` is a list of `(x, y, w)`.

    Raises:
        CannotBeDriven: it is none of these.
    """
    if _is_keras(thing, "Model"):
        return KerasStep(thing)
    if is_trainer(thing):
        return TrainerStep(thing)
    if is_lightning_module(thing):
        return ModuleStep(thing)
    _refuse_others(thing, "step")
    return thing


def as_training(thing: Any) -> Callable:
    """`train(x, y, sample_weight)`."""
    if _is_keras(thing, "Model"):
        return KerasTraining(thing)
    if hasattr(thing, "fit"):
        return _estimator_training(thing)
    _refuse_others(thing, "training")
    return thing


def kind_of_thing(thing: Any) -> str:
    """Which check fits: "loss", "step" or "training"."""
    if _is_keras(thing, "Loss"):
        return "loss"
    if _is_keras(thing, "Model") or is_trainer(thing) or is_lightning_module(thing):
        return "step"
    if hasattr(thing, "fit") and not hasattr(thing, "forward"):
        return "training"
    _refuse_others(thing, "step")
    names = _parameters(thing.forward if hasattr(thing, "forward") else thing)
    if len(names) == 1:
        return "step"
    return "training" if "sample_weight" in names and names[:1] in (["x"], ["X"]) else "loss"


def _estimator_training(estimator: Any) -> Callable:
    """A scikit-learn-like estimator: a new one is fitted each time."""
    estimator = estimator() if inspect.isclass(estimator) else estimator
    names = _parameters(estimator.fit)
    if "sample_weight" not in names and not any(p in names for p in ("kwargs", "fit_params", "params")):
        raise CannotBeDriven(f"fit of {_name(estimator)} takes no sample_weight, only {', '.join(names)}.")

    def train(x, y, sample_weight):
        new = sys.modules["sklearn.base"].clone(estimator) if hasattr(estimator, "get_params") else (
            copy.deepcopy(estimator)
        )  # fmt: skip
        fitted = new.fit(x, y, sample_weight=sample_weight)
        fitted = new if fitted is None else fitted
        # The finest that it gives: labels change only where a weight changes a decision.
        for method in ("decision_function", "predict_proba", "predict"):
            if hasattr(fitted, method):
                return getattr(fitted, method)
        raise CannotBeDriven(f"{_name(estimator)} has no predict.")

    return train


def _refuse_others(thing: Any, kind: str) -> None:
    """Say what to do with what is no function."""
    if is_trainer(thing) or is_lightning_module(thing):
        what = "an HF Trainer" if is_trainer(thing) else "a LightningModule"
        raise CannotBeDriven(f"{what} is no {kind}: its loop makes steps. Use check_step.")
    if _is_keras(thing, "Model") or (hasattr(thing, "fit") and not hasattr(thing, "forward")):
        raise CannotBeDriven(f"{_name(thing)} is no {kind}: use check_training, or check_step for a Keras model.")
    if not callable(thing):
        raise CannotBeDriven(f"{_name(thing)} is no {kind}. Give {WRAP[kind]}.")


def _is_keras(thing: Any, name: str) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(thing, keras.losses.Loss if name == "Loss" else keras.Model)


def _parameters(function: Callable) -> list[str]:
    """The names of the arguments, [] where they are not known."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return []
    return [p.name for p in found]


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", None) or type(thing).__name__


def numbers(predictions: Any) -> np.ndarray:
    """Predictions as flat numbers; labels that are none as 0 and 1 for each class."""
    predictions = np.asarray(predictions.detach().cpu() if hasattr(predictions, "detach") else predictions)
    if predictions.dtype.kind not in "biuf":
        predictions = predictions[..., None] == np.unique(predictions)
    return predictions.astype(np.float64).ravel()
