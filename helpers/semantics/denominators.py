"""Denominators: by what is the sum of the weighted losses divided?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from helpers.reductions import REDUCTIONS, reduce_losses
from helpers.semantics.effects import ALL_Y, START, TRAIN, effect_model, evaluate
from helpers.semantics.probe import LABELS, NONE_OF_THESE, K, Result, Row, attempt, import_keras, import_torch


def denominator(value: float, losses: ArrayLike, weights: ArrayLike) -> str:
    """Which of `REDUCTIONS` makes this value of these losses and weights, or "none of these".

    Args:
        value: the number that was found, of float32 precision.
        losses: without weights, shape (n, ...).
        weights: the losses' shape, or one per row.

    Raises:
        ValueError: two reductions make this value, so that nothing follows from it; or what `reduce_losses` refuses.
    """
    candidates = _candidates(losses, weights).items()
    found = [name for name, candidate in candidates if np.isclose(value, candidate, rtol=1e-4, atol=0)]
    if len(found) > 1:
        raise ValueError(f"{' and '.join(found)} both give {value:.4g}: take weights that tell them apart.")
    return found[0] if found else NONE_OF_THESE


LOGITS = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [0.0, 1.0, -2.0], [-1.0, 0.5, 0.75]], np.float32)
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]
MULTI_HOT = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], np.float32)
TRUTH, GUESS = np.array([[1, 0.5, 2, 0.75], [0.25, 1.5, -0.5, 3]], np.float32)
CHANCE, EVENT = np.array([[0.25, 0.5, 0.75, 0.125], [1, 0, 0, 1]], np.float32)
# A weight of 0 sets nonzero_mean apart from mean.
CLASS_W, ROW_W = np.array([0.5, 0, 3.5], np.float32), np.array([1.5, 0, 3, 0.75], np.float32)
COLUMN_W = np.broadcast_to(CLASS_W, MULTI_HOT.shape)
# What pos_weight makes of an element of target 1; one of target 0 keeps the weight 1.
POSITIVE_W = np.where(MULTI_HOT == 1, COLUMN_W, 1)

CE, BCE = ("class index", "cross_entropy"), ("binary", "BCEWithLogitsLoss")
# Case, kind of target, name in torch, data, weight of each loss. One-hot probabilities name the same classes as the
# index, so that each row has the weight of one class there too.
TORCH_LOSSES = (
    ("F.cross_entropy(logits, index, weight=w)", *CE, (LOGITS, LABELS), CLASS_W[LABELS]),
    ("F.cross_entropy(logits, probabilities, weight=w)", "probabilities", CE[1], (LOGITS, ONE_HOT), CLASS_W[LABELS]),
    ("F.nll_loss(log_p, index, weight=w)", "class index", "nll_loss", (LOG_P, LABELS), CLASS_W[LABELS]),
    ("F.binary_cross_entropy(p, target, weight=w)", "binary", "binary_cross_entropy", (CHANCE, EVENT), ROW_W),
    ("nn.BCEWithLogitsLoss(weight=w)(logits, target)", *BCE, (LOGITS, MULTI_HOT), COLUMN_W),
    ("nn.BCEWithLogitsLoss(pos_weight=w)(logits, target)", *BCE, (LOGITS, MULTI_HOT), POSITIVE_W),
    ("F.mse_loss(prediction, target, weight=w)", "regression", "mse_loss", (GUESS, TRUTH), ROW_W),
    ("F.l1_loss(prediction, target, weight=w)", "regression", "l1_loss", (GUESS, TRUTH), ROW_W),
    ("F.huber_loss(prediction, target, weight=w)", "regression", "huber_loss", (GUESS, TRUTH), ROW_W),
)


def _candidates(losses: ArrayLike, weights: ArrayLike) -> dict[str, float]:
    return {reduction: reduce_losses(losses, weights, reduction) for reduction in REDUCTIONS}


def _divided(value: float, losses: ArrayLike, weights: ArrayLike) -> Result:
    said = ", ".join(f"{name} {number:.4g}" for name, number in _candidates(losses, weights).items())
    return denominator(value, losses, weights), f"the value is {value:.4g}; candidates: {said}"


def torch_rows() -> Iterator[Row]:
    """Each of torch's weighted losses."""
    return attempt((case, target, partial(_torch_denominator, case, *how)) for case, target, *how in TORCH_LOSSES)


def _torch_denominator(case: str, name: str, data: Sequence[np.ndarray], weights: np.ndarray) -> Result:
    argument = "pos_weight" if "pos_weight" in case else "weight"
    given = import_torch().tensor(ROW_W if weights is ROW_W else CLASS_W)
    losses = torch_loss(name, data, reduction="none").cpu()
    return _divided(torch_loss(name, data, **{argument: given}).item(), losses, weights)


def torch_loss(name: str, data: Sequence[np.ndarray], **arguments):
    """One of torch's losses on the data, as tensors."""
    torch = import_torch()
    tensors = map(torch.tensor, data)
    if hasattr(torch.nn, name):
        return getattr(torch.nn, name)(**arguments)(*tensors)
    return getattr(torch.nn.functional, name)(*tensors, **arguments)


def keras_rows() -> Iterator[Row]:
    """Each of Keras' reductions, its mean and its weighted metrics."""
    name = "MeanSquaredError(reduction={!r})(y, p, sample_weight=w)"
    reductions = ("sum", "sum_over_batch_size", "mean_with_sample_weight")
    losses = [(name.format(reduction), "regression", partial(_keras_loss, reduction)) for reduction in reductions]
    mean = ("metrics.Mean()(values, sample_weight=w)", "values", _keras_mean)
    return attempt([*losses, mean, ("compile(weighted_metrics=[...])", "regression", _keras_weighted_metric)])


def _keras_loss(reduction: str) -> Result:
    # A Keras loss takes the mean over the last axis: one column leaves one loss per row.
    loss = import_keras().losses.MeanSquaredError(reduction=reduction)(
        TRUTH[:, None], GUESS[:, None], sample_weight=ROW_W
    )
    return _divided(float(loss), (TRUTH - GUESS) ** 2, ROW_W)


def _keras_mean() -> Result:
    return _divided(float(import_keras().metrics.Mean()(GUESS, sample_weight=ROW_W)), GUESS, ROW_W)


def _keras_weighted_metric() -> Result:
    value = evaluate(effect_model(), sample_weight=ROW_W)["weighted"]
    return _divided(float(value), abs(START[TRAIN, 0] - ALL_Y[TRAIN]), ROW_W)
