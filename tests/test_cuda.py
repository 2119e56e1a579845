"""What differs on a GPU: devices, generators, copies. `make test GPU=1` runs this file, and nothing else does.

It imports torch alone: once TensorFlow is loaded, torch may no longer find the GPU.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.pytorch import History, fit, get_weights, predict, reduce_losses, set_weights, step_denominator
from helpers.reductions import REDUCTIONS
from helpers.reductions import reduce_losses as reference

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
