"""Gradients of weighted losses on two ranks with DistributedDataParallel: the wrong form, and the right one.

    python -m torch.distributed.run --standalone --nproc-per-node=2 ddp_weights.py

Rank 0 prints one line of JSON: the relative error of each gradient against one process with all rows.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import signal
import time
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
import two_ranks
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel

from helpers import pytorch
from helpers.reductions import REDUCTIONS


def step(model, batches, right: bool) -> None:
    """Leave the gradient of one step, averaged over the ranks, in the model."""
    # Output j is a model of its own, and gets reduction j: four experiments in one pass.
    weights = [w for _, _, w in batches]
    denominators = [pytorch.step_denominator(weights, r) if right else None for r in REDUCTIONS]
    model.zero_grad()
    for number, (x, y, w) in enumerate(batches, 1):
        # Ranks exchange gradients in the last micro-batch only.
        with contextlib.nullcontext() if number == len(batches) else model.no_sync():
            total = 0.0
            for logits, reduction, denominator in zip(model(x).T, REDUCTIONS, denominators, strict=True):
                losses = binary_cross_entropy_with_logits(logits, y, reduction="none")
                loss = pytorch.reduce_losses(losses, w, reduction, denominator=denominator)
                total = total + (loss if right else loss / len(batches))
            total.backward()


def fail(how: str | None) -> None:
    """Let rank 1 end as if killed for its memory, or wait for ever."""
    if how and dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL) if how == "die" else time.sleep(1e6)


def _watch(limit: timedelta) -> None:
    """The last safety net: a rank that stands still too long says where, and ends. Its clock needs no Python.

    Each case sets it anew. A slow start must not use up the time in which the barrier names the missing rank.
    """
    faulthandler.dump_traceback_later(2 * limit.total_seconds(), exit=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = "what rank 1 does after the first case; to linger is to hang when all is done"
    parser.add_argument("--fail", choices=["die", "hang", "linger"], help=what)
    parser.add_argument("--time-limit", type=float, default=40, help="seconds that a rank waits for the other")
    arguments = parser.parse_args()

    limit = timedelta(seconds=arguments.time_limit)
    _watch(limit)
    dist.init_process_group("gloo", timeout=limit)
    if dist.get_world_size() != 2:
        raise SystemExit(f"this script deals its rows to two ranks; it was started with {dist.get_world_size()}.")

    linear = torch.nn.Linear(two_ranks.FEATURES, len(REDUCTIONS))
    for parameter in linear.parameters():
        torch.nn.init.zeros_(parameter)
    model = DistributedDataParallel(linear)
    found = {}
    for number, (name, (weights, ranks)) in enumerate(two_ranks.cases().items()):
        _watch(limit)
        if number == 1 and arguments.fail != "linger":
            fail(arguments.fail)
        # This barrier names the rank that did not come. It exists for gloo alone.
        dist.monitored_barrier(timeout=limit, wait_all_ranks=True)
        data = two_ranks.X, two_ranks.Y, weights
        batches = [[torch.as_tensor(part[rows]) for part in data] for rows in ranks[dist.get_rank()]]
        found[name] = {}
        for form in ("wrong", "right"):
            step(model, batches, right=form == "right")
            gradients = np.vstack([linear.weight.grad.T, linear.bias.grad])
            found[name][form] = two_ranks.errors(gradients, weights)
    if dist.get_rank() == 0:
        print(json.dumps({"framework": "PyTorch", "ranks": dist.get_world_size(), "errors": found}))
    if arguments.fail == "linger":
        fail(arguments.fail)
    # First the model, then the group: a DDP model that outlives its group can hang at the process' end. It joins gloo's
    # thread while it holds Python's lock, and that thread may wait for the lock (torch 2.13.0, `torch._dynamo` loaded).
    del model
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
