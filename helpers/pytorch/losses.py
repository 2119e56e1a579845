"""From weighted losses to one number: the four reductions on tensors, and the denominator of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, distributed

from helpers.reductions import check_denominator, check_reduction, fitting_shape
from helpers.weights import check_exact_weight_values, check_weight_values


def reduce_losses(
    losses: Tensor, weights: Tensor | None = None, reduction: str = "mean", *, denominator: float | None = None
) -> Tensor:
    """Reduce weighted losses to one number; differentiable.

    The rules, arguments and errors of `helpers.reductions.reduce_losses`. A weight of 0 adds exactly 0 to the value
    and to the gradient with respect to the losses, even where the loss is NaN or infinite.

    Where these losses are only a part of one step (a micro-batch, a rank's share), their own denominator is the wrong
    one. Then give the step's, from `step_denominator`, and get Σ w l / denominator.

    Args:
        losses: shape (n, ...), one or more per row: your loss with `reduction="none"`.
        weights: the losses' shape, or one per row, (n,) or (n, 1, ...). None: all 1.
        reduction: one of `helpers.reductions.REDUCTIONS`. Not used where a denominator is given.
        denominator: what to divide by; 0, a step without weight, counts as 1. It needs one weight per loss, so for
            several losses in a row: `weights.expand_as(losses)`.

    Returns:
        A tensor of shape (), with the losses' type.

    Raises:
        ValueError: an unknown reduction, shapes that do not fit, a negative, NaN or infinite weight or denominator.
    """
    check_reduction(reduction)
    if denominator is not None:
        weights_shape = None if weights is None else tuple(np.shape(weights))
        denominator = check_denominator(denominator, tuple(losses.shape), weights_shape)
    if not losses.is_floating_point():
        # Weights take the losses' type, and an integer would cut 0.5 down to 0.
        losses = losses.to(torch.get_default_dtype())
    if weights is not None:
        weights = torch.as_tensor(weights, device=losses.device)
        _check_values(weights, torch.promote_types(losses.dtype, torch.float32))
    return reduce_checked(losses, weights, reduction, denominator)


def step_denominator(
    weights: Tensor | np.ndarray | Sequence[Tensor],
    reduction: str = "mean",
    *,
    group: distributed.ProcessGroup | None = None,
) -> float:
    """What to divide the losses of one optimiser step by: over all its micro-batches, and over all R ranks.

    ===============  ============
    reduction        value
    ===============  ============
    `sum`            1 / R
    `mean`           N / R
    `weighted_mean`  Σ w / R
    `nonzero_mean`   #{w ≠ 0} / R
    ===============  ============

    The sums run over the whole step. `DistributedDataParallel` averages the gradients over the ranks; R undoes that,
    and the step has the gradient that one process would have. So on each rank::

        denominator = step_denominator([w for x, y, w in micro_batches], "weighted_mean")
        for x, y, w in micro_batches:
            reduce_losses(loss(model(x), y), w, denominator=denominator).backward()

    Every rank must call it in every step: it waits for the others, as long as the process group's time limit allows.

    Args:
        weights: the weights of this rank's micro-batches, one weight per loss; or one tensor or array of them. A rank
            without rows gives an empty tensor.
        reduction: one of `helpers.reductions.REDUCTIONS`.
        group: the ranks that share the step. None: all of them; one process, R = 1, without torch.distributed.

    Raises:
        ValueError: an unknown reduction, no weights at all, or a negative, NaN or infinite weight.
        RuntimeError: not every rank came within the process group's time limit, or the group cannot send tensors from
            the weights' device.
    """
    check_reduction(reduction)
    batches = [torch.as_tensor(w) for w in ([weights] if isinstance(weights, Tensor | np.ndarray) else weights)]
    if not batches:
        raise ValueError("weights must hold at least one micro-batch. A rank without rows gives an empty tensor.")
    for batch in batches:
        _check_values(batch, torch.float64)  # in which they are added up
    ranks = distributed.get_world_size(group) if distributed.is_available() and distributed.is_initialized() else 1
    if reduction == "sum":
        return 1 / ranks
    own = sum(float(_denominator(batch.detach().cpu().double(), reduction)) for batch in batches)
    total = torch.tensor(own, dtype=torch.float64, device=batches[0].device)
    if ranks > 1:
        try:
            distributed.all_reduce(total, group=group)
        except RuntimeError as error:
            if "No backend type associated with device" in str(error):
                raise RuntimeError(
                    f"the process group has no backend for weights on {total.device}: move them to the device of the "
                    f"group, or make the group with backends for both. PyTorch says: {error}"
                ) from error
            raise RuntimeError(
                f"rank {distributed.get_rank()} waited for the weights of the other ranks, but not all of them came: "
                "one has ended or hangs, or makes another number of steps. Every rank must call step_denominator in "
                f"every step. PyTorch says: {error}"
            ) from error
    return total.item() / ranks


def _check_values(weights: Tensor, dtype: torch.dtype) -> None:
    """Refuse weights that none may be, and those that `dtype` cannot hold.

    While torch traces or transforms a function (`torch.compile`, `torch.func`) there are no values to look at.
    """
    if torch.compiler.is_compiling() or torch._C._functorch.maybe_get_level(weights) != -1:
        return
    weights = weights.detach()
    if weights.dtype == torch.bfloat16:  # which NumPy does not have
        weights = weights.float()
    check = check_exact_weight_values if dtype == torch.float64 else check_weight_values
    check(weights.cpu().numpy())


def reduce_checked(losses: Tensor, weights: Tensor | None, reduction: str, denominator: float | None = None) -> Tensor:
    """`reduce_losses` for weights that were checked before."""
    # Half precision holds no sum of many losses, and no large number of them: add up and divide in float32.
    wide = torch.promote_types(losses.dtype, torch.float32)
    elements = losses.to(wide)
    if weights is None:
        fitting_shape(losses.shape, losses.shape)
        weights = elements.new_ones(()).expand_as(elements)
        total = elements.sum()
    else:
        weights = weights.to(wide).reshape(fitting_shape(tuple(losses.shape), tuple(weights.shape))).expand_as(losses)
        if reduction == "weighted_mean" and denominator is None:
            weights = _at_a_safe_scale(weights)
        # 0 * NaN is NaN: such a loss is masked before the product. Others are not: the gradient with respect to a
        # weight of 0 is its loss.
        hidden = (weights == 0) & ~elements.isfinite()
        total = (elements.masked_fill(hidden, 0.0) * weights).sum()
    if denominator is None:
        denominator = _denominator(weights, reduction)
    # No weight at all: the total is 0, and 0 / 1 is 0.
    if isinstance(denominator, Tensor):
        mean = total / torch.where(denominator == 0, 1, denominator)
    else:
        mean = total / (denominator or 1)
    return mean.to(losses.dtype)


def _denominator(weights: Tensor, reduction: str) -> Tensor | int:
    """What a reduction divides by, for one weight per loss."""
    if reduction == "sum":
        return 1
    if reduction == "mean":
        return weights.numel()
    return weights.sum() if reduction == "weighted_mean" else weights.count_nonzero()


def _at_a_safe_scale(weights: Tensor) -> Tensor:
    """Tiny weights times 1e30, huge ones times 1e-30: a weighted mean stays the same, and its sums stay finite."""
    if not weights.numel():
        return weights
    largest = weights.detach().max()
    tiny, huge = (largest > 0) & (largest < 1e-30), largest > 1e30
    return weights * torch.where(tiny, 1e30, torch.where(huge, 1e-30, 1.0)).to(weights.dtype)
