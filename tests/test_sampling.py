"""Weighted sampling under DDP: the forms of the chapter *Weight or sample?* on two real ranks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "sampled_ranks.py"
FORMS = ("stock sampler, same seed", "wrapped in DistributedSampler", "the form above, PyTorch")
N, RARE = 2000, 100
Y = np.random.default_rng(0).permutation(np.arange(N) < RARE)


@pytest.fixture(scope="module")
def found():
    """Form -> the rows of each rank, and what was learned from them."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def page():
    """Form -> what the chapter prints of it: percent of same rows, draws, and the share of the rare class by rank."""
    cells = json.loads((ROOT / "book" / "sampling.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(line for cell in cells for output in cell.get("outputs", ()) for line in output.get("text", ()))
    line = r"^(.+?) +same rows +(\d+)%, draws (\d+), rare (\S+) and (\S+)$"
    return {name: (int(same), int(draws), [a, b]) for name, same, draws, a, b in re.findall(line, text, re.MULTILINE)}


@pytest.mark.parametrize("form", FORMS)
def test_real_ranks_get_the_rows_that_the_page_says(found, page, form):
    a, b = rows = np.array(found[form]["rows"])
    same, draws, shares = page[form]
    assert round(100 * (a == b).mean()) == same
    assert rows.size == draws
    assert [f"{Y[of_rank].mean():.2f}" for of_rank in rows] == shares


def test_a_wrapped_sampler_learns_the_table_and_the_right_form_what_was_asked_for(found):
    # One half was asked for. 1000 draws have a standard error of 0.02; the last steps of the training add to it.
    learned = {form: found[form]["learned"] for form in FORMS}
    assert learned["wrapped in DistributedSampler"] == pytest.approx(RARE / N, abs=0.03)
    assert learned["the form above, PyTorch"] == pytest.approx(0.5, abs=0.08)


def test_ranks_share_out_the_draws_of_one_list_and_change_it_in_each_epoch():
    sys.path.insert(0, str(SCRIPT.parent))
    import sampled_ranks

    kind = sampled_ranks.from_chapter("DistributedWeightedSampler")
    whole = list(kind(sampled_ranks.ROW_WEIGHTS, N, 1, 0))
    ranks = [kind(sampled_ranks.ROW_WEIGHTS, N, 2, rank) for rank in range(2)]
    assert [list(ranks[0]), list(ranks[1])] == [whole[::2], whole[1::2]]
    assert [len(rank) for rank in ranks] == [N // 2, N // 2]
    ranks[0].set_epoch(1)
    assert list(ranks[0]) != whole[::2]
