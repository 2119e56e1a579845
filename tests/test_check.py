"""Tests of the checks of losses, steps and trainings: each fault is named, and nothing is said of what is right."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import check_cases as cases
import keras
import numpy as np
import pytest
import torch
from check_cases import DENOMINATOR, FAILS, HOLDS, MICRO, NAN, NONE, NOT_OBSERVED, OWN, RANKS, TWO, VALIDATION, ZERO

import helpers.check
from helpers.check import (
    KEYS,
    PROPERTIES,
    CannotBeDriven,
    assert_honours_weights,
    check_loss,
    check_step,
    check_training,
    forked_ranks,
    main,
)
from helpers.check.drive import as_training

ROOT = Path(__file__).parents[1]


def observed(rows):
    return {row["property"]: row["observed"] for row in rows}


def failing(rows):
    return [(row["property"], row["detail"]) for row in rows if row["observed"] == FAILS]


def launcher(on_ranks):
    return forked_ranks if on_ranks else None


# Faults.


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", cases.FAULTY_LOSSES)
def test_a_faulty_loss_is_named(name):
    loss, data, ignored, property, found = cases.FAULTY_LOSSES[name]
    assert observed(check_loss(loss, *data, ignored=ignored))[property] == found


@pytest.mark.parametrize("name", cases.FAULTY_STEPS)
def test_a_faulty_step_is_named(name):
    step, on_ranks, property, found = cases.FAULTY_STEPS[name]
    assert observed(check_step(step, cases.X, cases.Y, launcher=launcher(on_ranks)))[property] == found


@pytest.mark.parametrize("name", cases.FAULTY_TRAININGS)
def test_a_faulty_training_is_named(name):
    train, property, found = cases.FAULTY_TRAININGS[name]
    assert observed(check_training(train, cases.TRAIN_X, cases.TRAIN_Y))[property] == found


# What is right.


@pytest.mark.parametrize("name", cases.RIGHT_LOSSES)
def test_a_right_loss_fails_nothing(name):
    loss, data, ignored, denominator = cases.RIGHT_LOSSES[name]
    rows = check_loss(loss, *data, ignored=ignored)
    assert failing(rows) == []
    found = observed(rows)
    assert found[DENOMINATOR] == cases.KERAS_NAMES.get(denominator, denominator)
    assert [found[property] for property in PROPERTIES[1:5]] == [HOLDS] * 4


@pytest.mark.parametrize("name", cases.RIGHT_STEPS)
def test_a_right_step_fails_nothing(name):
    step, on_ranks, denominator = cases.RIGHT_STEPS[name]
    rows = check_step(step, cases.X, cases.Y, launcher=launcher(on_ranks))
    assert failing(rows) == []
    found = observed(rows)
    assert found[DENOMINATOR] == denominator
    assert [found[property] for property in (*PROPERTIES[1:5], MICRO)] == [HOLDS] * 5
    assert found[RANKS] == (HOLDS if on_ranks else NOT_OBSERVED)


@pytest.mark.parametrize("name", cases.RIGHT_TRAININGS)
def test_a_right_training_fails_nothing(name):
    train, y, denominator = cases.RIGHT_TRAININGS[name]
    rows = check_training(train, cases.TRAIN_X, y)
    assert failing(rows) == []
    found = observed(rows)
    assert found[DENOMINATOR] == (denominator or NONE)
    assert [found[property] for property in (ZERO, TWO, OWN)] == [HOLDS] * 3
    assert found[VALIDATION] == (HOLDS if name == "held-out rows" else NOT_OBSERVED)


# Keras models: their own train_step, fit and test_step are asked.


KERAS_DATA = cases.X.numpy(), cases.Y.numpy()[:, None]


def test_a_compiled_keras_model_is_checked_and_left_as_it_was():
    model = cases.keras_model()
    before, optimizer = model.get_weights(), model.optimizer
    rows = check_step(model, *KERAS_DATA)
    assert failing(rows) == []
    found = observed(rows)
    assert (found[DENOMINATOR], found[VALIDATION], found[MICRO]) == ("mean", HOLDS, NOT_OBSERVED)
    assert model.optimizer is optimizer
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_keras_accumulates_means_of_means():
    assert observed(check_step(cases.keras_model(steps=2), *KERAS_DATA))[MICRO] == FAILS


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the faulty train_step is TensorFlow's")
@pytest.mark.parametrize(("part", "property"), [("train", OWN), ("test", VALIDATION)])
def test_a_keras_model_that_drops_the_weights_is_named(part, property):
    model = cases.keras_model()
    step = getattr(model, f"{part}_step")
    setattr(model, f"{part}_step", lambda data: step(data[:2]))
    assert observed(check_step(model, *KERAS_DATA))[property] == FAILS


def test_a_keras_model_is_trained_from_the_same_weights_each_time():
    train, ones = as_training(cases.keras_model()), np.ones(12, "float32")
    start = train.model.get_weights()[0]
    one, other = (train(*KERAS_DATA, ones)(KERAS_DATA[0]) for _ in range(2))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert abs(train.model.get_weights()[0] - start).max() > 0.001


# Preconditions.


def test_a_step_that_changes_its_model_is_refused():
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(batches):
        (cases.losses(*batches[0][:2], model) * batches[0][2]).mean().backward()
        optimizer.step()
        return cases.gradient(model)

    with pytest.raises(CannotBeDriven, match=r"leave out optimizer\.step"):
        check_step(step, cases.X, cases.Y)


def test_batch_norm_in_training_mode_is_found_and_nothing_is_said_of_weights():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))

    def step(batches):
        return cases.right_step(batches, of=model)

    found = check_step(step, cases.X, cases.Y)
    assert {row["observed"] for row in found} == {NOT_OBSERVED, NONE}
    assert "batch norm" in found[1]["detail"]
    model.eval()
    assert observed(check_step(step, cases.X, cases.Y))[OWN] == HOLDS


def test_dropout_with_a_fixed_seed_is_found():
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(3, 1))

    def step(batches):
        torch.manual_seed(0)
        return cases.right_step(batches, of=model)

    rows = check_step(step, cases.X, cases.Y)
    assert observed(rows)[TWO] == NOT_OBSERVED
    assert "take the seed out" in rows[1]["detail"]


@pytest.mark.parametrize("limit", [1e-5, 0.5])
def test_clipping_by_value_is_found(limit):
    rows = check_step(lambda batches: cases.right_step(batches).clip(-limit, limit), cases.X, cases.Y)
    assert observed(rows)[OWN] == NOT_OBSERVED
    assert "number by number" in rows[1]["detail"]


def test_the_state_of_the_generators_is_as_before():
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(()).item()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    check_training(cases.descend(epochs=2), cases.TRAIN_X, cases.TRAIN_Y)
    assert (np.random.random(), torch.rand(()).item()) == expected  # noqa: NPY002


def test_a_weight_decay_in_the_loss_is_left_out():
    def step(batches):
        return cases.right_step(batches) + 0.1 * torch.cat([p.detach().ravel() for p in cases.model.parameters()])

    rows = check_step(step, cases.X, cases.Y)
    assert failing(rows) == []
    assert (observed(rows)[DENOMINATOR], observed(rows)[MICRO]) == ("mean", HOLDS)
    twice = check_step(lambda batches: step(batches) * len(batches), cases.X, cases.Y)
    assert observed(twice)[MICRO] == FAILS


# Shapes, types and NaN.


def test_what_a_loss_refuses_or_broadcasts_is_a_row():
    rows = check_loss(lambda o, t, w: (cases.mse(o, t) * w).mean(), *cases.NUMBERS)
    said = {row["property"]: (row["observed"], row["detail"]) for row in rows}
    assert said["weights of float64"][0] == said["weights of bool"][0] == HOLDS
    for name in ("weights of shape (12, 1)", "targets of shape (12, 1)"):
        assert said[name][0] == NOT_OBSERVED
        assert "silently broadcast" in said[name][1]
    refusing = {row["property"]: row["detail"] for row in check_loss(torch.nn.functional.mse_loss, *cases.COLUMNS)}
    assert refusing["weights of shape (12,)"].startswith("refused: ValueError")


def test_whole_weights_that_are_taken_otherwise_are_named():
    def loss(o, t, w):
        return (cases.mse(o, t) * (w if w.is_floating_point() else w * 0 + 1)).mean()

    found = observed(check_loss(loss, *cases.NUMBERS))
    assert (found["weights of int64"], found["weights of float64"]) == (FAILS, HOLDS)


def test_a_nan_at_weight_0_is_hidden_by_a_mask_and_by_no_product():
    right = cases.RIGHT_LOSSES["helpers.pytorch: mean"][0]
    assert observed(check_loss(right, *cases.NUMBERS))[NAN] == HOLDS
    plain = {row["property"]: row for row in check_loss(cases.mse_times_w, *cases.NUMBERS)}[NAN]
    assert plain["observed"] == NOT_OBSERVED
    assert "0 x NaN is NaN" in plain["detail"]


# What cannot be driven.


class Trainer:
    """As HF's, from whose module it pretends to come."""

    training_step = None


