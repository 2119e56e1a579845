"""An HF `Trainer` and a `LightningModule` as a step: their own training loop is asked for one step."""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from helpers.check.rows import CannotBeDriven

LABELS, WEIGHTS = "labels", "sample_weight"
LIGHTNING = ("lightning", "pytorch_lightning")


def libraries_of(thing: Any) -> set[str]:
    """The packages that the classes of an object come from."""
    return {cls.__module__.partition(".")[0] for cls in type(thing).__mro__}


def is_trainer(thing: Any) -> bool:
    """Whether it is an HF `Trainer`."""
    return "transformers" in libraries_of(thing) and hasattr(thing, "training_step")


def is_lightning_module(thing: Any) -> bool:
    """Whether it is a `LightningModule`."""
    return bool(libraries_of(thing) & set(LIGHTNING)) and hasattr(thing, "training_step")


class TrainerStep:
    """`trainer.train()` for one step. Clipping is switched off; the trainer is put back afterwards.

    A batch is a dictionary: the columns of `x`, or `x` under the name of the model's first argument; then "labels"
    and "sample_weight".
    """

    def __init__(self, trainer: Any):
        self.trainer, self.model = trainer, trainer.model
        forward = inspect.signature(self.model.forward).parameters
        self.first = next(iter(forward))
        self.takes = set(forward)

    def __call__(self, micro_batches: list) -> np.ndarray:
        """The gradient of one step, flat."""
        batches = [
            {**(x if isinstance(x, dict) else {self.first: x}), LABELS: y, WEIGHTS: w} for x, y, w in micro_batches
        ]
        record = _recorder(self.model)
        with self._borrowed(batches, record), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.trainer.train()
            except TypeError as error:
                if WEIGHTS in str(error):
                    raise CannotBeDriven(
                        f"the model refuses the column {WEIGHTS!r}, so this Trainer cannot weight rows: in "
                        "compute_loss take it out of the inputs, as helpers.pytorch.ExactTrainerMixin does."
                    ) from error
                raise
        return record.gradient()

    @contextmanager
    def _borrowed(self, batches: list, record: Any) -> Iterator[None]:
        trainer, args = self.trainer, self.trainer.args
        data = import_module("torch").utils.data
        loader = data.DataLoader(batches, batch_size=None)
        attributes = {
            "get_train_dataloader": lambda: loader, "log": lambda *_, **__: None, "optimizer": record,
            "lr_scheduler": None, "model_wrapped": self.model,
        }  # fmt: skip
        settings = {
            "gradient_accumulation_steps": len(batches), "max_steps": 1, "max_grad_norm": 0.0, "save_strategy": "no",
            "eval_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
        }  # fmt: skip
        owned = {name: vars(trainer)[name] for name in attributes if name in vars(trainer)}
        before = {name: getattr(args, name) for name in settings}
        callbacks, trainer.callback_handler.callbacks = trainer.callback_handler.callbacks, [
            callback for callback in trainer.callback_handler.callbacks if "Flow" in type(callback).__name__
        ]  # fmt: skip
        vars(trainer).update(attributes)
        # It collects all of Python's garbage, which takes longer than the step.
        vars(trainer.accelerator)["free_memory"] = lambda *_: ()
        for name, value in settings.items():
            setattr(args, name, value)
        try:
            yield
        finally:
            for name in attributes:
                vars(trainer).pop(name, None)
            vars(trainer).update(owned)
            for name, value in before.items():
                setattr(args, name, value)
            trainer.callback_handler.callbacks = callbacks
            del trainer.accelerator.free_memory
            for kept in ("_models", "_optimizers", "_schedulers"):
                getattr(trainer.accelerator, kept).clear()


class ModuleStep:
    """`Trainer.fit` of Lightning for one step, with `accumulate_grad_batches` for the number of micro-batches.

    A batch is `(x, y, w)`; where `x` is a dictionary, its columns, "labels" and "sample_weight".
    """

    def __init__(self, module: Any):
        self.module = self.model = module
        name = next(name for name in LIGHTNING if name in libraries_of(module))
        self.library = sys.modules.get("lightning.pytorch" if name == "lightning" else name) or import_module(name)

    def __call__(self, micro_batches: list) -> np.ndarray:
        """The gradient of one step, flat."""
        batches = [{**x, LABELS: y, WEIGHTS: w} if isinstance(x, dict) else (x, y, w) for x, y, w in micro_batches]
        record, module = _recorder(self.module), self.module
        trains = module.training
        loader = import_module("torch").utils.data.DataLoader(batches, batch_size=None)
        module.configure_optimizers = lambda: record
        try:
            with _quiet("lightning.pytorch", "pytorch_lightning"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer = self.library.Trainer(
                    max_steps=1, accumulate_grad_batches=len(batches), accelerator="cpu", devices=1, logger=False,
                    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                    limit_val_batches=0,
                )  # fmt: skip
                trainer.fit(module, loader)
        finally:
            del module.configure_optimizers
            module.train(trains)
        return record.gradient()


def _recorder(model: Any) -> Any:
    """An optimiser that keeps the gradient of its first step, and changes nothing."""
    torch = import_module("torch")

    class Recorder(torch.optim.Optimizer):
        def __init__(self):
            self.kept = None
            super().__init__([p for p in model.parameters() if p.requires_grad], {"lr": 0.0})

        def step(self, closure=None):
            value = None
            if closure is not None:
                with torch.enable_grad():
                    value = closure()
            parameters = self.param_groups[0]["params"]
            if self.kept is None:
                self.kept = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
            return value

        def gradient(self):
            if self.kept is None:
                raise CannotBeDriven("the training loop ended without a step of its optimiser.")
            return torch.cat([g.ravel() for g in self.kept]).double().cpu().numpy()

    return Recorder()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
