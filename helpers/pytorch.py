"""Weighted losses and training in PyTorch: what `model.fit` does, with the weights in sight."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, distributed, nn

from helpers.reductions import check_denominator, check_reduction, fitting_shape
from helpers.weights import check_sample_weights, check_weight_values, class_to_sample_weights

__all__ = [
    "History",
    "KerasRMSprop",
    "fit",
    "get_weights",
    "predict",
    "reduce_losses",
    "set_weights",
    "step_denominator",
]

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class History:
    """What `fit` returns, with the names of `keras.callbacks.History`.

    Attributes:
        history: "loss" and, with validation data, "val_loss": one number per epoch.
        epoch: the epochs that ran, from 0.
        best_epoch: the epoch with the lowest val_loss; None without early stopping.
    """

    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": []})
    epoch: list[int] = field(default_factory=list)
    best_epoch: int | None = None


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop by Keras' rule: v = rho v + (1 - rho) g², then p -= lr g / sqrt(v + eps).

    `torch.optim.RMSprop` has alpha = 0.99 for rho, and adds eps = 1e-8 outside the root. No choice of its arguments
    gives Keras' steps where gradients are small. Use this class to port a Keras experiment, as in
    `fit(..., optimizer=KerasRMSprop)`.

    Args:
        params: the parameters.
        lr: learning rate.
        rho: share of the old average of squares that is kept.
        eps: inside the root.

    Source: `keras.optimizers.RMSprop` with momentum 0, not centred.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 1e-3, rho: float = 0.9, eps: float = 1e-7):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps})

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by one step."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["rho"]).addcmul_(p.grad, p.grad, value=1 - group["rho"])
                p.addcdiv_(p.grad, (v + group["eps"]).sqrt_(), value=-group["lr"])


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
        check_weight_values(weights.detach().cpu().numpy())
    return _reduce(losses, weights, reduction, denominator)


def step_denominator(
    weights: Tensor | Sequence[Tensor], reduction: str = "mean", *, group: distributed.ProcessGroup | None = None
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
        weights: the weights of this rank's micro-batches, one weight per loss; or one tensor of them. A rank without
            rows gives an empty tensor.
        reduction: one of `helpers.reductions.REDUCTIONS`.
        group: the ranks that share the step. None: all of them; one process, R = 1, without torch.distributed.

    Raises:
        ValueError: an unknown reduction, no weights at all, or a negative, NaN or infinite weight.
        RuntimeError: not every rank came within the process group's time limit.
    """
    check_reduction(reduction)
    batches = [weights] if isinstance(weights, Tensor) else [torch.as_tensor(w) for w in weights]
    if not batches:
        raise ValueError("weights must hold at least one micro-batch. A rank without rows gives an empty tensor.")
    for batch in batches:
        check_weight_values(batch.detach().cpu().numpy())
    ranks = distributed.get_world_size(group) if distributed.is_available() and distributed.is_initialized() else 1
    if reduction == "sum":
        return 1 / ranks
    own = sum(float(_denominator(batch.detach().cpu().double(), reduction)) for batch in batches)
    total = torch.tensor(own, dtype=torch.float64, device=batches[0].device)
    if ranks > 1:
        try:
            distributed.all_reduce(total, group=group)
        except RuntimeError as error:
            raise RuntimeError(
                f"rank {distributed.get_rank()} waited for the weights of the other ranks, but not all of them came: "
                "one has ended or hangs, or makes another number of steps. Every rank must call step_denominator in "
                "every step."
            ) from error
    return total.item() / ranks


