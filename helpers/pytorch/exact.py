"""One step of an optimiser over several micro-batches and ranks, with the gradient that one batch would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from helpers.pytorch.losses import reduce_losses, step_denominator


@contextmanager
def exact_step(
    model: nn.Module,
    weights: Sequence[Tensor],
    optimizer: torch.optim.Optimizer | None = None,
    *,
    reduction: str = "mean",
    max_norm: float | None = None,
    scaler: GradScaler | None = None,
    group: distributed.ProcessGroup | None = None,
) -> Iterator[Step]:
    """One step of an optimiser over several micro-batches, with the gradient of all its rows in one batch.

    The weights of the whole step give its denominator (`step_denominator`), with one all-reduce over the ranks. Every
    micro-batch is divided by it, gradients travel between ranks in the last one only, and clipping comes after the
    division. At the end of the block the optimiser makes its step::

        import torch
        from torch.nn.functional import mse_loss
        from helpers.pytorch import exact_step

        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.Adam(model.parameters())
        batches = [(torch.randn(n, 3), torch.randn(n, 1), torch.rand(n)) for n in (8, 8, 3)]

        weights = [w for x, y, w in batches]
        with exact_step(model, weights, optimizer, reduction="weighted_mean", max_norm=1.0) as step:
            for x, y, w in batches:
                losses = mse_loss(model(x), y, reduction="none")
                step.backward(losses, w)  # instead of a division, and of loss.backward()

    On several ranks wrap the model in `DistributedDataParallel` or call `fully_shard`, and write the same lines. Every
    rank makes the step, also one whose weights are all 0. A rank without rows gives one empty micro-batch, and calls
    the model on it; if the model takes none, a row of weight 0. With `fully_shard` all ranks need the same number of
    micro-batches, for each forward pass collects the parameters.

    Args:
        model: the model, wrapped if there are several ranks.
        weights: for each micro-batch of this rank its weights, one per loss, in order.
        optimizer: makes its step at the end. None: the gradient is left in the model, for you.
        reduction: one of `helpers.reductions.REDUCTIONS`.
        max_norm: clips the gradient of the step to this norm. None: does not.
        scaler: of mixed precision. It scales each loss, and the gradient is unscaled before it is clipped. Autocast
            stays yours: `with torch.autocast(...)` around the forward pass.
        group: the ranks that share the step. None: all.

    Returns:
        A context manager that gives a `Step`.

    Raises:
        ValueError: no micro-batches, weights that none may be, a model that nobody averages over the ranks, ranks that
            differ in their number of micro-batches under `fully_shard`, or a scaler without an optimiser.
        RuntimeError: the block had another number of `backward` calls than micro-batches, or a rank did not come.
    """
    weights = list(weights)
    if scaler is not None and optimizer is None:
        raise ValueError("a scaler unscales the gradients of an optimizer: give both, or neither.")
    parts = _Parts(model)
    if _ranks(group) > 1:
        parts.refuse_unlike_ranks(len(weights), optimizer is not None, weights, group)
    step = Step(step_denominator(weights, reduction, group=group))
    step._sizes, step._parts, step._scaler = [tuple(w.shape) for w in weights], parts, scaler
    (optimizer or model).zero_grad()
    try:
        step._prepare()
        yield step
    finally:
        parts.exchange(True)
    if step.calls != len(weights):
        raise RuntimeError(
            f"the step announced {len(weights)} micro-batches, and backward was called for {step.calls}. Call it once "
            "for each, in their order, also where all weights are 0."
        )
    if scaler is not None:
        scaler.unscale_(optimizer)
    if max_norm is not None:
        step.grad_norm = clip_grad_norm_(model.parameters(), max_norm)
    if scaler is not None:
        scaler.step(optimizer)
        scaler.update()
    elif optimizer is not None:
        optimizer.step()


@dataclass
class Step:
    """One step of an optimiser, which `exact_step` makes.

    Attributes:
        denominator: what the losses of the whole step are divided by on this rank; it undoes the average over ranks.
        loss: this rank's part of the loss of the step, so far. The mean over the ranks is the loss of the step.
        grad_norm: norm of the step's gradient before it was clipped; None without clipping.
        calls: how many micro-batches there were.
    """

    denominator: float
    loss: Tensor | float = 0.0
    grad_norm: Tensor | None = None
    calls: int = 0
    _sizes: Sequence[tuple[int, ...]] = field(default=(), init=False, repr=False)
    _parts: _Parts | None = field(default=None, init=False, repr=False)
    _scaler: GradScaler | None = field(default=None, init=False, repr=False)

    def _prepare(self) -> None:
        """Before a micro-batch: ranks exchange gradients in the last one only."""
        self._parts.exchange(self.calls >= len(self._sizes) - 1)

    def backward(self, losses: Tensor, weights: Tensor | None = None) -> None:
        """Add the gradient of one micro-batch.

        Args:
            losses: one per row or more, unreduced.
            weights: those that were announced for this micro-batch. None: all 1.

        Raises:
            ValueError: other weights than were announced, or shapes that do not fit.
            RuntimeError: more micro-batches than were announced.
        """
        if self.calls == len(self._sizes):
            raise RuntimeError(f"the step announced {self.calls} micro-batches, and this is one more.")
        announced = self._sizes[self.calls]
        given = tuple(losses.shape) if weights is None else tuple(weights.shape)
        if given != announced:
            raise ValueError(
                f"micro-batch {self.calls} was announced with weights of shape {announced}, and got {given}: its "
                "denominator would be another. Give the micro-batches in the order of their weights."
            )
        loss = reduce_losses(losses, weights, denominator=self.denominator)
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()
        self.loss = self.loss + loss.detach()
        self.calls += 1
        self._prepare()


class _Parts:
    """The parts of a model that exchange gradients: of DistributedDataParallel and of `fully_shard`."""

    def __init__(self, model: nn.Module):
        # By what it can do: to import FSDP takes seconds.
        self.sharded = [m for m in model.modules() if hasattr(m, "set_requires_gradient_sync")]
        self.replicated = [m for m in model.modules() if isinstance(m, DistributedDataParallel)]
        self.waiting = ExitStack()

    def exchange(self, on: bool) -> None:
        """Whether the next backward pass exchanges gradients between the ranks."""
        for part in self.sharded:
            part.set_requires_gradient_sync(on, recurse=False)
        self.waiting.close()
        if not on:
            for part in self.replicated:
                self.waiting.enter_context(part.no_sync())

    def refuse_unlike_ranks(
        self, count: int, steps: bool, weights: Sequence[Tensor], group: distributed.ProcessGroup | None
    ) -> None:
        """Refuse what would hang, or train every rank on its own."""
        if steps and not (self.sharded or self.replicated):
            raise ValueError(
                "there are several ranks, but the model averages no gradients: wrap it in DistributedDataParallel, or "
                "call fully_shard on it. To average them yourself, give no optimizer."
            )
        if self.sharded and weights:
            counts = torch.tensor([count, -count], device=weights[0].device)
            distributed.all_reduce(counts, distributed.ReduceOp.MAX, group=group)
            most, fewest = counts[0].item(), -counts[1].item()
            if most != fewest:
                raise ValueError(
                    f"with fully_shard all ranks need the same number of micro-batches, and have {fewest} to {most}: "
                    "give the others empty ones, and call the model on them."
                )


def _ranks(group: distributed.ProcessGroup | None) -> int:
    return distributed.get_world_size(group) if distributed.is_available() and distributed.is_initialized() else 1
