"""Several ranks on one machine, for `check_step`."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from helpers.check.measures import flat
from helpers.check.rows import message_of


def forked_ranks(step: Callable[[list], Any], shares: Sequence[list], *, seconds: float = 30.0) -> list[np.ndarray]:
    """Run a step on several ranks of torch.distributed (gloo), one process each. Not on Windows.

    The processes are forked: the step may be any function, with its model in it. It averages the gradients itself, by
    DistributedDataParallel or `all_reduce`, and asks torch.distributed for its rank. A trainer that is made in the step
    finds the variables that `torchrun` sets.

    Args:
        step: `step(micro_batches)`.
        shares: for each rank its list of micro-batches.
        seconds: time limit, for all ranks together.

    Returns:
        What each rank returned, flat.

    Raises:
        RuntimeError: a rank failed or took too long; the message is that of the rank.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "ranks"
        pipes = [context.Pipe(duplex=False) for _ in shares]
        processes = [
            context.Process(target=_rank, args=(step, share, rank, len(shares), store, seconds, pipes[rank][1]))
            for rank, share in enumerate(shares)
        ]
        for process in processes:
            process.start()
        try:
            end = time.monotonic() + seconds
            results = [_receive(pipe, rank, end) for rank, (pipe, _) in enumerate(pipes)]
        finally:
            for process in processes:
                process.join(1)
                process.kill()
    for rank, result in enumerate(results):
        if isinstance(result, str):
            raise RuntimeError(f"rank {rank}: {result}")
    return results


def _receive(pipe: Connection, rank: int, end: float) -> np.ndarray | str:
    if pipe.poll(max(0.0, end - time.monotonic())):
        return pipe.recv()
    raise RuntimeError(f"rank {rank} did not answer in time: it hangs, or waits for another")


def _rank(step: Callable, share: list, rank: int, ranks: int, store: Path, seconds: float, pipe: Connection) -> None:
    torch, distributed = import_module("torch"), import_module("torch.distributed")
    torch.set_num_threads(1)
    # As torchrun sets them: a trainer that is made in the step finds its rank here.
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    if "accelerate.state" in sys.modules:  # the parent's, which knows of no ranks
        for name in ("PartialState", "AcceleratorState", "GradientState"):
            getattr(sys.modules["accelerate.state"], name)._shared_state.clear()
    start = partial(distributed.init_process_group, "gloo", timeout=timedelta(seconds=seconds))
    try:
        start(init_method=f"file://{store}", rank=rank, world_size=ranks)
        pipe.send(flat(step(share)))
        distributed.barrier()
        distributed.destroy_process_group()
    except Exception as error:
        pipe.send(message_of(error))
