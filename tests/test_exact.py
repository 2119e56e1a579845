"""Tests of `exact_step`: on real ranks, on replicas of Keras, and of what it does beside the gradient."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import exact_ranks as ranks
import numpy as np
import pytest
import torch

from helpers.check import assert_honours_weights, check_step, forked_ranks
from helpers.pytorch import exact_step, reduce_losses
from helpers.reductions import REDUCTIONS

ROOT = Path(__file__).parents[1]
EXACT = 1e-6
X, Y, W = ranks.X, ranks.Y, ranks.W
each_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


@cache
def one_process(deal: str, number: int, reduction: str) -> np.ndarray:
    """The gradient of all rows in one batch, in float64."""
    net, (weights, _) = copy.deepcopy(ranks.NET).double(), ranks.deals(number)[deal]
    losses = ranks.losses_of(net, X.double(), Y.double())
    reduce_losses(losses, weights.double(), reduction).backward()
    return ranks.flat(net)


def relative_error(found: np.ndarray, right: np.ndarray) -> float:
    return np.linalg.norm(found - right) / (np.linalg.norm(right) or 1)


# Ranks and replicas: one group of processes for each number, and all cases in it.


@pytest.mark.parametrize("number", [2, 3])
def test_every_step_on_ranks_has_the_gradient_of_one_process(number):
    cases = ranks.cases(number)
    found = [of_rank.reshape(len(cases), -1) for of_rank in forked_ranks(ranks.gradients, [[]] * number, seconds=120)]
    errors = {
        (rank, *case): relative_error(gradient, one_process(case[1], number, case[3]))
        for rank, gradients in enumerate(found)
        for case, gradient in zip(cases, gradients, strict=True)
    }
    assert len(errors) == number * len(cases) >= 100
    assert {case: error for case, error in errors.items() if not error < EXACT} == {}
    assert max(errors.values()) > 0  # it is not all zeros that are compared


@pytest.fixture(scope="module")
def mirrored():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "tests" / "mirrored_exact.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_every_step_on_replicas_has_the_gradient_of_one_process(mirrored):
    assert len(mirrored["errors"]) == 20
    assert {case: error for case, error in mirrored["errors"].items() if not error < EXACT} == {}


def test_under_fit_the_gradient_of_all_replicas_is_clipped_once_and_the_loss_is_that_of_the_step(mirrored):
    assert mirrored["clipped"] < EXACT
    assert mirrored["loss"] == [pytest.approx(np.log(2), rel=1e-6)]


def test_ranks_that_would_hang_or_train_on_their_own_are_refused():
    def refused(_):
        rank, said = torch.distributed.get_rank(), []
        sharded, w = ranks.wrapped("FSDP2"), [torch.ones(3)] * (1 + rank)
        optimizer = torch.optim.SGD(ranks.NET.parameters(), lr=1.0)
        for model, weights, made in ((sharded, w, None), (ranks.NET, w[:1], optimizer)):
            try:
                with exact_step(model, weights, made):
                    pass
            except ValueError as error:
                said.append(float("have 1 to 2" in str(error)) + 2 * float("averages no gradients" in str(error)))
        return said

    assert [list(said) for said in forked_ranks(refused, [[]] * 2)] == [[1, 2], [1, 2]]


# One process.


def parts_of(count: int, weights: torch.Tensor = W) -> list[tuple[torch.Tensor, ...]]:
    return [(X[rows], Y[rows], weights[rows]) for rows in ranks.micro_batches(np.arange(ranks.ROWS), count)]


def make_step(net, parts, optimizer=None, **how):
    with exact_step(net, [w for *_, w in parts], optimizer, **how) as step:
        for x, y, w in parts:
            step.backward(ranks.losses_of(net, x, y), w)
    return step


@each_reduction
def test_check_step_finds_nothing_and_names_the_denominator(reduction):
    net = copy.deepcopy(ranks.NET)

    def step(micro_batches):
        make_step(net, micro_batches, reduction=reduction)
        return ranks.flat(net)

    assert_honours_weights(check_step(step, X, Y), denominator=reduction)


@each_reduction
def test_the_loss_of_the_step_is_that_of_one_batch(reduction):
    step = make_step(copy.deepcopy(ranks.NET), parts_of(5), reduction=reduction)
    expected = reduce_losses(ranks.losses_of(ranks.NET, X, Y), W, reduction)
    assert float(step.loss) == pytest.approx(expected.item(), rel=1e-6)
    assert step.calls == 5


def test_the_gradient_is_clipped_after_the_division():
    net, limit = copy.deepcopy(ranks.NET), 1e-3
    right = one_process("uneven ranks", 2, "weighted_mean")
    step = make_step(net, parts_of(4), reduction="weighted_mean", max_norm=limit)
    assert float(step.grad_norm) == pytest.approx(np.linalg.norm(right), rel=1e-5)
    assert relative_error(ranks.flat(net), right * limit / np.linalg.norm(right)) < 1e-4  # torch adds 1e-6 to a norm


def test_the_optimizer_makes_one_step_and_forgets_old_gradients():
    net = copy.deepcopy(ranks.NET)
    ranks.losses_of(net, X, Y).sum().backward()  # of before
    make_step(net, parts_of(3), torch.optim.SGD(net.parameters(), lr=1.0))
    moved = torch.cat([(old - new).ravel() for old, new in zip(ranks.NET.parameters(), net.parameters(), strict=True)])
    assert relative_error(moved.detach().double().numpy(), one_process("uneven ranks", 2, "mean")) < 1e-5


def test_a_scaler_is_undone_before_clipping_and_skips_an_infinite_step():
    net, limit = copy.deepcopy(ranks.NET), 1e-3
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    step = make_step(net, parts_of(3), optimizer, max_norm=limit, scaler=scaler)
    assert float(step.grad_norm) == pytest.approx(np.linalg.norm(one_process("uneven ranks", 2, "mean")), rel=1e-5)
    before = [p.detach().clone() for p in net.parameters()]
    spoilt = [(x * np.inf, y, w) for x, y, w in parts_of(2)]
    make_step(net, spoilt, optimizer, scaler=scaler)
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))
    assert scaler.get_scale() == 2.0**9


@pytest.mark.parametrize(
    ("error", "said", "change"),
    [
        (RuntimeError, "announced 3 micro-batches, and backward was called for 2", lambda parts: parts[:2]),
        (RuntimeError, "announced 3 micro-batches, and this is one more", lambda parts: [*parts, parts[0]]),
        (ValueError, r"announced with weights of shape \(20,\), and got \(10,\)", lambda parts: parts[::-1]),
    ],
)
def test_other_micro_batches_than_announced_are_refused(error, said, change):
    parts, optimizer = parts_of(3), torch.optim.SGD(ranks.NET.parameters(), lr=1.0)
    with pytest.raises(error, match=said), exact_step(ranks.NET, [w for *_, w in parts], optimizer) as step:
        for x, y, w in change(parts):
            step.backward(ranks.losses_of(ranks.NET, x, y), w)


def test_what_cannot_be_a_step_is_refused():
    with pytest.raises(ValueError, match="at least one micro-batch"), exact_step(ranks.NET, []):
        pass
    scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(ValueError, match="a scaler unscales"), exact_step(ranks.NET, [W], scaler=scaler):
        pass
    with pytest.raises(ValueError, match="reduction must be one of"), exact_step(ranks.NET, [W], reduction="average"):
        pass


def test_an_error_in_the_block_makes_no_step():
    net = copy.deepcopy(ranks.NET)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    with pytest.raises(ZeroDivisionError), exact_step(net, [W, W], optimizer) as step:
        step.backward(ranks.losses_of(net, X, Y), W)
        raise ZeroDivisionError
    assert all(torch.equal(old, new) for old, new in zip(ranks.NET.parameters(), net.parameters(), strict=True))