def fit(
    model: nn.Module,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    sample_weight: Tensor | np.ndarray | None = None,
    class_weight: Mapping[Hashable, float] | None = None,
    reduction: str = "mean",
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = torch.optim.Adam,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int | None = None,
    validation_data: tuple | None = None,
    patience: int | None = None,
    restore_best_weights: bool = False,
    verbose: int = 0,
) -> History:
    """Train a model as Keras' `model.fit` does.

    What is as in Keras: the losses are weighted and reduced per batch; the last batch may be smaller; "loss" and
    "val_loss" are the batches' values, averaged by their number of rows; `class_weight` does not touch the
    validation loss; early stopping needs `patience` epochs without a strictly lower val_loss, and
    `restore_best_weights` then also acts when training was not cut short.

    What differs, and why:

    - There is no `validation_split`. In Keras it takes the LAST rows, before any shuffling, and sorted rows then
      validate on one class. Split the data yourself.
    - A class without a weight is an error. Keras gives it the weight 1.
    - Adam here has eps = 1e-8, in Keras 1e-7. Name the constants where it matters.
    - A new optimiser is made by each call. In Keras only `compile` makes one.

    Args:
        model: maps a batch (b, ...) to outputs. It is trained in place, on its own device.
        x: inputs, shape (n, ...). A NumPy array of float64 is used as float32, as in Keras; a tensor as it is.
        y: targets, shape (n, ...), likewise.
        loss: `loss(outputs, y)` gives one loss per example (or per element), unreduced.
        sample_weight: one weight per row, (n,) or (n, 1), or the losses' shape (n, ...).
        class_weight: a weight for each class in `y`, which then holds one class per row. Not with `sample_weight`.
        reduction: one of `helpers.reductions.REDUCTIONS`, taken per batch.
        optimizer: `optimizer(parameters)` makes the optimiser, for instance `functools.partial(SGD, lr=0.1)`.
        epochs: passes over the rows.
        batch_size: rows per step.
        shuffle: a new order in each epoch.
        seed: fixes the order and the dropout masks; torch's global generator is left as it was. None: use that one.
        validation_data: (x, y) or (x, y, sample_weight).
        patience: stop after so many epochs without a lower val_loss. None: never.
        restore_best_weights: go back to the epoch with the lowest val_loss at the end.
        verbose: 1 shows a progress bar, on a terminal only: a notebook's stored output stays clean.

    Returns:
        The losses of each epoch, under the keys that Keras uses.

    Raises:
        ValueError: numbers of rows that differ, both kinds of weights, weights that are negative, NaN or infinite or
            of another shape, a class without a weight, a loss that is not per example, or early stopping without
            validation data.
    """
    from tqdm import tqdm

    check_reduction(reduction)
    _check_fit_arguments(epochs, batch_size, validation_data, patience, restore_best_weights)
    device = next(model.parameters()).device
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("give class_weight or sample_weight, not both. To combine them, multiply the row weights.")
        sample_weight = class_to_sample_weights(_to_numpy(y), class_weight)
    train = _to_device(x, y, sample_weight, device)
    validation = _to_device(*validation_data, *[None] * (3 - len(validation_data)), device) if validation_data else None

    optimiser = optimizer(model.parameters())
    history, best, best_state, wait = History(), None, None, 0
    with _mode_kept(model), _seeded(seed, device):
        for epoch in tqdm(range(epochs), disable=None if verbose else True, leave=False, unit="epoch"):
            model.train()
            history.history["loss"].append(_train_epoch(model, train, loss, reduction, optimiser, batch_size, shuffle))
            history.epoch.append(epoch)
            if validation is None:
                continue
            val_loss = _evaluate(model, validation, loss, reduction, batch_size)
            history.history.setdefault("val_loss", []).append(val_loss)
            if patience is None:
                continue
            wait += 1
            # The first value is the best so far, whatever it is: as in Keras, no later one is below a NaN.
            if best is None or val_loss < best:
                best, wait, history.best_epoch = val_loss, 0, epoch
                if restore_best_weights:
                    best_state = copy.deepcopy(model.state_dict())
            elif wait >= patience:
                break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


def predict(model: nn.Module, x: Tensor | np.ndarray, batch_size: int = 1024) -> np.ndarray:
    """The model's outputs, in evaluation mode and without gradients.

    Args:
        model: left in the mode in which it came.
        x: inputs, shape (n, ...).
        batch_size: rows at a time; it changes the memory that is used, not the result.

    Returns:
        Array (n, ...).
    """
    device = next(model.parameters()).device
    with _mode_kept(model), torch.inference_mode():
        model.eval()
        outputs = [model(rows.to(device)).cpu() for rows in _to_tensor(x).split(batch_size)]
    return torch.cat(outputs).numpy()


def get_weights(model: nn.Module) -> list[np.ndarray]:
    """All parameters of a stack of linear layers, in the layout of Keras' `model.get_weights()`.

    A linear layer's matrix is (inputs, outputs) in Keras and (outputs, inputs) in torch.

    Args:
        model: its layers with parameters are all linear.

    Returns:
        Matrix and bias of each layer, as copies.
    """
    return [(p.T if p.ndim == 2 else p).detach().cpu().numpy().copy() for p in model.parameters()]


def set_weights(model: nn.Module, weights: Sequence[np.ndarray]) -> None:
    """Give a stack of linear layers the values that Keras' `model.get_weights()` returned.

    Args:
        model: its layers with parameters are all linear. It is changed in place.
        weights: matrix and bias of each layer, in the layout of Keras.

    Raises:
        ValueError: another number of arrays, or an array of another shape.
    """
    shapes = [tuple(w.shape) for w in get_weights(model)]
    given = [np.shape(w) for w in weights]
    if shapes != given:
        raise ValueError(f"the model needs arrays of the shapes {shapes} (Keras layout), got {given}.")
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), weights, strict=True):
            values = _to_tensor(np.asarray(values))
            parameter.copy_(values.T if parameter.ndim == 2 else values)


