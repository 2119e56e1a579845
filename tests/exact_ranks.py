"""What each rank of `test_exact.py` computes: the gradients of many steps, in one group of processes."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import torch
import torch._dynamo  # before the fork: each rank would load it
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import softplus
from torch.nn.parallel import DistributedDataParallel

from helpers.pytorch import exact_step
from helpers.reductions import REDUCTIONS

ROWS, FEATURES = 40, 3
RNG = np.random.default_rng(0)
X = torch.tensor(RNG.normal(size=(ROWS, FEATURES)), dtype=torch.float32)
Y = torch.tensor(RNG.integers(0, 2, ROWS), dtype=torch.float32)
W = torch.tensor(RNG.uniform(0, 3, ROWS), dtype=torch.float32)
W[::7] = 0
NONE = torch.zeros(ROWS)
ENGINES = ("DDP", "FSDP2")

torch.manual_seed(0)
NET = torch.nn.Sequential(torch.nn.Linear(FEATURES, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def losses_of(model, x, y):
    """Binary cross-entropy of each row."""
    logits = model(x)[:, 0]
    return softplus(logits) - y * logits


def deals(ranks: int) -> dict[str, tuple[torch.Tensor, list[np.ndarray]]]:
    """Name -> the weights of all rows, and the rows of each rank."""
    rows = np.arange(ROWS)
    uneven = np.split(rows, [25] if ranks == 2 else [7, 30])
    idle = W.clone()
    idle[uneven[0]] = 0
    return {
        "uneven ranks": (W, uneven),
        "rank 0 has no rows": (W, [rows[:0], *np.array_split(rows, ranks - 1)]),
        "rank 0 weighs nothing": (idle, uneven),
        "no weight at all": (NONE, uneven),
    }


def cases(ranks: int) -> list[tuple[str, str, int, str]]:
    """Engine, deal, number of micro-batches, reduction. FSDP2, and three ranks, get fewer: they send more messages."""
    counts = {("DDP", "uneven ranks"): range(1, 9) if ranks == 2 else (1, 8), ("FSDP2", "uneven ranks"): (1, 8)}
    return [
        (engine, deal, count, reduction)
        for engine, deal, reduction in product(ENGINES, deals(ranks), REDUCTIONS)
        for count in counts.get((engine, deal), (3,))
    ]


def micro_batches(rows: np.ndarray, count: int) -> list[np.ndarray]:
    """Parts of unequal lengths: the first has half of the rows, and some may have none."""
    return [rows[: len(rows) // 2], *np.array_split(rows[len(rows) // 2 :], count - 1)] if count > 1 else [rows]


def flat(model) -> np.ndarray:
    """The gradient, collected from all ranks where it is in shards."""
    whole = [p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad for p in model.parameters()]
    return torch.cat([g.ravel() for g in whole]).double().numpy()


def wrapped(engine: str):
    """A copy of the net, on all ranks."""
    net = copy.deepcopy(NET)
    if engine == "DDP":
        return DistributedDataParallel(net)
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in (net[0], net[2]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)


def gradients(_) -> np.ndarray:
    """The gradient of each case on this rank, one after the other."""
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    models, found = {engine: wrapped(engine) for engine in ENGINES}, []
    for engine, deal, count, reduction in cases(ranks):
        model, (weights, rows) = models[engine], deals(ranks)[deal]
        parts = [(X[part], Y[part], weights[part]) for part in micro_batches(rows[rank], count)]
        with exact_step(model, [w for *_, w in parts], reduction=reduction) as step:
            for x, y, w in parts:
                step.backward(losses_of(model, x, y), w)
        found.append(flat(model))
    return np.array(found)
