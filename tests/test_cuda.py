"""What differs on a GPU: devices, generators, copies. `make test GPU=1` runs this file, and nothing else does.

It imports torch alone: once TensorFlow is loaded, torch may no longer find the GPU.
"""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, nll_loss, one_hot
from torch.nn.parallel import DistributedDataParallel

from helpers.pytorch import (
    History,
    exact_step,
    fit,
    get_weights,
    predict,
    reduce_losses,
    set_weights,
    step_denominator,
)
from helpers.reductions import REDUCTIONS
from helpers.reductions import reduce_losses as reference
from helpers.semantics import denominators, masks, outputs, precision, shapes
from helpers.semantics.probe import NONE_OF_THESE

GPU = torch.device("cuda")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 4)).astype("float32")
Y = RNG.integers(0, 3, 22)
W = RNG.uniform(0, 3, 22).astype("float32")
W[::5] = 0
LOSSES = RNG.exponential(size=22).astype("float32")
CLASS_WEIGHT = {0: 1.0, 1: 2.5, 2: 0.5}

per_example = partial(cross_entropy, reduction="none")
each_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def net(device: torch.device | str, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)).to(device)


def trained(device: torch.device | str, dropout: float = 0.0, **arguments) -> tuple[list[np.ndarray], History]:
    model = net(device, dropout)
    history = fit(model, X, Y, loss=per_example, **{"epochs": 5, "batch_size": 8} | arguments)
    return get_weights(model), history


def test_there_is_a_gpu():
    assert torch.cuda.is_available(), "`make test GPU=1` needs a GPU of NVIDIA's, and a PyTorch that can use it"


@each_reduction
@pytest.mark.parametrize("where", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("dtype", "rounding"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)],
)
def test_losses_on_the_gpu_take_weights_from_anywhere_and_give_both_gradients(reduction, where, dtype, rounding):
    losses = torch.tensor(LOSSES, device=GPU, dtype=dtype, requires_grad=True)
    weights = torch.tensor(W, device=where, dtype=dtype, requires_grad=True)
    value = reduce_losses(losses, weights, reduction)
    assert (value.device.type, value.dtype) == ("cuda", dtype)
    by_losses, by_weights = torch.autograd.grad(value, [losses, weights])
    assert (by_losses.device.type, by_weights.device.type) == ("cuda", where)
    # On the CPU in float64, where the other tests compare it with the formula.
    twins = [t.detach().cpu().double().requires_grad_() for t in (losses, weights)]
    expected = reduce_losses(*twins, reduction)
    for found, wanted in zip(
        (value, by_losses, by_weights), (expected, *torch.autograd.grad(expected, twins)), strict=True
    ):
        torch.testing.assert_close(found.cpu().double(), wanted, rtol=rounding, atol=rounding)


@each_reduction
def test_a_weight_of_0_hides_a_nan_on_the_gpu(reduction):
    losses = torch.tensor([np.nan, 1.0, 9.0], device=GPU)
    found = reduce_losses(losses, torch.tensor([0.0, 1.0, 3.0], device=GPU), reduction)
    assert found.item() == pytest.approx(reference([0.0, 1.0, 9.0], [0.0, 1.0, 3.0], reduction))


@each_reduction
def test_the_denominator_of_a_step_on_the_gpu(reduction):
    parts = [torch.as_tensor(W[:7], device=GPU), torch.as_tensor(W[7:], device=GPU)]
    assert step_denominator(parts, reduction) == pytest.approx(step_denominator(torch.as_tensor(W), reduction))


