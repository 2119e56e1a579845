"""Weighted losses over ranks, replicas and micro-batches: real processes, started as the chapter starts them."""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
import torch

import helpers.keras
import helpers.pytorch
from helpers.reductions import REDUCTIONS
from helpers.reductions import reduce_losses as reference

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "book" / "scripts"
sys.path.insert(0, str(SCRIPTS))

import two_ranks  # noqa: E402

EXACT = 1e-6
CASES = two_ranks.cases()
SORTED = "16 positives"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
WAIT = 8.25  # seconds; an unusual number, by which the processes are known
FRAMEWORKS = {"PyTorch": helpers.pytorch, "Keras": helpers.keras}

each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
each_helper = pytest.mark.parametrize("helper", FRAMEWORKS.values(), ids=FRAMEWORKS)
each_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def launch(*command, limit=200):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)


# A DDP model that outlives its group can hang at the end of the process, in some runs and not in others, once
# `torch._dynamo` is loaded. So the order itself is looked at, in each rank.
OBSERVED = """
import gc, runpy, sys
import torch._dynamo, torch.distributed
from torch.nn.parallel import DistributedDataParallel

destroy = torch.distributed.destroy_process_group

def destroy_process_group():
    alive = sum(type(thing) is DistributedDataParallel for thing in gc.get_objects())
    # One write a line: both ranks share one stderr, and two writes of a rank let the other's text in between them.
    sys.stderr.write(f"models that outlive their group: {alive}\\n")
    destroy()

torch.distributed.destroy_process_group = destroy_process_group
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All runs of this file. They are started together: some of them only wait."""
    ddp, mirrored = [*TORCHRUN, SCRIPTS / "ddp_weights.py"], [SCRIPTS / "mirrored_weights.py"]
    observed = tmp_path_factory.mktemp("observed") / "observed.py"
    observed.write_text(OBSERVED)
    commands = {
        "linger": [*ddp, "--fail", "linger", "--time-limit", WAIT],
        "Keras": mirrored,
        "PyTorch": [*TORCHRUN, observed, SCRIPTS / "ddp_weights.py"],
    }
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(commands, pool.map(lambda command: launch(*command), commands.values()), strict=True))


# What the two engines compute.


@pytest.fixture(scope="module")
def measured(runs):
    """Framework -> case -> form -> reduction -> relative error of the gradient."""
    found = {}
    for framework in FRAMEWORKS:
        run = runs[framework]
        assert run.returncode == 0, run.stderr
        assert len(run.stdout.splitlines()) == 1
        result = json.loads(run.stdout)
        assert (result["framework"], result["ranks"]) == (framework, 2)
        found[framework] = result["errors"]
    return found


@each_framework
@pytest.mark.parametrize("case", CASES)
def test_the_right_form_has_the_gradient_of_one_process(measured, framework, case):
    errors = measured[framework][case]["right"]
    assert set(errors) == set(REDUCTIONS)
    assert max(errors.values()) < EXACT


@pytest.mark.parametrize("case", ["12 positives", SORTED])
@each_framework
def test_the_mean_of_weighted_means_is_wrong_by_the_formula(measured, framework, case):
    weights, (rank_0, rank_1) = CASES[case]
    parts = [np.where(np.isin(np.arange(two_ranks.N), rows), weights, 0) for (rows,) in (rank_0, rank_1)]
    means = [two_ranks.single_process_gradient(w, "weighted_mean") for w in parts]
    right = two_ranks.single_process_gradient(weights, "weighted_mean")
    share = parts[1].sum() / weights.sum()
    expected = np.linalg.norm((0.5 - share) * (means[1] - means[0])) / np.linalg.norm(right)
    assert expected > 0.1
    assert measured[framework][case]["wrong"]["weighted_mean"] == pytest.approx(expected, abs=EXACT)