Trainer.__module__ = "transformers.trainer"


@pytest.mark.parametrize(
    ("check", "thing", "said"),
    [
        (check_loss, Trainer(), "an HF Trainer is no loss.*Use check_step"),
        (check_training, Trainer(), "an HF Trainer is no training.*Use check_step"),
        (check_step, 3, "int is no step"),
        (check_loss, torch.nn.MSELoss(), "MSELoss takes no weights, only input, target. Wrap it"),
        (check_loss, lambda o, t, w: cases.mse(o, t) * w, "one number, got shape \\(12,\\)"),
        (check_loss, lambda o, t, w: cases.mse(o, t).mean().item(), "no gradient"),
        (check_loss, lambda o, t, w: torch.nn.functional.cross_entropy(o, t.long(), w), "refuses this data"),
        (check_loss, lambda o, t, w: undefined, "refuses this data.*NameError"),  # noqa: F821
        (check_step, lambda batches: None, "flat array of numbers, got NoneType"),
        (check_step, lambda batches: 1 / 0, "failed with one batch of 12 rows.*ZeroDivisionError"),
        (check_training, lambda x, y, w: 3, "must return predict"),
        (check_training, lambda x, y, w: lambda x: np.zeros(len(x)), "do not depend on the targets"),
        (check_training, lambda x, y, w: 1 / 0, "ZeroDivisionError"),
        (check_training, torch.nn.Linear(3, 1), "numbers of rows|failed"),
    ],
)
def test_what_cannot_be_driven_says_why(check, thing, said):
    data = cases.NUMBERS if check is check_loss else (cases.X.numpy(), cases.Y.numpy())
    with pytest.raises(CannotBeDriven, match=said):
        check(thing, *data)


