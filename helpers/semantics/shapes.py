"""Shapes: does each pixel, or each step of a sequence, get the weight that was meant?

The probe has parameters of its own for each output of each row. Its loss is a stock one, which is taken once with the
weights and once without: the weight of a pixel is the step of its parameters, or their gradient, with the weights over
that without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from helpers.semantics.inputs import FORMS, UNIT_ROWS, feed
from helpers.semantics.probe import (
    CLASS_WEIGHT,
    REFUSED,
    ROW_WEIGHTS,
    SILENT,
    K,
    N,
    Outcome,
    Result,
    Row,
    attempt,
    import_keras,
    import_torch,
    judge,
    numbers_of,
)

# As high and as wide as there are rows: weights of another shape fit by chance. Then a size without chance.
CHANCE, PLAIN = (N, N), (2, 5)
BY_CLASS = np.array(list(CLASS_WEIGHT.values()), np.float32)
CLASSES, PER_PIXEL, FLAT_ROW, SHAPED_ROW = ARGUMENTS = (
    "class_weight",
    "sample_weight per pixel",
    "sample_weight per row (n,)",
    "sample_weight per row (n, 1, ...)",
)


class Form(NamedTuple):
    """How targets are stored: what is made of a map of classes (n, h, w), for which loss and how many channels."""

    loss: str
    targets: Callable[[np.ndarray], np.ndarray]
    channels: int | None  # None: the outputs have no axis for them


def _flat(labels: np.ndarray) -> np.ndarray:
    return labels.reshape(len(labels), -1)


def _one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(K, dtype=np.float32)[labels]


SPARSE, ONE_HOT, BINARY = "SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy"
TARGETS = {
    "integers (n, h, w)": Form(SPARSE, lambda y: y, K),
    "integers (n, h, w, 1)": Form(SPARSE, lambda y: y[..., None], K),
    "one-hot (n, h, w, C)": Form(ONE_HOT, _one_hot, K),
    "sequences (n, T)": Form(SPARSE, _flat, K),
    "sequences (n, T, 1)": Form(SPARSE, lambda y: _flat(y)[..., None], K),
    "one-hot sequences (n, T, C)": Form(ONE_HOT, lambda y: _one_hot(_flat(y)), K),
    "mask (n, h, w, 1)": Form(BINARY, lambda y: y[..., None], 1),
    "mask (n, h, w)": Form(BINARY, lambda y: y, None),
    "flat mask (n, h*w)": Form(BINARY, _flat, None),
    "mask (n, h, w, 1), Dice": Form("Dice", lambda y: y[..., None], 1),
}


def _maps(size: tuple[int, int], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A map of classes and one of weights, both (n, h, w)."""
    steps = np.arange(N * size[0] * size[1]).reshape(N, *size)
    return (steps * steps + steps // 3) % classes, ((steps * 5) % 7 + 1).astype(np.float32) / 4


def keras_rows() -> Iterator[Row]:
    """Every form of the targets: class weights in every form of the data, and row weights of several shapes."""
    # Which forms of the data carry row weights is asked in `inputs`.
    cases = [(data, CLASSES) for data in FORMS] + [("numpy", argument) for argument in ARGUMENTS[1:]]
    for name, form in TARGETS.items():
        probes = [_KerasProbe(form, size) for size in (CHANCE, PLAIN)]
        experiments = (
            (f"{name} in {data}", argument, partial(_worst, *(partial(p.judge, data, argument) for p in probes)))
            for data, argument in cases
        )
        yield from attempt(experiments, probes[0].twin)


class _KerasProbe:
    """One compiled model, for targets of one form and size."""

    def __init__(self, form: Form, size: tuple[int, int]) -> None:
        self.loss, self.channels, binary = form.loss, form.channels, form.channels != K
        self.labels, self.weights = _maps(size, 2 if binary else K)
        self.class_weight = {c: weight for c, weight in CLASS_WEIGHT.items() if not (binary and c == 2)}
        self.targets = form.targets(self.labels).astype(np.float32 if binary else int)
        self.pixels = self.targets.shape  # without the axis of the channels
        if self.channels and not (self.loss == SPARSE and self.pixels in (self.labels.shape, _flat(self.labels).shape)):
            self.pixels = self.pixels[:-1]
        self.model = self.unweighted = None

    def build(self):
        keras = import_keras()
        shape = self.pixels[1:] + ((self.channels,) if self.channels else ())
        x = keras.Input((N,), name="x")
        z = keras.layers.Dense(int(np.prod(shape)), use_bias=False, name="rows")(x)
        z = keras.layers.Activation("sigmoid" if self.loss == "Dice" else "linear", name="link")(z)
        model = keras.Model(x, keras.layers.Reshape(shape, name="pixels")(z), name="probe")
        options = {} if self.loss == "Dice" else {"from_logits": True}
        loss = getattr(keras.losses, self.loss)(**options)
        model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
        return model

    def twin(self) -> tuple[np.ndarray, float]:
        """The step without weights."""
        self.unweighted = self.unweighted or self.step("numpy", CLASSES, None)
        return self.unweighted

    def step(self, data: str, argument: str, weights) -> tuple[np.ndarray, float]:
        """How far the parameters move, (n, pixels, channels), and the loss."""
        self.model = self.model or self.build()
        channels = self.channels or 1
        start = ((np.arange(self.labels.size * channels) * 3) % 8 - 3.5).astype(np.float32).reshape(N, -1) / 8
        self.model.set_weights([start])
        given = {argument.split()[0]: weights} if weights is not None else {}
        log = self.model.fit(*feed(data, UNIT_ROWS, self.targets), shuffle=False, verbose=0, **given)
        return (start - self.model.get_weights()[0]).reshape(N, -1, channels), float(log.history["loss"][0])

    def judge(self, data: str, argument: str) -> Result:
        of_rows = ROW_WEIGHTS.reshape(N, *[1] * (len(self.pixels) - 1))
        weights, meant = {
            CLASSES: (self.class_weight, BY_CLASS[self.labels]),
            PER_PIXEL: (self.weights.reshape(self.pixels), self.weights),
            FLAT_ROW: (ROW_WEIGHTS, ROW_WEIGHTS[:, None, None]),
            SHAPED_ROW: (of_rows, ROW_WEIGHTS[:, None, None]),
        }[argument]
        return _judge(partial(self.found, data, argument, weights), np.broadcast_to(meant, self.labels.shape))

    def found(self, data: str, argument: str, weights) -> Outcome:
        plain, _ = self.twin()
        moved, loss = self.step(data, argument, weights)
        found = (moved * plain).sum(-1) / (plain * plain).sum(-1)
        return found.reshape(self.labels.shape), loss, loss


def _judge(run: Callable[[], Outcome], meant: np.ndarray) -> Result:
    """As `probe.judge`, with the weights of the first row alone."""
    kept: list[np.ndarray] = []

    def keep() -> Outcome:
        outcome = run()
        kept.append(outcome[0])
        return outcome

    observed, said = judge(keep, meant)
    if kept and kept[0].ndim > 1 and np.isfinite(kept[0]).all():
        said = f"the first row has the weights {numbers_of(kept[0][0])}"
        said += f", meant were {numbers_of(meant[0])}" if observed == SILENT else ""
    return observed, said


def _worst(by_chance: Callable[[], Result], otherwise: Callable[[], Result]) -> Result:
    """A silent surprise counts, even if it needs images as wide as the batch is long; others are told of too."""
    observed, said = by_chance()
    if observed != SILENT:
        return observed, said
    other, message = otherwise()
    size = " x ".join(map(str, PLAIN))
    return observed, f"{said}; with {size} pixels: {other}" + (f", {message}" if other == REFUSED else "")


# torch. As many classes as the images are wide, by chance.
CHANNELS = N
CHANNEL_WEIGHTS = np.array([0.5, 2.5, 3.5, 1.5], np.float32)
CE, BCE = "cross_entropy", "binary_cross_entropy_with_logits"
# The form of the targets, the loss, the name of its argument or "*" for losses times weights, the shape of the weights,
# and which weights they are.
TORCH_CASES = (
    ("integers (n, h, w)", CE, "weight", "(C,)", "classes"),
    ("integers (n, 1, h, w)", CE, "weight", "(C,)", "classes"),
    ("integers (n, h, w), logits (n, h, w, C)", CE, "weight", "(C,)", "classes"),
    ("one-hot (n, C, h, w)", CE, "weight", "(C,)", "classes"),
    ("integers (n, h, w)", CE, "*", "(n, h, w)", "pixels"),
    ("integers (n, h, w)", CE, "*", "(n, 1, h, w)", "pixels"),
    ("integers (n, h, w)", CE, "*", "(n,)", "rows"),
    ("integers (n, h, w)", CE, "*", "(n, 1, 1)", "rows"),
    ("one-hot (n, C, h, w)", BCE, "pos_weight", "(C,)", "positives"),
    ("one-hot (n, C, h, w)", BCE, "pos_weight", "(C, 1, 1)", "positives"),
    ("mask (n, 1, h, w)", BCE, "weight", "(n, 1, h, w)", "pixels"),
    ("mask (n, 1, h, w)", BCE, "weight", "(n, h, w)", "pixels"),
    ("mask (n, 1, h, w)", BCE, "*", "(n, h, w)", "pixels"),
    ("mask (n, 1, h, w)", BCE, "*", "(n,)", "rows"),
)


def torch_rows() -> Iterator[Row]:
    """Class weights, `pos_weight` and row weights, in the shapes that one meets."""
    return attempt(
        (form, f"{loss}, {name}{shape}" if name == "*" else f"{loss}({name}={shape})",
         partial(_worst, *(partial(_judge_torch, form, loss, name, shape, kind, size) for size in (CHANCE, PLAIN))))
        for form, loss, name, shape, kind in TORCH_CASES
    )  # fmt: skip


def _torch_targets(form: str, labels: np.ndarray) -> np.ndarray:
    if form.startswith("integers"):
        return labels[:, None] if form == "integers (n, 1, h, w)" else labels
    if form.startswith("mask"):
        return (labels[:, None] > 1).astype(np.float32)
    return np.moveaxis(np.eye(CHANNELS, dtype=np.float32)[labels], -1, 1)


def _judge_torch(form: str, loss: str, name: str, shape: str, kind: str, size: tuple[int, int]) -> Result:
    labels, pixels = _maps(size, CHANNELS)
    targets, by_channel = _torch_targets(form, labels), CHANNEL_WEIGHTS[:, None, None]
    weights, meant = {
        "classes": (CHANNEL_WEIGHTS, CHANNEL_WEIGHTS[labels]),
        "positives": (CHANNEL_WEIGHTS, np.where(targets == 1, by_channel, 1)),
        "pixels": (pixels, pixels),
        "rows": (ROW_WEIGHTS, np.broadcast_to(ROW_WEIGHTS[:, None, None], labels.shape)),
    }[kind]
    axes = {"(n, 1, h, w)": (N, 1, *size), "(n, 1, 1)": (N, 1, 1), "(C, 1, 1)": (CHANNELS, 1, 1)}
    weights = weights.reshape(axes.get(shape, weights.shape))
    channels = targets.shape[1:2] if form.startswith("mask") else (CHANNELS,)
    last = form.endswith("C)") and "logits" in form
    logits = np.arange(N * np.prod(size) * channels[0]) % 7 / 4
    logits = logits.reshape((N, *size, *channels) if last else (N, *channels, *size)).astype(np.float32)
    return _judge(partial(_torch_run, loss, name, logits, targets, weights, last), meant)


def _torch_run(loss: str, name: str, logits: np.ndarray, targets, weights, last: bool) -> Outcome:
    torch = import_torch()
    function, y, w = getattr(torch.nn.functional, loss), torch.tensor(targets), torch.tensor(weights)
    gradients = []
    for given in ({} if name == "*" else {name: w}, {}):
        z = torch.tensor(logits, requires_grad=True)
        losses = function(z, y, reduction="none", **given)
        (losses * w if name == "*" and not gradients else losses).sum().backward()
        gradients.append(z.grad.cpu().numpy())
    weighted, plain = gradients
    if loss == CE or logits.shape[1] == 1:  # the channels of a pixel share its weight
        axis = -1 if last else 1
        return (weighted * plain).sum(axis) / (plain * plain).sum(axis), 0.0, 0.0
    return weighted / plain, 0.0, 0.0
