"""Tests of the experiments on the installed frameworks: a framework that behaves otherwise must give other rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import helpers.keras
from helpers.reductions import REDUCTIONS, reduce_losses
from helpers.semantics import KEYS, SECTIONS, denominator, inputs, main, observe, probe, render, stored
from helpers.semantics.effects import ALL_WEIGHTS, ALL_Y, START, _fit, _fit_split, effect_model

ROOT = Path(__file__).parents[1]
CASES = (
    "class_weight",
    "sample_weight",
    "validation_weights",
    "validation_split+sample_weight",
    "evaluate+sample_weight",
    "train_on_batch+sample_weight",
    "custom_train_step+sample_weight",
)
TARGETS = ("gradient", "loss", "metrics", "weighted_metrics", "val_loss", "val_metrics", "val_weighted_metrics")
TRAINING = {"gradient", "loss", "weighted_metrics"}
VALIDATION = {"val_loss", "val_weighted_metrics"}
CHANGED = dict(
    zip(
        CASES,
        (TRAINING, TRAINING, VALIDATION, TRAINING | VALIDATION, TRAINING - {"gradient"}, TRAINING, set()),
        strict=True,
    )
)
FORMS = ("numpy", "tf.data", "PyDataset", "generator", "torch DataLoader")
CLASS_KINDS = (
    "string keys",
    "a missing class",
    "an unknown class",
    "a list",
    "negative",
    "NaN",
    "all zero",
    "labels 1..K",
    "one-hot",
    "multi-hot",
    "sequences (N, T)",
    "regression targets",
)
ROW_KINDS = ("a list", "negative", "NaN", "all zero", "sequences (N, T)", "wrong length", "(n,) against (n, 1)")
A, R, S = "accepted", "refused", "silently other"


def key(row):
    return row["section"], row["framework"], row["case"], row["target"]


def by_key(rows):
    return {key(row): row for row in rows}


def run_cli(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "helpers.semantics", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def process():
    """The command, on the backend of this process."""
    return run_cli("--format", "json", KERAS_BACKEND=keras.backend.backend())


@pytest.fixture(scope="module")
def baseline(process):
    """The frameworks as they are. From another process, so that all comparisons also say that runs agree."""
    return json.loads(process.stdout)


@pytest.fixture
def flipped(baseline):
    """Which rows differ from those of the frameworks as they are, and what was observed instead."""

    def compare(*sections, only=None):
        before = by_key(baseline)
        return {
            key(row): row["observed"]
            for row in observe(sections, only)
            if row["observed"] != before[key(row)]["observed"]
        }

    return compare


def effects(case, targets, observed):
    return {("effects", "keras", case, target): observed for target in targets}


# The rows of the frameworks as they are.


def test_rows_have_the_promised_keys_and_are_strings(baseline):
    assert all(tuple(row) == KEYS for row in baseline)
    assert {type(value) for row in baseline for value in row.values()} == {str}


def test_no_row_comes_twice_and_none_is_missing(baseline):
    assert max(Counter(map(key, baseline)).values()) == 1
    counts = Counter((row["section"], row["framework"]) for row in baseline)
    kinds = len(CLASS_KINDS) + len(ROW_KINDS)
    assert counts == {
        ("effects", "keras"): 49,
        ("denominators", "torch"): 9,
        ("denominators", "keras"): 5,
        ("inputs", "keras"): 15,
        **{("bad_inputs", framework): kinds for framework in ("keras", "torch", "helpers")},
        ("shapes", "keras"): 80,
        ("shapes", "torch"): 14,
        ("masks", "keras"): 24,
        ("masks", "torch"): 24,
        ("outputs", "keras"): 33,
        ("outputs", "torch"): 10,
        ("precision", "keras"): 10,
        ("precision", "torch"): 48,
    }


def test_rows_name_the_versions_and_the_backend(baseline):
    named = {(row["framework"], row["version"], row["backend"]) for row in baseline}
    assert named == {
        ("keras", keras.__version__, keras.backend.backend()),
        ("torch", torch.__version__, ""),
        ("helpers", helpers.__version__, ""),
    }


def test_effects_of_the_pinned_keras(baseline):
    rows = [row for row in baseline if row["section"] == "effects"]
    assert [(row["case"], row["target"]) for row in rows] == [(case, target) for case in CASES for target in TARGETS]
    assert {(row["case"], row["target"]) for row in rows if row["observed"] == "yes"} == {
        (case, target) for case, targets in CHANGED.items() for target in targets
    }
    assert {row["observed"] for row in rows} == {"yes", "no"}


def test_details_of_effects_tell_what_the_matrix_cannot(baseline):
    details = {key(row)[2:]: row["detail"] for row in baseline if row["section"] == "effects"}
    assert details["evaluate+sample_weight", "val_loss"] == "this call returns no val_loss"
    assert details["evaluate+sample_weight", "gradient"] == "this call takes no step"
    for target in TARGETS:
        aware = "yes" if target in TRAINING else "no"
        custom = details["custom_train_step+sample_weight", target]
        assert f"If train_step uses the weights: {aware}." in custom
        assert "`x, y = data`: ValueError: too many values to unpack" in custom
        assert "With sample_weight as well: ValueError" in details["class_weight", target]


def test_denominators_of_the_pinned_frameworks(baseline):
    observed = {row["case"]: row["observed"] for row in baseline if row["section"] == "denominators"}
    assert observed == {
        "F.cross_entropy(logits, index, weight=w)": "weighted_mean",
        "F.cross_entropy(logits, probabilities, weight=w)": "mean",
        "F.nll_loss(log_p, index, weight=w)": "weighted_mean",
        "F.binary_cross_entropy(p, target, weight=w)": "mean",
        "nn.BCEWithLogitsLoss(weight=w)(logits, target)": "mean",
        "nn.BCEWithLogitsLoss(pos_weight=w)(logits, target)": "mean",
        "F.mse_loss(prediction, target, weight=w)": "weighted_mean",
        "F.l1_loss(prediction, target, weight=w)": "weighted_mean",
        "F.huber_loss(prediction, target, weight=w)": "mean",
        "MeanSquaredError(reduction='sum')(y, p, sample_weight=w)": "sum",
        "MeanSquaredError(reduction='sum_over_batch_size')(y, p, sample_weight=w)": "mean",
        "MeanSquaredError(reduction='mean_with_sample_weight')(y, p, sample_weight=w)": "weighted_mean",
        "metrics.Mean()(values, sample_weight=w)": "weighted_mean",
        "compile(weighted_metrics=[...])": "weighted_mean",
    }


def test_inputs_of_the_pinned_keras(baseline):
    observed = {key(row)[2:]: row["observed"] for row in baseline if row["section"] == "inputs"}
    assert [[observed[form, t] for t in ("class_weight", "sample_weight", "third element")] for form in FORMS] == [
        [A, A, R],
        [A, R, A],
        [A, R, A],
        [R, R, A],
        [R, R, A],
    ]


@pytest.mark.parametrize(
    ("framework", "classes", "rows"),
    [
        ("keras", [S, S, A, R, A, S, A, S, A, S, S, S], [R, A, S, A, S, R, A]),
        ("torch", [R, R, R, R, A, S, S, R, A, A, A, R], [R, A, S, A, S, R, S]),
        ("helpers", [R, R, A, R, R, R, A, R, R, R, R, R], [A, R, R, A, A, R, A]),
    ],
)
def test_bad_inputs_of_the_pinned_frameworks(baseline, framework, classes, rows):
    observed = {key(row)[2:]: row["observed"] for row in baseline if key(row)[:2] == ("bad_inputs", framework)}
    wanted = {(kind, "class_weight"): result for kind, result in zip(CLASS_KINDS, classes, strict=True)}
    wanted |= {(kind, "sample_weight"): result for kind, result in zip(ROW_KINDS, rows, strict=True)}
    assert observed == wanted


@pytest.mark.parametrize(
    ("framework", "case", "target", "said"),
    [
        ("keras", "a missing class", "class_weight", "rows of class 2, 0, 1, 2 have the weights 1, 0.5, 2.5, 1"),
        ("keras", "labels 1..K", "class_weight", "class 3, 1, 2, 3 have the weights 1, 2.5, 3.5, 1, meant were 3.5,"),
        ("keras", "multi-hot", "class_weight", "0.5, 2.5, 0.5, 3.5, meant were 0.5, 2.5, 3.5 along each row"),
        ("keras", "NaN", "sample_weight", "the loss is nan"),
        ("keras", "sequences (N, T)", "sample_weight", "the weights 1.5, 0.25, 3, 0.75 along each row"),
        ("torch", "all zero", "class_weight", "0, 0, 0, 0; the loss is nan"),
        (
            "torch",
            "(n,) against (n, 1)",
            "sample_weight",
            "losses (4, 1), weights (4,): silently other, rows have the w",
        ),
        ("helpers", "labels 1..K", "class_weight", "row 0 has the label 3, which has no weight"),
    ],
)
def test_details_of_bad_inputs_give_the_measured_effect(baseline, framework, case, target, said):
    assert said in by_key(baseline)["bad_inputs", framework, case, target]["detail"]


def test_details_hold_one_short_line_and_nothing_that_differs_between_runs(baseline):
    text = "\n".join(row["detail"] for row in baseline)
    assert text.count("\n") == len(baseline) - 1
    assert not any(mark in text for mark in ("0x", "{{", "/usr", "site-packages", "functional_", "input_layer"))


# The method.


def test_the_gradient_is_that_of_the_weighted_loss():
    model = effect_model()
    _fit(model, sample_weight=probe.ROW_WEIGHTS)
    predicted, true = START[:4, 0], ALL_Y[:4]
    step = START[:, 0] - model.get_weights()[0][:, 0]
    np.testing.assert_allclose(step[:4], 2 * probe.ROW_WEIGHTS * (predicted - true) / 4, rtol=1e-6)
    assert not step[4:].any()


def test_the_probe_reads_each_weight_and_its_loss():
    weights = np.array([0.3, 7.0, 0.0, 1.1], np.float32)
    feed = (inputs.UNIT_ROWS, np.zeros(4))
    found, loss, expected = inputs._keras_run(feed, sample_weight=weights)
    np.testing.assert_allclose(found[:, 0], weights, rtol=1e-5)
    assert loss == pytest.approx(weights @ inputs.OUTPUTS[:, 0]) == pytest.approx(expected)


def test_a_compiled_fit_gives_what_the_eager_one_gives(monkeypatch):
    def run():
        model = effect_model()
        logs = _fit_split(model, sample_weight=ALL_WEIGHTS)
        outcome = inputs._keras_run((inputs.UNIT_ROWS, probe.LABELS), class_weight=probe.CLASS_WEIGHT)
        return model.run_eagerly, logs, [*model.get_weights(), *outcome]

    eager, logs, arrays = run()
    compile_ = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda *args, **kwargs: compile_(*args, **kwargs | {"run_eagerly": False})
    )
    compiled_eagerly, compiled_logs, compiled_arrays = run()
    assert (eager, compiled_eagerly) == (True, False)
    assert compiled_logs == pytest.approx(logs, rel=1e-6)
    for one, other in zip(arrays, compiled_arrays, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_every_denominator_is_told_apart():
    losses, weights = [1.0, 9.0, 25.0], [1.0, 3.0, 0.0]
    values = [reduce_losses(losses, weights, reduction) for reduction in REDUCTIONS]
    assert [denominator(value, losses, weights) for value in values] == list(REDUCTIONS)
    assert denominator(17.5, losses, weights) == "none of these"
    assert denominator(float("nan"), losses, weights) == "none of these"
    assert denominator(values[1] * 1.001, losses, weights) == "none of these"


def test_losses_and_weights_that_prove_nothing_are_refused():
    with pytest.raises(ValueError, match="mean and weighted_mean and nonzero_mean both give 5"):
        denominator(5.0, [1.0, 9.0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one line\nand another"), "ValueError: one line"),
        (KeyError(), "KeyError:"),
        (TypeError("<Thing at 0x7f3a5c> is bad"), "TypeError: <Thing at > is bad"),
        (ValueError("{{function_node __wrapped__Mul_device_/job:localhost/CPU:0}} Incompatible [Op:Mul] name: "),
         "ValueError: Incompatible"),
        (OSError("no file '/home/me/x.npz' there"), "OSError: no file there"),
        (ValueError("Error in MapDataset:29 transformation"), "ValueError: Error in MapDataset transformation"),
        (ValueError("word " * 100), "ValueError: " + "word " * 29 + "..."),
    ],
)  # fmt: skip
def test_messages_are_cut_to_what_is_the_same_everywhere(error, said):
    assert probe.message_of(error) == said


# Patched frameworks: each flips the rows that it should, and no others.


def patch_fit(monkeypatch, change):
    """Let `change(arguments)` edit the keyword arguments of every `fit`; arrays come as `x` and `y`."""
    fit = keras.Model.fit

    def patched(self, x=None, y=None, **arguments):
        arguments = {"x": x, "y": y} | arguments
        change(arguments)
        return fit(self, **arguments)

    monkeypatch.setattr(keras.Model, "fit", patched)


def test_a_keras_whose_metrics_are_weighted(monkeypatch, flipped):
    compile_ = keras.Model.compile

    def patched(self, *args, metrics=(), weighted_metrics=(), **kwargs):
        compile_(self, *args, weighted_metrics=[*metrics, *weighted_metrics], **kwargs)

    monkeypatch.setattr(keras.Model, "compile", patched)
    assert flipped("effects", "denominators", only="keras") == {
        key: "yes"
        for case, targets in CHANGED.items()
        for key in effects(case, [t.replace("weighted_", "") for t in targets if "weighted" in t], "yes")
    }


def test_a_keras_that_ignores_sample_weight(monkeypatch, flipped):
    patch_fit(monkeypatch, lambda arguments: arguments.pop("sample_weight", None))
    wanted = effects("sample_weight", TRAINING, "no")
    wanted |= effects("validation_split+sample_weight", TRAINING | VALIDATION, "no")
    wanted |= {("inputs", "keras", form, "sample_weight"): S for form in FORMS}
    # NaN and sequences were silently other before.
    silent = ["a list", "negative", "all zero", "wrong length", "(n,) against (n, 1)"]
    wanted |= {("bad_inputs", "keras", case, "sample_weight"): S for case in silent}
    assert flipped("effects", "inputs", "bad_inputs", only="keras") == wanted


def test_a_keras_whose_class_weight_reaches_the_validation_data(monkeypatch, flipped):
    def weigh(arguments):
        if arguments.get("class_weight"):
            x, y = arguments["validation_data"]
            weights = np.array([arguments["class_weight"][int(label)] for label in y])
            arguments["validation_data"] = x, y, weights

    patch_fit(monkeypatch, weigh)
    assert flipped("effects") == effects("class_weight", VALIDATION, "yes")


def test_a_keras_whose_validation_data_carries_no_weights(monkeypatch, flipped):
    def drop(arguments):
        if arguments.get("validation_data"):
            arguments["validation_data"] = arguments["validation_data"][:2]

    patch_fit(monkeypatch, drop)
    assert flipped("effects") == effects("validation_weights", VALIDATION, "no")


def test_a_keras_that_takes_both_kinds_of_weights(monkeypatch, baseline):
    def combine(arguments):
        if arguments.get("class_weight") and arguments.get("sample_weight") is not None:
            del arguments["class_weight"]

    patch_fit(monkeypatch, combine)
    before = by_key(baseline)
    changed = [row for row in observe(["effects"]) if row != before[key(row)]]
    assert [key(row)[2:] for row in changed] == [("class_weight", target) for target in TARGETS]
    assert all(row["detail"].endswith("With sample_weight as well: no error") for row in changed)


def test_a_keras_that_refuses_string_keys(monkeypatch, baseline):
    def refuse(arguments):
        for label in arguments.get("class_weight") or ():
            if isinstance(label, str):
                raise TypeError(f"class_weight has the key {label!r}")

    patch_fit(monkeypatch, refuse)
    row_of_keys = ("bad_inputs", "keras", "string keys", "class_weight")
    before = by_key(baseline)
    # Whole rows: the details too are those of another process.
    changed = [row for row in observe(["inputs", "bad_inputs"], "keras") if row != before[key(row)]]
    assert [(key(row), row["observed"]) for row in changed] == [(row_of_keys, R)]


def test_a_keras_whose_generators_swallow_class_weight(monkeypatch, flipped):
    def swallow(arguments):
        if hasattr(arguments["x"], "send"):
            arguments.pop("class_weight", None)

    patch_fit(monkeypatch, swallow)
    assert flipped("inputs") == {("inputs", "keras", "generator", "class_weight"): S}


def test_a_keras_that_reports_another_loss_than_it_descends(monkeypatch, flipped):
    fit = keras.Model.fit

    def patched(self, *args, **kwargs):
        history = fit(self, *args, **kwargs)
        history.history["loss"] = [2 * loss for loss in history.history["loss"]]
        return history

    monkeypatch.setattr(keras.Model, "fit", patched)
    accepted = [("numpy", 0), ("numpy", 1), *((form, 0) for form in FORMS[1:3]), *((form, 2) for form in FORMS[1:])]
    targets = ("class_weight", "sample_weight", "third element")
    assert flipped("inputs") == {("inputs", "keras", form, targets[i]): S for form, i in accepted}


def test_a_keras_whose_evaluate_ignores_the_weights(monkeypatch, flipped):
    evaluate = keras.Model.evaluate

    def patched(self, *args, sample_weight=None, **kwargs):
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "evaluate", patched)
    assert flipped("denominators") == {
        ("denominators", "keras", "compile(weighted_metrics=[...])", "regression"): "none of these"
    }


def test_a_torch_whose_cross_entropy_divides_by_the_number_of_rows(monkeypatch, flipped):
    cross_entropy = F.cross_entropy

    def patched(logits, target, weight=None, reduction="mean"):
        losses = cross_entropy(logits, target, weight=weight, reduction="none")
        return losses if reduction == "none" else losses.mean()

    monkeypatch.setattr(F, "cross_entropy", patched)
    assert flipped("denominators", "bad_inputs", only="torch") == {
        ("denominators", "torch", "F.cross_entropy(logits, index, weight=w)", "class index"): "mean",
        ("bad_inputs", "torch", "all zero", "class_weight"): A,
    }


@pytest.mark.parametrize(("loss", "now"), [("mse_loss", "mean"), ("huber_loss", "weighted_mean"), ("l1_loss", "sum")])
def test_a_torch_whose_regression_loss_divides_otherwise(monkeypatch, flipped, loss, now):
    original = getattr(F, loss)

    def patched(prediction, target, weight=None, reduction="mean"):
        losses = original(prediction, target, reduction="none")
        if weight is None:
            return losses
        return torch.tensor(reduce_losses(losses.numpy(), weight.numpy(), now))

    monkeypatch.setattr(F, loss, patched)
    row = ("denominators", "torch", f"F.{loss}(prediction, target, weight=w)", "regression")
    assert flipped("denominators", only="torch") == {row: now}


def test_a_torch_whose_pos_weight_divides_by_the_weights_that_are_not_zero(monkeypatch, flipped):
    original = F.binary_cross_entropy_with_logits

    def patched(logits, target, weight=None, pos_weight=None, reduction="mean", **kwargs):
        losses = original(logits, target, weight, pos_weight=pos_weight, reduction="none")
        if pos_weight is None or reduction == "none":
            return losses if reduction == "none" else losses.mean()
        return losses.sum() / torch.where(target == 1, pos_weight, 1.0).count_nonzero()

    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", patched)
    row = ("denominators", "torch", "nn.BCEWithLogitsLoss(pos_weight=w)(logits, target)", "binary")
    assert flipped("denominators", "bad_inputs", only="torch") == {row: "nonzero_mean"}


def test_helpers_that_refuse_nothing(monkeypatch):
    monkeypatch.setattr(inputs, "class_to_sample_weights", lambda labels, weights: np.ones(4))
    rows = list(inputs.bad_input_rows(inputs.helpers_by_class, inputs.helpers_by_row))
    assert {(target, observed) for _, target, observed, _ in rows if target == "class_weight"} == {("class_weight", S)}


# What cannot be observed says so.


def broken(*args, **kwargs):
    raise RuntimeError("out of order\nsecond line")


def test_an_experiment_that_fails_is_reported_and_stops_no_other(monkeypatch, flipped):
    monkeypatch.setattr(F, "huber_loss", broken)
    row = ("denominators", "torch", "F.huber_loss(prediction, target, weight=w)", "regression")
    assert flipped("denominators") == {row: "not observed"}


def test_a_form_that_fails_without_weights_is_not_called_a_refusal(monkeypatch, flipped):
    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", broken)
    if keras.backend.backend() == "torch":
        pytest.skip("this backend feeds all data through a DataLoader")
    targets = ("class_weight", "sample_weight", "third element")
    assert flipped("inputs") == {("inputs", "keras", "torch DataLoader", target): "not observed" for target in targets}


def test_a_keras_that_does_not_train_gives_no_observation_at_all(monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", broken)
    rows = observe(["effects", "inputs", "bad_inputs"], "keras")
    observed = {
        row["observed"] for row in rows if row["case"] not in ("evaluate+sample_weight", "train_on_batch+sample_weight")
    }
    assert observed == {"not observed"}
    assert {row["detail"] for row in rows if row["section"] == "effects" and row["case"] == "class_weight"} == {
        "RuntimeError: out of order"
    }


# The function's arguments, and the text.


@pytest.mark.parametrize(("arguments", "given"), [((["effect"],), "effect"), ((SECTIONS, "jax"), "jax")])
def test_unknown_sections_and_frameworks_are_refused(arguments, given):
    with pytest.raises(ValueError, match=f"expected one of .*, got '{given}'"):
        observe(*arguments)


def test_sections_come_in_their_own_order_whatever_was_asked(baseline):
    rows = observe(["bad_inputs", "denominators"], "torch")
    asked = ("bad_inputs", "denominators")
    assert rows == [row for row in baseline if row["framework"] == "torch" and row["section"] in asked]


ROWS = [
    dict(zip(KEYS, ("effects", "keras", "9", "jax", case, target, observed, "a | b"), strict=True))
    for case, target, observed in [("c", "loss", "yes"), ("c", "metrics", "no"), ("d", "loss", "not observed")]
] + [dict(zip(KEYS, ("denominators", "torch", "8", "", "f(w)", "binary", "mean", "a | b"), strict=True))]


def test_json_holds_the_rows_and_nothing_else():
    assert json.loads(render(ROWS, "json")) == ROWS


def test_markdown_has_a_matrix_for_effects_and_a_line_for_each_other_row():
    assert render(ROWS, "markdown").split("\n\n") == [
        "keras 9 on jax, torch 8",
        "**effects**",
        "| case | loss | metrics |\n| --- | --- | --- |\n| c | yes | no |\n| d | not observed |  |",
        "not observed: d, loss: a | b",
        "**denominators**",
        "| framework | case | target | observed | detail |\n| --- | --- | --- | --- | --- |\n"
        "| torch | f(w) | binary | mean | a \\| b |",
    ]


def test_a_table_is_aligned():
    title, heading, matrix, *_ = render(ROWS).split("\n\n")
    assert (title, heading) == ("keras 9 on jax, torch 8", "EFFECTS")
    assert matrix.splitlines() == [
        "case  loss          metrics",
        "----  ------------  -------",
        "c     yes           no",
        "d     not observed",
    ]


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="format must be one of table, markdown, json, got 'csv'"):
        render(ROWS, "csv")


# The command line.


@pytest.mark.parametrize(
    "arguments", [["--format", "csv"], ["--only", "jax"], ["--fast"], ["effects"], ["--compare", "--only", "torch"]]
)
def test_unknown_arguments_end_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert "usage: python -m helpers.semantics" in printed.err


def test_the_command_prints_json_alone(process):
    assert (process.returncode, process.stderr) == (0, "")
    assert isinstance(json.loads(process.stdout), list)


def test_the_other_backend_makes_the_same_observations(baseline):
    (backend,) = {"tensorflow", "torch"} - {keras.backend.backend()}
    process = run_cli("--format", "json", KERAS_BACKEND=backend)
    assert (process.returncode, process.stderr) == (0, "")
    rows = json.loads(process.stdout)
    assert {row["backend"] for row in rows if row["framework"] == "keras"} == {backend}
    assert [(key(row), row["observed"]) for row in rows] == [(key(row), row["observed"]) for row in baseline]


def test_the_stored_answers_of_the_pinned_version_are_those_of_today(baseline):
    [said] = stored.compare(baseline)
    version, backend = keras.__version__, keras.backend.backend()
    assert said.startswith(f"Keras {version} on {backend}, beside the stored answers of Keras {version}: 0 of ")


def test_the_comparison_names_each_difference(baseline):
    rows = [dict(row) for row in baseline]
    row = next(row for row in rows if row["section"] == "inputs" and row["case"] == "PyDataset")
    row["observed"] = "none"
    head, line = stored.compare(rows)
    assert ": 1 of " in head
    assert "inputs | PyDataset | class_weight\n" in line
    assert f"keras {keras.__version__}: none: {row['detail']}" in line


@pytest.mark.parametrize(("version", "other"), [("3.6.1", "3.6.0"), ("2.9.0", "3.0.5"), ("9.0.0", "3.10.0")])
def test_the_nearest_version_is_the_newest_that_is_not_newer(version, other):
    assert stored.nearest(version, ["3.10.0", "3.6.0", "3.0.5"]) == other


def test_spans_are_as_long_as_an_answer_stays():
    runs = {v: {"q": {"observed": o, "detail": v}} for v, o in zip("1234", "aaba", strict=True)}
    del runs["3"]["q"]
    assert stored.spans(runs) == {"q": [("1", "4", "a", "4")]}
    runs["3"]["q"] = {"observed": "b", "detail": ""}
    assert [(first, last, observed) for first, last, observed, _ in stored.spans(runs)["q"]] == [
        ("1", "2", "a"),
        ("3", "3", "b"),
        ("4", "4", "a"),
    ]


def test_without_stored_results_the_comparison_says_where_they_belong(baseline, tmp_path):
    with pytest.raises(FileNotFoundError, match="belong to a checkout of the book"):
        stored.compare(baseline, tmp_path)


def test_a_backend_without_stored_results_is_an_error_that_names_those_with(baseline):
    rows = [row | {"backend": "numpy"} for row in baseline]
    with pytest.raises(ValueError, match=r"nothing is stored for Keras on numpy\. Set KERAS_BACKEND to .*torch"):
        stored.compare(rows)
    with pytest.raises(ValueError, match="no row is"):
        stored.compare([row for row in baseline if row["framework"] == "torch"])


def test_the_command_can_leave_keras_out(baseline):
    code = (
        "import sys; from helpers.semantics import main; status = main(['--only', 'torch', '--format', 'json']);"
        "sys.exit(status or any(name in sys.modules for name in ('keras', 'tensorflow')))"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert (process.returncode, process.stderr) == (0, "")
    assert json.loads(process.stdout) == [row for row in baseline if row["framework"] == "torch"]


def test_the_command_ends_with_status_1_where_keras_cannot_start():
    process = run_cli("--only", "keras", "--format", "json", KERAS_BACKEND="nonsense")
    assert (process.returncode, process.stderr) == (1, "")
    rows = json.loads(process.stdout)
    assert len(rows) == 235
    assert {(row["version"], row["backend"], row["observed"]) for row in rows} == {("", "", "not observed")}
    assert all("nonsense" in row["detail"] for row in rows)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_a_denominator_is_found_whatever_the_size_of_the_losses(size):
    losses, weights = size * np.array([1.0, 9.0, 25.0]), np.array([1.0, 3.0, 0.0])
    for reduction in REDUCTIONS:
        assert denominator(reduce_losses(losses, weights, reduction), losses, weights) == reduction
    assert denominator(size, losses, weights) == "none of these"