def test_estimators_and_models_that_cannot_take_weights_say_so():
    class NoWeights:
        def fit(self, x, y):
            return self

    with pytest.raises(CannotBeDriven, match="fit of NoWeights takes no sample_weight, only x, y"):
        check_training(NoWeights(), cases.X.numpy(), cases.Y.numpy())
    with pytest.raises(CannotBeDriven, match="not compiled"):
        check_step(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), *KERAS_DATA)


def test_data_that_do_not_fit_are_refused():
    for check in (check_loss, check_step, check_training):
        with pytest.raises(CannotBeDriven, match=r"same number of rows, \d or more, got 12 and 11"):
            check(lambda *_: 0, cases.X, cases.Y[:11])


def test_a_rank_that_fails_is_reported():
    def step(batches):
        if torch.distributed.is_initialized():
            raise ValueError("no such rank")
        return cases.right_step(batches)

    rows = {row["property"]: row for row in check_step(step, cases.X, cases.Y, launcher=forked_ranks)}
    assert rows[RANKS]["observed"] == NOT_OBSERVED
    assert "rank 0: ValueError: no such rank" in rows[RANKS]["detail"]


# For pytest, and as a command.


def test_the_assertion_fails_with_the_rows():
    rows = check_step(cases.mean_of_means, cases.X, cases.Y)
    with pytest.raises(AssertionError, match="not honoured: micro-batches of one step\nproperty  "):
        assert_honours_weights(rows)
    assert_honours_weights(rows, denominator="mean", allow=[MICRO])
    with pytest.raises(AssertionError, match="the denominator is mean, expected sum"):
        assert_honours_weights(rows, denominator="sum", allow=[MICRO])
    with pytest.raises(ValueError, match="there is no property 'micro'"):
        assert_honours_weights(rows, allow=["micro"])
    with pytest.raises(AssertionError, match="nothing could be observed"):
        assert_honours_weights([row | {"observed": NOT_OBSERVED} for row in rows])


