"""Tests of the section `outputs`: what the pinned frameworks do, and that others give other rows."""

from __future__ import annotations

import numpy as np
import pytest
from keras.src.trainers import compile_utils
from keras.src.trainers.data_adapters import array_data_adapter

from helpers.semantics import observe, outputs
from helpers.semantics.outputs import CLASSES, DICTS, LISTS, LOSS_WEIGHTS, NAMED, SAMPLE_WEIGHT

A, R, S = "accepted", "refused", "silently other"


def table(rows):
    return {(row["case"], row["target"]): row["observed"] for row in rows}


@pytest.fixture(scope="module")
def keras_rows():
    return observe(["outputs"], "keras")


# For each form of the model: a list, a dict, one array (n,).
FORMS = {
    LOSS_WEIGHTS: {LISTS: [A, S], NAMED: [A, A], DICTS: [S, A]},
    SAMPLE_WEIGHT: {LISTS: [A, R, A], NAMED: [A, R, A], DICTS: [R, A, A]},
}
OTHERS = {
    (f"{LISTS}: dict of other names", LOSS_WEIGHTS): S,
    (f"{NAMED}: dict, a name too few", LOSS_WEIGHTS): R,
    (f"{NAMED}: dict, a name too many", LOSS_WEIGHTS): S,
    (f"{LISTS}: list, too short", LOSS_WEIGHTS): R,
    (f"{LISTS}: list, too long", LOSS_WEIGHTS): R,
    (f"{LISTS}: list with None", LOSS_WEIGHTS): A,
    (f"{LISTS}: list of variables", LOSS_WEIGHTS): A,
    (f"{LISTS}: array", LOSS_WEIGHTS): R,
    ("one loss for two outputs: list", LOSS_WEIGHTS): R,
    (f"{LISTS}: list with None", SAMPLE_WEIGHT): A,
    (f"{DICTS}: dict with None", SAMPLE_WEIGHT): A,
    (f"{DICTS}: dict, a name too few", SAMPLE_WEIGHT): R,
    (f"{LISTS}: one array (n, 2)", SAMPLE_WEIGHT): R,
    (f"{LISTS}: one dict", CLASSES): R,
    (f"{LISTS}: dict of dicts", CLASSES): R,
    (f"{DICTS}: one dict", CLASSES): R,
    (f"{DICTS}: dict of dicts", CLASSES): R,
    (f"{LISTS}: one dict, tf.data", CLASSES): R,
}


def test_outputs_of_the_pinned_keras(keras_rows):
    wanted = dict(OTHERS)
    for argument, by_model in FORMS.items():
        for model, results in by_model.items():
            given = ("list", "dict", "one array (n,)")[: len(results)]
            wanted |= {(f"{model}: {g}", argument): result for g, result in zip(given, results, strict=True)}
    assert table(keras_rows) == wanted


def test_outputs_of_the_pinned_torch():
    assert table(observe(["outputs"], "torch")) == {
        ("zip(weights, losses)", LOSS_WEIGHTS): A,
        ("zip(weights, losses), too short", LOSS_WEIGHTS): S,
        ("losses * weights", LOSS_WEIGHTS): A,
        ("losses * weights, too short", LOSS_WEIGHTS): S,
        ("losses * weights, too long", LOSS_WEIGHTS): R,
        ("weights[name] * loss", LOSS_WEIGHTS): A,
        ("weights[name] * loss, a name too few", LOSS_WEIGHTS): R,
        ("losses (n, 2) * weights (n, 2)", SAMPLE_WEIGHT): A,
        ("losses (n, 2) * weights (n, 1)", SAMPLE_WEIGHT): A,
        ("losses (n, 2) * weights (n,)", SAMPLE_WEIGHT): R,
    }


def test_details_name_the_weights_and_the_error(keras_rows):
    details = {(row["case"], row["target"]): row["detail"] for row in keras_rows}
    assert "weights 1, 10 along each row, meant were 10, 1" in details[f"{LISTS}: dict", LOSS_WEIGHTS]
    assert "one `sample_weight` array per output" in details[f"{LISTS}: dict", SAMPLE_WEIGHT]


def test_a_keras_that_ignores_loss_weights_is_found_out(monkeypatch):
    build = compile_utils.CompileLoss.build

    def without_weights(self, *arguments):
        self._user_loss_weights = None
        build(self, *arguments)

    monkeypatch.setattr(compile_utils.CompileLoss, "build", without_weights)
    found = observed(f"{LISTS}: list", LOSS_WEIGHTS)
    assert found == S


def test_a_keras_that_weights_classes_of_two_outputs_is_found_out(monkeypatch):
    init = array_data_adapter.ArrayDataAdapter.__init__

    def by_output(self, x, y=None, sample_weight=None, class_weight=None, **more):
        if class_weight is not None:
            sample_weight = [np.array([class_weight[int(label)] for label in labels]) for labels in y]
        init(self, x, y, sample_weight=sample_weight, **more)

    monkeypatch.setattr(array_data_adapter.ArrayDataAdapter, "__init__", by_output)
    assert observed(f"{LISTS}: one dict", CLASSES) == A


def observed(case, argument):
    """One row alone."""
    chosen = [c for c in outputs._keras_cases() if (f"{c[0]}: {c[1]}", c[2]) == (case, argument)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "_keras_cases", lambda: iter(chosen))
        patch.setattr(outputs, "_unweighted", lambda: None)
        (row,) = observe(["outputs"], "keras")
    return row["observed"]
