"""Training: `fit` and `predict`, as Keras' model has them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from helpers.pytorch.losses import reduce_checked
from helpers.pytorch.parameters import to_numpy, to_tensor
from helpers.reductions import check_reduction
from helpers.weights import check_exact_weight_values, check_weight_values, class_to_sample_weights

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
        loss: `loss(outputs, y)` gives one loss per example (or per element), unreduced. Weights inside it
            (`cross_entropy(weight=)`) are not seen by `reduction`: "weighted_mean" then divides by the number of
            rows. Rows that it ignores (`ignore_index`) have the loss 0, and count in every mean: give them the
            weight 0, and take "nonzero_mean".
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
            of another shape, a class without a weight, a loss that is not per example, targets that were broadcast
            against the outputs, outputs that are no tensor, integers where floats are needed, or early stopping
            without validation data.
    """
    from tqdm import tqdm

    check_reduction(reduction)
    _check_fit_arguments(epochs, batch_size, validation_data, patience, restore_best_weights)
    device, dtype = _place(model)
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("give class_weight or sample_weight, not both. To combine them, multiply the row weights.")
        sample_weight = class_to_sample_weights(to_numpy(y), class_weight)
    train = _to_device(x, y, sample_weight, device, dtype)
    validation = None
    if validation_data is not None:
        validation = _to_device(*validation_data, *[None] * (3 - len(validation_data)), device, dtype)

    stepper = optimizer(model.parameters())
    history, best, best_state, wait = History(), None, None, 0
    with _mode_kept(model), _seeded(seed, device):
        for epoch in tqdm(range(epochs), disable=None if verbose else True, leave=False, unit="epoch"):
            model.train()
            history.history["loss"].append(_train_epoch(model, train, loss, reduction, stepper, batch_size, shuffle))
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
    stepper.zero_grad()  # the gradient of the last batch is of no use to the caller
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
    device, _ = _place(model)
    with _mode_kept(model), torch.inference_mode():
        model.eval()
        outputs = [model(rows.to(device)).cpu() for rows in to_tensor(x).split(batch_size)]
    return torch.cat(outputs).numpy()


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a model computes, and in which type: that of its first parameter; without any, torch's defaults."""
    first = next(model.parameters(), torch.empty(0))
    return first.device, first.dtype


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


def _batch_loss(model: nn.Module, batch: Sequence[Tensor | None], loss: Loss, reduction: str) -> Tensor:
    """The line where weight meets loss is the last one."""
    x, y, weights = batch
    with _hint_for_integers(x, "x", "a layer that multiplies needs floats: pass x.astype('float32')"):
        outputs = model(x)
    if not isinstance(outputs, Tensor):
        raise ValueError(f"the model must return one tensor, got {type(outputs).__name__}. Wrap it, and return one.")
    with _hint_for_integers(y, "y", "binary cross-entropy and squared errors need floats: pass y.astype('float32')"):
        losses = loss(outputs, y)
    if losses.ndim == 0 or len(losses) != len(x):
        raise ValueError(
            f"loss must give one loss per example, {len(x)} of them; it gave shape {tuple(losses.shape)}. "
            "Use reduction='none'."
        )
    # Where there is a loss for each output, there must be a target for each.
    if losses.numel() > outputs.numel() or losses.shape == outputs.shape != y.shape:
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} and targets of shape {tuple(y.shape)} gave losses of shape "
            f"{tuple(losses.shape)}: they were broadcast against each other. Give both the same shape."
        )
    return reduce_checked(losses, weights, reduction)


@contextlib.contextmanager
def _hint_for_integers(values: Tensor, name: str, hint: str) -> Iterator[None]:
    """Say what to do where torch refuses integers, in words that name neither."""
    try:
        yield
    except RuntimeError as error:
        if values.is_floating_point():
            raise
        raise ValueError(f"{name} holds {values.dtype}, and {hint}. PyTorch says: {error}") from error


def _train_epoch(model, data, loss, reduction, stepper, batch_size, shuffle) -> float:
    total = torch.zeros((), device=data[0].device)
    for rows in _batches(len(data[0]), batch_size, shuffle, data[0].device):
        batch = [_take(part, rows) for part in data]
        value = _batch_loss(model, batch, loss, reduction)
        stepper.zero_grad()
        value.backward()
        stepper.step()
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


def _to_device(x, y, weights, device, dtype) -> tuple[Tensor, Tensor, Tensor | None]:
    x, y = to_tensor(x).to(device), to_tensor(y).to(device)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must have the same number of rows, at least one; got {len(x)} and {len(y)}.")
    if weights is not None:
        # A model in float64 keeps weights in float64. All others compute in float32, which must be able to hold them.
        check = check_exact_weight_values if dtype == torch.float64 else check_weight_values
        weights = check(to_numpy(weights))
        if (weights.ndim < 2 or weights.shape[1:] == (1,)) and weights.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(f"expected one weight per row, shape ({len(x)},), got shape {weights.shape}.")
        if len(weights) != len(x):
            raise ValueError(f"sample_weight must have {len(x)} rows, as x has; got shape {weights.shape}.")
        weights = torch.as_tensor(weights).to(device)
    return x, y, weights


def _check_fit_arguments(epochs, batch_size, validation_data, patience, restore_best_weights) -> None:
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be at least 1, got {epochs} and {batch_size}.")
    if validation_data is not None and len(validation_data) not in (2, 3):
        raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {len(validation_data)} parts.")
    if patience is not None and validation_data is None:
        raise ValueError("early stopping (patience) watches val_loss: give validation_data.")
    if restore_best_weights and patience is None:
        raise ValueError("restore_best_weights needs early stopping: give patience.")