@each_framework
def test_the_usual_form_is_wrong_where_the_chapter_says_so(measured, framework):
    wrong = {case: forms["wrong"] for case, forms in measured[framework].items()}
    for reduction in ("mean", "nonzero_mean"):
        assert wrong[SORTED][reduction] < EXACT
        assert wrong["sizes 48 and 16"][reduction] > 0.5
    # Torch averages the ranks, Keras adds the replicas.
    assert wrong[SORTED]["sum"] == pytest.approx(0.5 if framework == "PyTorch" else 0, abs=EXACT)
    assert min(wrong["micro-batches"].values()) > 0.3


def test_the_cases_are_what_their_names_say():
    for name, (weights, ranks) in CASES.items():
        rows = np.concatenate([rows for batches in ranks for rows in batches])
        assert sorted(rows) == list(range(two_ranks.N)), name
        assert len(weights) == two_ranks.N
    for k in (8, 16):
        (rank_0,), (rank_1,) = CASES[f"{k} positives"][1]
        assert (len(rank_0), len(rank_1), two_ranks.Y[rank_1].sum()) == (32, 32, k)
    zero, ((rank_0,), (rank_1,)) = CASES["rank 0 weighs nothing"]
    assert zero[rank_0].sum() == 0 < zero[rank_1].sum()
    assert CASES["no weight at all"][0].sum() == 0
    assert [len(batches) for batches in CASES["micro-batches"][1]] == [2, 2]


