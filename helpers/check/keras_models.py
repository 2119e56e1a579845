"""A compiled Keras model as a step and as a training: its own `train_step` and `fit` are asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from helpers.check.rows import CannotBeDriven

EPOCHS = 3


class KerasStep:
    """One step of `train_on_batch`. Plain SGD with learning rate 1 moves the weights by the gradient.

    The model's optimiser is put back afterwards, and so are its weights. What of it belongs to the gradient stays:
    clipping, and `gradient_accumulation_steps`, without which a model makes a step of every batch.
    """

    def __init__(self, model: Any):
        _refuse_uncompiled(model)
        self.model = model
        self.accumulates = bool(getattr(model.optimizer, "gradient_accumulation_steps", None))

    @property
    def micro_batches(self) -> bool | str:
        """Whether a step can have several; if not, why."""
        return self.accumulates or "the model makes a step of every batch: it has no gradient_accumulation_steps"

    def __call__(self, micro_batches: list) -> np.ndarray:
        """The gradient of one step, flat."""
        with self._borrowed(len(micro_batches)):
            before = [variable.numpy() for variable in self.model.trainable_variables]
            for x, y, weights in micro_batches:
                self.model.train_on_batch(x, y, sample_weight=weights)
            after = [variable.numpy() for variable in self.model.trainable_variables]
        return np.concatenate([(b - a).ravel() for b, a in zip(before, after, strict=True)])

    def validate(self, x: Any, y: Any, weights: Any) -> float:
        """The loss that the model reports of these rows."""
        with self._borrowed(1):
            return self.model.test_on_batch(x, y, sample_weight=weights, return_dict=True)["loss"]

    @contextmanager
    def _borrowed(self, steps: int) -> Iterator[None]:
        model, optimizer, eager = self.model, self.model.optimizer, self.model.run_eagerly
        start = model.get_weights()
        clips = {name: getattr(optimizer, name, None) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        more = {"gradient_accumulation_steps": steps} if self.accumulates and steps > 1 else {}
        model.optimizer = sys.modules["keras"].optimizers.SGD(1.0, **clips, **more)
        model.run_eagerly, model.train_function, model.test_function = True, None, None
        model.reset_metrics()
        try:
            yield
        finally:
            model.optimizer, model.run_eagerly = optimizer, eager
            model.train_function, model.test_function = None, None
            model.set_weights(start)


class KerasTraining:
    """`fit` for a few epochs, always from the same weights and the same state of the optimiser."""

    def __init__(self, model: Any):
        _refuse_uncompiled(model)
        self.model = model
        self.start = model.get_weights()
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self.state = [variable.numpy() for variable in model.optimizer.variables]

    def __call__(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """Train, and return `predict`."""
        self._reset()
        self.model.fit(x, y, sample_weight=sample_weight, epochs=EPOCHS, verbose=0)
        return lambda x: self.model.predict_on_batch(x)

    def _reset(self) -> None:
        self.model.set_weights(self.start)
        for variable, value in zip(self.model.optimizer.variables, self.state, strict=True):
            variable.assign(value)


def _refuse_uncompiled(model: Any) -> None:
    if not getattr(model, "compiled", False):
        raise CannotBeDriven("the Keras model is not compiled: call model.compile(optimizer, loss) first.")
    if not model.built:
        raise CannotBeDriven("the Keras model has no weights yet: call it on some rows first.")