MODULE = """
import keras
import numpy as np
from sklearn.linear_model import Ridge

def keras_loss():
    return keras.losses.CategoricalCrossentropy()

def loss(outputs, targets, weights):
    return ((outputs - targets) ** 2 * weights).sum() / weights.sum()

def squared(outputs, targets, weights):
    return ((outputs - targets) ** 2 * weights ** 2).mean()

def unweighted(outputs, targets):
    return ((outputs - targets) ** 2).mean()

def step(micro_batches):
    n = sum(len(w) for x, y, w in micro_batches)
    return sum((w * (x @ np.ones(3) - y)) @ x for x, y, w in micro_batches) / n

def means(micro_batches):
    return np.mean([(w * (x @ np.ones(3) - y)) @ x / len(w) for x, y, w in micro_batches], axis=0)

def train(x, y, sample_weight):
    return Ridge().fit(x, y, sample_weight=sample_weight ** 2).predict

def estimator():
    return Ridge()

def data():
    return np.zeros((9, 3)) + np.arange(9)[:, None], np.arange(9.0)
"""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["loss"], 0, "weighted_mean"),
        (["squared"], 1, "fails"),
        (["squared", "--allow", TWO, "--allow", OWN], 0, "fails"),
        (["keras_loss"], 0, "mean"),
        (["unweighted"], 2, "unweighted takes no weights"),
        (["step"], 0, "mean"),
        (["means"], 1, "micro-batches of one step    fails"),
        (["train"], 1, "fails"),
        (["estimator"], 0, "sum"),
        (["train", "--as", "training", "--data", "data"], 1, "fails"),
        (["nothing"], 2, "has no attribute 'nothing'"),
    ],
)
def test_the_command_ends_with_a_status_that_says_what_was_found(
    arguments, status, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_module.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "a_module", raising=False)
    named = [f"a_module:{word}" if word in ("data", arguments[0]) else word for word in arguments]
    assert main(named) == status
    printed = capsys.readouterr()
    assert said in (printed.err if status == 2 else printed.out)


def test_the_command_is_a_program_that_prints_json(tmp_path):
    source = MODULE.replace("from sklearn.linear_model import Ridge", "").replace("import keras", "")
    (tmp_path / "a_module.py").write_text(source)
    process = subprocess.run(
        [sys.executable, "-m", "helpers.check", "a_module:step", "--format", "json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    rows = json.loads(process.stdout)
    assert {tuple(row) for row in rows} == {KEYS}
    assert [row["property"] for row in rows[: len(PROPERTIES)]] == list(PROPERTIES)


@pytest.mark.parametrize("documented", [helpers.check, check_loss, check_step, check_training])
def test_the_examples_of_the_documentation_run(documented, capsys):
    doc = inspect.getdoc(documented)
    block = re.search(r"(?:An example|In a test)::\n\n((?:    .*\n|\n)+)", f"{doc}\n")[1]
    torch.manual_seed(0)
    exec(textwrap.dedent(block), {})
    printed = capsys.readouterr().out
    assert FAILS not in printed
    assert (documented is helpers.check) != ("holds" in printed)