@each_reduction
@pytest.mark.parametrize("case", [SORTED, "rank 0 weighs nothing", "no weight at all"])
def test_the_closed_form_is_the_gradient_of_the_loss(case, reduction):
    weights, parameters = CASES[case][0], torch.zeros(two_ranks.FEATURES + 1, dtype=torch.float64)
    x = np.column_stack([two_ranks.X, np.ones(two_ranks.N)]).astype("float64")

    def loss(parameters):
        logits = x @ parameters
        return reference(np.logaddexp(0, logits) - two_ranks.Y * logits, weights, reduction)

    steps = 1e-5 * np.eye(len(parameters))
    numerical = [(loss(step) - loss(-step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(two_ranks.single_process_gradient(weights, reduction), numerical, rtol=1e-6, atol=1e-8)


# A rank that hangs. One that dies, or hangs before all is done, is started and looked at by the chapter itself.


def test_a_rank_that_hangs_when_all_is_done_says_where_and_ends(runs):
    # As at the end of a process: no rank waits for it any more, and only its own clock is left.
    run = runs["linger"]
    assert run.returncode != 0
    assert f"Timeout (0:00:{2 * WAIT:.0f}" in run.stderr
    assert re.search(r'File ".*ddp_weights.py", line \d+ in fail\n.*line \d+ in main', run.stderr)


class Watched(Exception):
    """Ends a script where it sets its clock."""


@pytest.mark.parametrize("script", ["ddp_weights", "mirrored_weights", "sampled_ranks"])
def test_a_script_says_where_it_hangs_before_its_launch_is_given_up(monkeypatch, script):
    chapter = (ROOT / "book" / "many_devices.ipynb").read_text(encoding="utf-8")
    [limit] = re.findall(r'"LIMIT = (\d+)', chapter)

    def watch(seconds, exit):
        assert exit
        raise Watched(seconds)

    monkeypatch.setattr(faulthandler, "dump_traceback_later", watch)
    monkeypatch.setattr(sys, "argv", [script])
    with pytest.raises(Watched) as watched:
        import_module(script).main()
    [seconds] = watched.value.args
    # A launch also imports the frameworks, before the clock is set.
    assert 0 < seconds <= int(limit) - 20


def test_the_model_is_let_go_before_its_group(runs):
    assert re.findall("models that outlive their group: (\\d+)", runs["PyTorch"].stderr) == ["0", "0"]


def test_no_process_is_left_behind(runs):
    mine = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert [command for command in mine if str(WAIT) in command] == []


RANK_1 = """
import sys, time, torch.distributed as dist
print("imported", flush=True)
dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=1, world_size=2)
time.sleep(60)
"""


def test_step_denominator_itself_waits_no_longer_than_the_groups_limit(tmp_path):
    meeting = tmp_path / "meeting"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    other = subprocess.Popen([sys.executable, "-c", RANK_1, meeting], **pipes)
    try:
        assert other.stdout.readline() == b"imported\n"  # the limit below also holds for joining the group
        # This process is rank 0. The other one joins the group, and then does nothing.
        limit = timedelta(seconds=3)
        torch.distributed.init_process_group(
            "gloo", timeout=limit, init_method=f"file://{meeting}", rank=0, world_size=2
        )
        with pytest.raises(RuntimeError, match="rank 0 waited for the weights of the other ranks, but not all of them"):
            helpers.pytorch.step_denominator(torch.ones(3))
    finally:
        other.kill()
        other.communicate()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


# The denominator itself, in one process.

W = np.array([1.0, 3.0, 0.0], dtype="float32")
DENOMINATORS = {"sum": 1, "mean": 3, "weighted_mean": 4, "nonzero_mean": 2}


@each_helper
@each_reduction
def test_micro_batches_of_one_process_add_up(helper, reduction):
    expected = DENOMINATORS[reduction]
    assert float(helper.step_denominator(W, reduction)) == expected
    assert float(helper.step_denominator([W[:1], W[1:]], reduction)) == expected
    assert float(helper.step_denominator([W, W[:0]], reduction)) == expected


@each_helper
@each_reduction
def test_the_parts_of_a_step_add_up_to_the_whole(helper, reduction):
    rng = np.random.default_rng(0)
    losses, w = rng.exponential(size=(7, 2)).astype("float32"), rng.uniform(0, 3, (7, 2)).astype("float32")
    w[::3] = 0
    parts = [slice(0, 1), slice(1, 5), slice(5, 7)]
    denominator = helper.step_denominator([w[part] for part in parts], reduction)
    found = sum(
        float(helper.reduce_losses(keras_or_torch(helper, losses[part]), w[part], denominator=denominator))
        for part in parts
    )
    assert found == pytest.approx(reference(losses, w, reduction), rel=1e-6)


def keras_or_torch(helper, values):
    return torch.as_tensor(values) if helper is helpers.pytorch else values


@each_helper
def test_a_step_without_weight_gives_0(helper):
    losses, w = keras_or_torch(helper, np.array([1.0, np.nan], "float32")), np.zeros(2, "float32")
    denominator = helper.step_denominator(w, "weighted_mean")
    assert float(denominator) == 0
    assert float(helper.reduce_losses(losses, w, denominator=denominator)) == 0


@each_helper
def test_without_weights_a_denominator_divides_the_sum(helper):
    losses = keras_or_torch(helper, np.array([1.0, 9.0], "float32"))
    assert float(helper.reduce_losses(losses, denominator=4)) == 2.5


@each_helper
def test_fewer_weights_than_losses_are_refused_beside_a_denominator(helper):
    losses = keras_or_torch(helper, np.ones((3, 5), "float32"))
    for w in (W, W[:, None]):
        with pytest.raises(ValueError, match=r"one weight per loss, shape \(3, 5\), got \(3,"):
            helper.reduce_losses(losses, w, denominator=4.0)
    losses = keras_or_torch(helper, np.ones((3, 1), "float32"))
    assert float(helper.reduce_losses(losses, W, denominator=4.0)) == 1


@each_helper
@pytest.mark.parametrize("denominator", [-1.0, float("nan"), float("inf")])
def test_an_impossible_denominator_is_refused(helper, denominator):
    losses = keras_or_torch(helper, np.ones(3, "float32"))
    with pytest.raises(ValueError, match=f"finite and not negative, got {denominator}"):
        helper.reduce_losses(losses, W, denominator=denominator)


@each_helper
def test_step_denominator_refuses_what_reduce_losses_refuses(helper):
    with pytest.raises(ValueError, match="reduction must be one of"):
        helper.step_denominator(W, "average")
    with pytest.raises(ValueError, match=r"row 1 has -1\.0"):
        helper.step_denominator([W, np.array([1.0, -1.0], "float32")])
    with pytest.raises(ValueError, match="at least one micro-batch"):
        helper.step_denominator([])


def test_an_array_of_weights_is_one_micro_batch_and_not_one_per_row():
    weights = np.ones(200_000, "float32")
    assert helpers.pytorch.step_denominator(weights, "mean") == 200_000
    assert helpers.pytorch.step_denominator([weights, weights[:5]], "weighted_mean") == 200_005


def test_a_group_that_cannot_send_from_this_device_is_not_a_rank_that_hangs(monkeypatch):
    def all_reduce(tensor, group=None):
        raise RuntimeError("No backend type associated with device type cpu")

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    with pytest.raises(RuntimeError, match="the process group has no backend for weights on cpu: move them"):
        helpers.pytorch.step_denominator(torch.ones(3))


class Own(keras.Sequential):
    """A model with the `compute_loss` that the docstring of `step_denominator` shows."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = keras.losses.binary_crossentropy(y, y_pred)
        if sample_weight is None:
            sample_weight = keras.ops.ones_like(losses)
        denominator = helpers.keras.step_denominator(sample_weight, "weighted_mean")
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return helpers.keras.reduce_losses(losses, sample_weight, denominator=denominator) + sum(self.losses) / replicas


@pytest.mark.parametrize("weights", [{}, {"sample_weight": W}], ids=["without weights", "with weights"])
def test_the_compute_loss_of_the_docstring_keeps_l2_and_evaluates(weights):
    assert "sum(self.losses) / replicas" in helpers.keras.step_denominator.__doc__
    l2 = keras.regularizers.L2()
    layer = partial(keras.layers.Dense, 1, "sigmoid", kernel_initializer="ones", kernel_regularizer=l2)
    x, y = np.array([[1.0], [2.0], [3.0]], "float32"), np.array([[1.0], [0.0], [1.0]], "float32")
    values = []
    for kind, reduction in ((Own, None), (keras.Sequential, "mean_with_sample_weight")):
        model = kind([keras.Input((1,)), layer()])
        loss = keras.losses.BinaryCrossentropy(reduction=reduction) if reduction else None
        model.compile("sgd", loss=loss, run_eagerly=True)
        values.append(model.evaluate(x, y, verbose=0, **weights))
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_half_precision_losses_keep_their_type_under_a_large_denominator():
    losses = torch.full((10,), 100.0, dtype=torch.float16)
    found = helpers.pytorch.reduce_losses(losses, denominator=100_000)  # above the largest float16
    assert (found.dtype, found.item()) == (torch.float16, pytest.approx(0.01, rel=1e-3))


@each_reduction
def test_in_a_traced_function_of_keras_the_sizes_may_be_unknown(reduction):
    spec = tf.TensorSpec([None, 1], tf.float32), tf.TensorSpec([None], tf.float32)

    @tf.function(input_signature=spec)
    def reduce(losses, w):
        return helpers.keras.reduce_losses(losses, w, denominator=helpers.keras.step_denominator(w, reduction))

    losses = np.array([[1.0], [9.0], [25.0]], "float32")
    assert float(reduce(losses, W)) == pytest.approx(reference(losses, W, reduction), rel=1e-6)
    assert keras.backend.backend() == "tensorflow"


def test_the_example_of_exact_train_step_runs_and_its_loss_is_the_weighted_mean():
    (example,) = re.findall(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(helpers.keras.exact_train_step))
    names = {}
    exec(compile(textwrap.dedent(example), "example", "exec"), names)
    model, x, y = names["model"], names["x"], names["y"]
    w = np.linspace(0, 3, len(y)).astype("float32")
    losses = keras.losses.binary_crossentropy(y, model(x), from_logits=True)
    found = model.train_on_batch(x, y, sample_weight=w)
    assert float(found) == pytest.approx(reference(losses, w, "weighted_mean"), rel=1e-5)


def test_exact_train_step_refuses_a_step_of_no_micro_batches():
    with pytest.raises(ValueError, match="at least one micro-batch, got tensorflow and 0"):
        helpers.keras.exact_train_step(keras.Sequential(), (W, W), keras.losses.binary_crossentropy, micro_batches=0)