@pytest.mark.parametrize(
    "weights", [{"sample_weight": W}, {"class_weight": CLASS_WEIGHT}, {}], ids=["row", "class", ""]
)
def test_fit_does_the_same_on_both_devices(weights):
    # Without shuffling and dropout, whose generators differ between the devices.
    (of_cpu, _), (of_gpu, _) = (trained(device, shuffle=False, **weights) for device in ("cpu", GPU))
    for a, b in zip(of_cpu, of_gpu, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_validation_and_early_stopping_do_the_same_on_both_devices():
    # The validation rows want the opposite, so that their loss soon rises.
    stop = {"validation_data": (X, 2 - Y, W), "patience": 3, "restore_best_weights": True, "epochs": 50}
    (of_cpu, on_cpu), (of_gpu, on_gpu) = (trained(device, shuffle=False, **stop) for device in ("cpu", GPU))
    assert 3 < len(on_cpu.epoch) < 50
    assert (on_gpu.epoch, on_gpu.best_epoch) == (on_cpu.epoch, on_cpu.best_epoch)
    assert on_gpu.history["val_loss"] == pytest.approx(on_cpu.history["val_loss"], rel=1e-4)
    for a, b in zip(of_cpu, of_gpu, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_seed_repeats_a_fit_with_dropout():
    first, second, other = (trained(GPU, dropout=0.5, seed=seed)[0] for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_seed_leaves_the_generators_of_both_devices_alone():
    model = net(GPU, dropout=0.5)
    before = torch.get_rng_state(), torch.cuda.get_rng_state()
    fit(model, X, Y, loss=per_example, seed=1)
    after = torch.get_rng_state(), torch.cuda.get_rng_state()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_predictions_and_weights_come_back_as_arrays():
    model, twin = net(GPU), net("cpu")
    for x in (X, torch.as_tensor(X, device=GPU)):
        np.testing.assert_allclose(predict(model, x, batch_size=5), predict(twin, X), atol=1e-5)
    set_weights(model, [w + 1 for w in get_weights(twin)])
    assert all(p.device.type == "cuda" for p in model.parameters())
    np.testing.assert_array_equal(get_weights(model)[0], get_weights(twin)[0] + 1)


# One step over several micro-batches. Several ranks of NCCL need a GPU each, so here its group has one.


@pytest.fixture
def nccl(tmp_path):
    distributed.init_process_group("nccl", init_method=f"file://{tmp_path}/ranks", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def sharded(model: nn.Module) -> nn.Module:
    return fully_shard(model, mesh=init_device_mesh(GPU.type, (1,)))


def exact(model: nn.Module, optimizer=None, x=X, dtype=None, **how):
    """A step of three micro-batches, of which the last has no rows."""
    parts = [(torch.tensor(a[:9], device=GPU), torch.tensor(a[9:], device=GPU), torch.tensor(a[:0], device=GPU))
             for a in (x, Y, W)]  # fmt: skip
    with exact_step(model, parts[2], optimizer, **how) as step:
        for inputs, labels, weights in zip(*parts, strict=True):
            with torch.autocast(GPU.type, dtype, enabled=dtype is not None):
                losses = per_example(model(inputs), labels)
            step.backward(losses, weights)
    return step


def gradient(model: nn.Module) -> torch.Tensor:
    whole = [p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad for p in model.parameters()]
    return torch.cat([g.ravel() for g in whole]).cpu().double()


def right_gradient(reduction: str) -> torch.Tensor:
    """All rows in one batch, on the CPU in float64."""
    model = net("cpu").double()
    losses = per_example(model(torch.tensor(X).double()), torch.tensor(Y))
    reduce_losses(losses, torch.tensor(W).double(), reduction).backward()
    return gradient(model)


@each_reduction
@pytest.mark.parametrize("wrap", [DistributedDataParallel, sharded])
def test_a_step_on_nccl_has_the_gradient_of_one_batch(nccl, wrap, reduction):
    model = wrap(net(GPU))
    exact(model, reduction=reduction)
    torch.testing.assert_close(gradient(model), right_gradient(reduction), rtol=1e-5, atol=1e-6)
    del model  # before its group


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_step_in_mixed_precision_is_unscaled_and_then_clipped(dtype):
    right = right_gradient("weighted_mean")
    model, scaler = net(GPU), torch.amp.GradScaler(GPU.type, init_scale=2.0**12)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = copy.deepcopy(model.state_dict())
    step = exact(
        model, optimizer, dtype=dtype, reduction="weighted_mean", max_norm=right.norm().item() / 2, scaler=scaler
    )
    assert float(step.grad_norm) == pytest.approx(right.norm().item(), rel=0.03)
    moved = torch.cat([(before[name] - p.detach()).ravel() for name, p in model.named_parameters()]).cpu().double()
    torch.testing.assert_close(moved, right / 2, rtol=0.1, atol=0.01)
    assert scaler.get_scale() == 2.0**12


def test_a_scaler_skips_an_infinite_step_on_the_gpu():
    model, scaler = net(GPU), torch.amp.GradScaler(GPU.type, init_scale=2.0**12)
    before = get_weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    exact(model, optimizer, x=X * np.float32(np.inf), dtype=torch.float16, scaler=scaler)
    for a, b in zip(before, get_weights(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert scaler.get_scale() == 2.0**11


# What the chapters say of a GPU, and what they found on the processor.


@pytest.mark.parametrize("section", [denominators, masks, outputs, precision, shapes])
def test_the_probe_gets_the_same_answers_on_the_gpu(section):
    """Each case and its verdict. Errors have other words, and details other last digits."""

    def answers() -> dict[tuple[str, str], str]:
        return {(case, target): observed for case, target, observed, _ in section.torch_rows()}

    on_cpu = answers()
    with GPU:
        on_gpu = answers()
    if section is denominators:
        # Not the GPU's doing: under any default device `l1_loss` forgets its weights, see "The fine print".
        on_cpu["F.l1_loss(prediction, target, weight=w)", "regression"] = NONE_OF_THESE
    assert on_gpu == on_cpu


def test_weights_must_be_where_the_logits_are_but_for_a_single_number():
    logits, labels = torch.tensor(X[:, :3], device=GPU), torch.tensor(Y, device=GPU)
    near = torch.tensor([1.0, 2.5, 0.5])
    for targets in (labels, one_hot(labels, 3).float()):
        with pytest.raises(RuntimeError, match=r"Expected all tensors to be on the same device, but (got|found)"):
            cross_entropy(logits, targets, weight=near)
    criterion = nn.CrossEntropyLoss(weight=near).to(GPU)  # the weight is a buffer, and goes along
    assert criterion(logits, labels).item() == pytest.approx(cross_entropy(logits.cpu(), labels.cpu(), near).item())
    ones = torch.ones_like(logits)
    number = binary_cross_entropy_with_logits(logits, ones, pos_weight=torch.tensor(4.0))
    twin = binary_cross_entropy_with_logits(logits.cpu(), ones.cpu(), pos_weight=torch.tensor(4.0))
    assert number.item() == pytest.approx(twin.item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_weights_in_float32_what_the_gpu_has_rounded(dtype):
    """The logarithm of the softmax is a half there, unlike on the processor. The weights, and the loss, are not."""
    logits, labels = torch.tensor(X[:, :3], device=GPU), torch.tensor(Y, device=GPU)
    weight = torch.tensor([1.0, 1e5, 0.5], device=GPU)  # float16 does not reach 1e5
    with torch.autocast(GPU.type, dtype):
        half = logits @ torch.eye(3, device=GPU)
        loss, cast = cross_entropy(half, labels, weight=weight), cross_entropy(half.float(), labels, weight=weight)
    assert (half.dtype, loss.dtype) == (dtype, torch.float32)
    rounded = nll_loss(log_softmax(half, dim=1).float(), labels, weight=weight)
    assert loss.item() == pytest.approx(rounded.item(), rel=1e-6)
    in_full = cross_entropy(half.float().cpu(), labels.cpu(), weight.cpu())
    assert cast.item() == pytest.approx(in_full.item(), rel=1e-6)
    assert abs(loss.item() - in_full.item()) > 1e-5 * in_full.item()


def test_class_weights_of_pixels_differ_from_run_to_run_unless_the_pixels_are_rows():
    logits = torch.randn(16, 3, 256, 256, device=GPU)
    labels = torch.randint(0, 3, (16, 256, 256), device=GPU)
    weight = torch.tensor([1.0, 2.5, 0.5], device=GPU)
    rows, classes = logits.movedim(1, -1).reshape(-1, 3), labels.reshape(-1)
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
            cross_entropy(logits, labels, weight=weight)
        losses = cross_entropy(logits, labels, reduction="none")
        by_hand = (losses * weight[labels]).sum() / weight[labels].sum()
        flat = {cross_entropy(rows, classes, weight=weight).item() for _ in range(5)}
    finally:
        torch.use_deterministic_algorithms(False)
    (of_rows,) = flat
    for value in (cross_entropy(logits, labels, weight=weight), by_hand):
        assert value.item() == pytest.approx(of_rows, rel=1e-5)