@contextlib.contextmanager
def _mode_kept(model: nn.Module) -> Iterator[None]:
    """Leave every module in the mode, training or evaluation, in which it came; after an error too."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Seed torch's generators for a while, and put them back. Without a seed nothing happens."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else [], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if on_gpu:
                torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        yield


def _reduce(losses: Tensor, weights: Tensor | None, reduction: str, denominator: float | None = None) -> Tensor:
    """`reduce_losses` for weights that were checked before."""
    if weights is None:
        fitting_shape(losses.shape, losses.shape)
        total, weights = losses.sum(), losses
        # Weights of 1: every mean divides by the number of losses.
        reduction = "sum" if reduction == "sum" else "mean"
    else:
        weights = weights.to(losses.dtype).reshape(fitting_shape(tuple(losses.shape), tuple(weights.shape)))
        weights = weights.expand_as(losses)
        # 0 * NaN is NaN: the loss is masked before the product.
        total = (losses.masked_fill(weights == 0, 0.0) * weights).sum()
    if denominator is None:
        denominator = _denominator(weights, reduction)
    # No weight at all: the total is 0, and 0 / 1 is 0.
    if isinstance(denominator, Tensor):
        return total / torch.where(denominator == 0, 1, denominator)
    return total / (denominator or 1)


def _denominator(weights: Tensor, reduction: str) -> Tensor | int:
    """What a reduction divides by, for one weight per loss."""
    if reduction == "sum":
        return 1
    if reduction == "mean":
        return weights.numel()
    return weights.sum() if reduction == "weighted_mean" else weights.count_nonzero()


def _batch_loss(model: nn.Module, batch: Sequence[Tensor | None], loss: Loss, reduction: str) -> Tensor:
    """The line where weight meets loss."""
    x, y, weights = batch
    outputs = model(x)
    losses = loss(outputs, y)
    if losses.ndim == 0 or len(losses) != len(x):
        raise ValueError(
            f"loss must give one loss per example, {len(x)} of them; it gave shape {tuple(losses.shape)}. "
            "Use reduction='none'."
        )
    if losses.numel() > outputs.numel():
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} and targets of shape {tuple(y.shape)} gave losses of shape "
            f"{tuple(losses.shape)}: they were broadcast against each other. Give both the same shape."
        )
    return _reduce(losses, weights, reduction)


def _train_epoch(model, data, loss, reduction, optimiser, batch_size, shuffle) -> float:
    total = torch.zeros((), device=data[0].device)
    for rows in _batches(len(data[0]), batch_size, shuffle, data[0].device):
        batch = [_take(part, rows) for part in data]
        value = _batch_loss(model, batch, loss, reduction)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        # Stays on the device: reading the number in each step would cost time.
        total.add_(value.detach(), alpha=len(batch[0]))
    return total.item() / len(data[0])


def _evaluate(model, data, loss, reduction, batch_size) -> float:
    total = 0.0
    model.eval()
    with torch.no_grad():
        for rows in _batches(len(data[0]), batch_size, False, data[0].device):
            batch = [_take(part, rows) for part in data]
            total += _batch_loss(model, batch, loss, reduction).item() * len(batch[0])
    return total / len(data[0])


def _batches(n: int, batch_size: int, shuffle: bool, device: torch.device) -> Iterable[Tensor | slice]:
    if shuffle:
        return torch.randperm(n).to(device).split(batch_size)
    return [slice(start, start + batch_size) for start in range(0, n, batch_size)]


def _take(part: Tensor | None, rows: Tensor | slice) -> Tensor | None:
    # index_select is twice as fast as part[rows] on a CPU.
    return part if part is None else part[rows] if isinstance(rows, slice) else part.index_select(0, rows)


def _to_device(x, y, weights, device) -> tuple[Tensor, Tensor, Tensor | None]:
    x, y = _to_tensor(x).to(device), _to_tensor(y).to(device)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must have the same number of rows, at least one; got {len(x)} and {len(y)}.")
    if weights is not None:
        weights = _to_numpy(weights)
        one_per_row = weights.ndim < 2 or weights.shape[1:] == (1,)
        weights = check_sample_weights(weights, len(x)) if one_per_row else check_weight_values(weights)
        if len(weights) != len(x):
            raise ValueError(f"sample_weight must have {len(x)} rows, as x has; got shape {weights.shape}.")
        weights = torch.as_tensor(weights).to(device)
    return x, y, weights


def _to_tensor(values: Tensor | np.ndarray) -> Tensor:
    if isinstance(values, np.ndarray):
        if values.dtype == np.float64:
            values = values.astype(np.float32)
        # A tensor over a read-only array (a memory map in a parallel process) would make torch warn: copy that one.
        if not values.flags.writeable:
            values = values.copy()
    return torch.as_tensor(values)


def _to_numpy(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _check_fit_arguments(epochs, batch_size, validation_data, patience, restore_best_weights) -> None:
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be at least 1, got {epochs} and {batch_size}.")
    if validation_data is not None and len(validation_data) not in (2, 3):
        raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {len(validation_data)} parts.")
    if patience is not None and validation_data is None:
        raise ValueError("early stopping (patience) watches val_loss: give validation_data.")
    if restore_best_weights and patience is None:
        raise ValueError("restore_best_weights needs early stopping: give patience.")
