"""What two ranks are dealt by the samplers of the chapter *Weight or sample?*, and what a model learns from their rows.

    python -m torch.distributed.run --standalone --nproc-per-node=2 sampled_ranks.py

Rank 0 prints one line of JSON: form -> the rows of each rank, in their order, and the probability that was learned.
"""

from __future__ import annotations

import ast
import faulthandler
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, Sampler, TensorDataset, WeightedRandomSampler

from helpers import weights

CHAPTER = Path(__file__).parents[1] / "book" / "sampling.ipynb"
N, RARE, BATCH, SEED, RATE = 2000, 100, 32, 0, 1.0
LIMIT = timedelta(seconds=40)  # that a rank waits for the other
Y = torch.tensor(np.random.default_rng(SEED).permutation(np.arange(N) < RARE)).float()
ROW_WEIGHTS = torch.tensor(list(weights.balanced_class_weights(Y.long().numpy()).values()))[Y.long()]


def from_chapter(name: str) -> type:
    """The class of this name, as the chapter defines it."""
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                names = {"SEED": SEED, "Sampler": Sampler, "torch": torch}
                exec(compile(ast.Module([statement], []), name, "exec"), names)
                return names[name]
    raise LookupError(f"{CHAPTER.name} defines no class {name}: name the one that it shows now.")


def seeded() -> WeightedRandomSampler:
    """The stock sampler; every rank has the same seed."""
    return WeightedRandomSampler(ROW_WEIGHTS, N, generator=torch.Generator().manual_seed(SEED))


def samplers(rank: int, ranks: int) -> dict[str, Sampler]:
    """Form -> the sampler of this rank. `DistributedSampler` asks the group for the rank by itself."""
    return {
        "stock sampler, same seed": seeded(),
        "wrapped in DistributedSampler": DistributedSampler(from_chapter("Wrapped")(seeded())),
        "the form above, PyTorch": from_chapter("DistributedWeightedSampler")(ROW_WEIGHTS, N, ranks, rank),
    }


def epoch(sampler: Sampler) -> tuple[list[int], float]:
    """Train a bias from the base rate for one epoch: the rows of this rank, and the probability that it ends with."""
    linear = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.constant_(linear.bias, np.log(RARE / (N - RARE)))
    model, rows = DistributedDataParallel(linear), []
    sgd = torch.optim.SGD(model.parameters(), lr=RATE)
    for i, y in DataLoader(TensorDataset(torch.arange(N), Y), batch_size=BATCH, sampler=sampler):
        rows += i.tolist()
        sgd.zero_grad()
        binary_cross_entropy_with_logits(model(torch.zeros(len(y), 1))[:, 0], y).backward()
        sgd.step()
    return rows, torch.sigmoid(linear.bias).item()


def watch() -> None:
    """A rank that stands still too long says where, and ends, as in `ddp_weights.py`. Each form sets it anew."""
    faulthandler.dump_traceback_later(2 * LIMIT.total_seconds(), exit=True)


def main() -> None:
    watch()
    distributed.init_process_group("gloo", timeout=LIMIT)
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    found = {}
    for name, sampler in samplers(rank, ranks).items():
        watch()
        rows, learned = epoch(sampler)
        of_ranks = [None] * ranks
        distributed.all_gather_object(of_ranks, rows)
        found[name] = {"rows": of_ranks, "learned": learned}
    if rank == 0:
        print(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
