"""Trainings as numbers: the predictions after a training, and the difference that a design makes."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from helpers.check.drive import numbers
from helpers.check.rows import FAILS, HOLDS, NOT_OBSERVED, CannotBeDriven, Result
from helpers.check.tensors import Array, kind_of, length_of, like, take, to_kind, to_numpy

SECONDS = 30.0  # of the processor, for all trainings of a check
SEEDS = (4, 8)
EXACT = 0.02  # of what the weights change: for the predictions themselves
ROUGH = 1.3  # a ratio of two influences that batches may make
ERRORS, TOO_NOISY, NOISE_WANTED = 2, 0.2, 0.05


@dataclass(frozen=True)
class Design:
    """Rows with weights, in the order in which they are given to the training.

    Attributes:
        rows: which rows.
        weights: their weights.
        targets: the targets of all rows, if they are not the given ones.
        inputs: which rows' inputs, if not their own.
    """

    rows: np.ndarray
    weights: np.ndarray
    targets: np.ndarray | None = None
    inputs: np.ndarray | None = None

    def shuffled(self, seed: int) -> Design:
        """The same rows in another order; seed 0 leaves them as they are."""
        order = np.random.default_rng(seed).permutation(len(self.rows)) if seed else np.arange(len(self.rows))
        inputs = None if self.inputs is None else self.inputs[order]
        return Design(self.rows[order], self.weights[order], self.targets, inputs)


@dataclass
class Trainings:
    """Trains, with the global generators seeded, and predicts all rows.

    Attributes:
        train: `train(x, y, sample_weight)` returns `predict`.
        x: inputs.
        y: targets.
        tolerance: the largest difference of two predictions that counts as none; None: relative ones.
        known: predictions that were made, where the same training makes the same ones again; None: where it does not.
        end: when the time is over, on the clock of the processor.
    """

    train: Callable
    x: Array
    y: Array
    tolerance: float | None = None
    known: dict[tuple, np.ndarray] | None = None
    end: float = field(default_factory=lambda: time.process_time() + SECONDS)

    def predictions(self, design: Design, seed: int = 0, x: Array | None = None) -> np.ndarray:
        """Predictions of all rows, flat, after a training; `x`: with other inputs."""
        if self.known is None or x is not None:
            return self._trained(design, seed, self.x if x is None else x)
        arrays = (design.rows, design.weights, design.targets, design.inputs)
        key = (seed, *(None if array is None else array.tobytes() for array in arrays))
        if key not in self.known:
            self.known[key] = self._trained(design, seed, self.x)
        return self.known[key]

    def _trained(self, design: Design, seed: int, x: Array) -> np.ndarray:
        design = design.shuffled(seed)
        inputs = design.rows if design.inputs is None else design.inputs
        targets = self.y if design.targets is None else to_kind(design.targets, kind_of(self.y))
        with seeded(seed):
            predict = self.train(take(x, inputs), take(targets, design.rows), like(design.weights, x))
            predict = getattr(predict, "predict", predict)
            if not callable(predict):
                raise CannotBeDriven(f"train must return predict, a function of x, got {type(predict).__name__}.")
            found = numbers(predict(x))
        if found.size % length_of(x):
            raise CannotBeDriven(f"predict must return a prediction for each of {length_of(x)} rows of x.")
        return found

    def judge(self, one: Design, other: Design, scale: float) -> Result:
        """Do two designs make the same predictions, in the mean over seeds and orders where it takes some?

        Args:
            one: a design.
            other: another.
            scale: norm of a difference that counts.
        """
        found = []
        for seed in range(SEEDS[1]):
            found.append(self.predictions(one, seed) - self.predictions(other, seed))
            size, noise = np.linalg.norm(np.mean(found, axis=0)) / scale, _noise(found) / scale
            if self._is_none(found[0], scale) or (seed >= SEEDS[0] and (noise < NOISE_WANTED or self.is_late())):
                break
        if not np.isfinite(size):
            return NOT_OBSERVED, "the predictions are not finite"
        said = f"predictions differ by {size:.2%} of what was changed" + (
            f", standard error {noise:.1%} in {len(found)} seeds" if len(found) > 1 else ""
        )
        if len(found) == 1 or size <= EXACT + ERRORS * noise:
            return (HOLDS if noise <= TOO_NOISY else NOT_OBSERVED), said
        return FAILS, said

    def judge_influence(self, one: Design, other: Design, rows: np.ndarray, scale: float) -> Result:
        """Do two designs give the same predictions; or, in a loop that makes batches, the same influence to some rows?

        What the targets of these rows change in the predictions is their influence. It is proportional to their weight,
        and hardly touched by chance: the trainings with and without the change have the same seed and batches.

        Args:
            one: a design.
            other: another, which stands for the same data.
            rows: whose targets are changed.
            scale: norm of a difference that counts.
        """
        first = self.predictions(one) - self.predictions(other)
        if self._is_none(first, scale):
            return HOLDS, f"predictions differ by {np.linalg.norm(first) / scale:.2%} of what weights change"
        ratio, error, seeds = self.influence_ratio(one, other, rows)
        said = f"the influence of the rows is {ratio:.2f} times what it should be, standard error {error:.2f}"
        if not np.isfinite(ratio) or ratio <= 0 or abs(np.log(ratio)) > np.log(ROUGH) + ERRORS * error / ratio:
            return FAILS, said
        return (HOLDS if error <= TOO_NOISY * ratio else NOT_OBSERVED), f"{said}, in {seeds} seeds and orders"

    def influence_ratio(self, one: Design, other: Design, rows: np.ndarray) -> tuple[float, float, int]:
        """The influence of some rows in one design over that in another, its standard error, and how many seeds."""
        changed = other_targets(self.y, rows, size=0.5)
        found = []
        for seed in range(SEEDS[1]):
            found.append([self._influence(design, changed, seed) for design in (one, other)])
            ratio, error = _ratio(np.array(found))
            if seed >= SEEDS[0] - 1 and (error < NOISE_WANTED or self.is_late()):
                break
        return ratio, error, len(found)

    def _influence(self, design: Design, targets: np.ndarray, seed: int) -> np.ndarray:
        return self.predictions(replace(design, targets=targets), seed) - self.predictions(design, seed)

    def _is_none(self, difference: np.ndarray, scale: float) -> bool:
        if self.tolerance is not None:
            return bool(np.abs(difference).max() <= self.tolerance)
        return bool(np.linalg.norm(difference) <= EXACT * scale)

    def is_late(self) -> bool:
        """Whether the time for this check is over."""
        return time.process_time() > self.end


def _noise(found: list[np.ndarray]) -> float:
    return float(np.linalg.norm(np.std(found, axis=0, ddof=1) / np.sqrt(len(found)))) if len(found) > 1 else 0.0


def _ratio(influences: np.ndarray) -> tuple[float, float]:
    """Sizes of the first influences over those of the second, along their common mean, and its standard error."""
    along = influences @ influences.mean(axis=(0, 1))  # seeds x 2
    one, other = along.mean(axis=0)
    rests = along[:, 0] - one / other * along[:, 1]
    error = rests.std(ddof=1) / np.sqrt(len(rests)) / abs(other) if len(rests) > 1 else 0.0
    return float(one / other), float(error)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy, torch and Keras; the first three are put back."""
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    states = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if torch:
        torch.manual_seed(seed)
    if keras:
        keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        if torch:
            torch.set_rng_state(states[2])


def other_targets(y: Array, rows: np.ndarray, size: float = 3.0) -> np.ndarray:
    """The targets, with those of some rows changed: numbers by standard deviations, labels to another class."""
    values = to_numpy(y).copy()
    classes = np.unique(values)
    if values.dtype.kind == "f" and (len(classes) > max(2, len(values) / 4) or (classes % 1).any()):
        values[rows] += size * (values.std() or 1.0)
        return values
    if len(classes) < 2:
        raise CannotBeDriven("all targets are the same: give targets of two classes, or numbers.")
    values[rows] = classes[(np.searchsorted(classes, values[rows]) + 1) % len(classes)]
    return values
