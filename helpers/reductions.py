"""The four ways in which weighted losses become one number.

Losses l, weights w (broadcast to the losses' shape first), N elements:

===============  ================  =================================================================
name             value             who divides like this
===============  ================  =================================================================
`sum`            Σ w l             Keras `"sum"`
`mean`           Σ w l / N         Keras by default; torch `BCEWithLogitsLoss(weight=)`
`weighted_mean`  Σ w l / Σ w       torch `cross_entropy(weight=)`; Keras `"mean_with_sample_weight"`
`nonzero_mean`   Σ w l / #{w ≠ 0}  `tf.compat.v1.losses` by default
===============  ================  =================================================================

This module is the float64 reference. `helpers.pytorch` and `helpers.keras` have the same function on tensors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.weights import check_exact_weight_values

__all__ = ["REDUCTIONS", "check_denominator", "check_reduction", "fitting_shape", "reduce_losses"]

#: The names of the four reductions.
REDUCTIONS = ("sum", "mean", "weighted_mean", "nonzero_mean")


def reduce_losses(losses: ArrayLike, weights: ArrayLike | None = None, reduction: str = "mean") -> float:
    """Reduce weighted losses to one number, in float64.

    An element of weight 0 adds exactly 0, even where its loss is NaN or infinite. A NaN loss at a weight above 0
    stays NaN. A denominator of 0 gives 0.

    Args:
        losses: shape (n, ...).
        weights: the losses' shape, or one per row, (n,) or (n, 1, ...). None: all 1.
        reduction: one of `REDUCTIONS`.

    Raises:
        ValueError: an unknown reduction, shapes that do not fit, or a negative, NaN or infinite weight.
    """
    check_reduction(reduction)
    losses = np.asarray(losses, dtype=np.float64)
    if weights is None:
        weights = np.ones(losses.shape[:1])
    weights = check_exact_weight_values(weights).astype(np.float64)
    weights = np.broadcast_to(weights.reshape(fitting_shape(losses.shape, weights.shape)), losses.shape)
    # 0 * NaN is NaN: the loss is masked before the product.
    total = (np.where(weights == 0, 0.0, losses) * weights).sum()
    denominator = {
        "sum": 1.0,
        "mean": losses.size,
        "weighted_mean": weights.sum(),
        "nonzero_mean": np.count_nonzero(weights),
    }[reduction]
    return float(total / denominator) if denominator else 0.0


def check_reduction(reduction: str) -> None:
    """Refuse a name that is not one of `REDUCTIONS`.

    Args:
        reduction: the name.

    Raises:
        ValueError: it is none of them.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}.")


def check_denominator(
    denominator: float, losses: tuple[int | None, ...], weights: tuple[int | None, ...] | None
) -> float:
    """Refuse a denominator that was computed beforehand and cannot be right.

    Args:
        denominator: one number.
        losses: shape of the losses, with None for a size that is not known yet.
        weights: shape of the weights, likewise; None without weights.

    Returns:
        The denominator as a Python number.

    Raises:
        ValueError: it is negative, NaN or infinite; or there are fewer weights than losses: then the sum over the
            weights was too small.
    """
    inner, inner_weights = ([size for size in shape[1:] if size != 1] for shape in (losses, weights or losses))
    if len(inner) != len(inner_weights) or not all(map(_may_equal, inner, inner_weights)):
        raise ValueError(
            f"with a denominator give one weight per loss, shape {losses}, got {weights}. Expand the weights to that "
            "shape, here and where the denominator is computed."
        )
    denominator = float(denominator)
    if not 0 <= denominator < np.inf:
        raise ValueError(f"a denominator must be finite and not negative, got {denominator}.")
    return denominator


def fitting_shape(losses: tuple[int | None, ...], weights: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The shape to give the weights, so that they broadcast to the losses by row and never otherwise.

    A one-dimensional weight always means one per row. Without this rule (n,) against (n, 1) makes n × n products,
    and (T,) against (n, T) weights time steps.

    Args:
        losses: shape of the losses. None stands for a size that is not known yet (in a traced function).
        weights: shape of the weights, with None likewise.

    Returns:
        The weights' own shape where it equals the losses', else (n, 1, ...), with -1 for an unknown n.

    Raises:
        ValueError: losses without rows, or a shape that is neither the losses' nor one per row. States both.
    """
    if not losses:
        raise ValueError("losses must have one entry per row, shape (n, ...), got a scalar. Use reduction='none'.")
    if len(weights) == len(losses) and all(_may_equal(*pair) for pair in zip(losses, weights, strict=True)):
        return weights
    if weights and _may_equal(losses[0], weights[0]) and all(size == 1 for size in weights[1:]):
        return (-1 if weights[0] is None else weights[0],) + (1,) * (len(losses) - 1)
    per_row = (losses[0], *[1] * max(1, len(losses) - 1))
    raise ValueError(
        f"weights of shape {weights} do not fit losses of shape {losses}. Expected the losses' shape, or one weight "
        f"per row: ({losses[0]},) or {per_row}."
    )


def _may_equal(a: int | None, b: int | None) -> bool:
    return a is None or b is None or a == b
