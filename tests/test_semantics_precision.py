"""Tests of the section `precision`: what the pinned frameworks do, and that others give other rows."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from keras.src.optimizers.loss_scale_optimizer import LossScaleOptimizer

from helpers.semantics import observe, precision

A, R, S = "accepted", "refused", "silently other"
LOSSES = [
    "cross_entropy, class indices",
    "cross_entropy, probabilities",
    "BCE with logits, weight",
    "BCE with logits, pos_weight",
    "mse_loss, weight",
    "losses * weights",
]


def table(rows):
    return {(row["case"], row["target"]): row["observed"] for row in rows}


@pytest.fixture(scope="module")
def torch_rows():
    return observe(["precision"], "torch")


def test_precision_of_the_pinned_torch(torch_rows):
    wanted = {
        "float32 logits, int64 weights": [R, A, A, A, A, A],
        "float32 logits, float64 weights": [R, A, A, A, A, A],
        "float32 logits, float16 weights": [R, A, A, A, A, A],
        "float16 logits, float32 weights": [R, A, A, A, A, A],
        "autocast to bfloat16, float32 weights": [A, A, A, A, A, A],
        "weights on another device": [R, R, R, R, R, R],
        "float32 logits, bfloat16 weight 257": [R, S, S, S, S, S],
        "all float16, weight 100000": [S, S, S, S, S, S],
    }
    assert table(torch_rows) == {
        (case, loss): result for case, results in wanted.items() for loss, result in zip(LOSSES, results, strict=True)
    }


def test_precision_of_the_pinned_keras():
    rows = observe(["precision"], "keras")
    assert table(rows) == {
        ("float32: int64", "sample_weight"): A,
        ("float32: float64", "sample_weight"): A,
        ("float32: float16", "sample_weight"): A,
        ("float32: float16, weight 100000", "sample_weight"): S,
        ("float32: integers", "class_weight"): A,
        ("mixed_bfloat16: float32", "sample_weight"): A,
        ("float16: float32", "sample_weight"): A,
        ("mixed_float16: float32", "sample_weight"): S,
        ("mixed_float16: float32, at most 1", "sample_weight"): A,
        ("mixed_bfloat16: float32, weight 257", "sample_weight"): S,
    }
    details = {row["case"]: row["detail"] for row in rows}
    assert "rows have the weights 0, 0, 0, 0, meant were 4, 1, 4, 1" in details["mixed_float16: float32"]
    assert "256, 1, 256, 1, meant were 257" in details["mixed_bfloat16: float32, weight 257"]
    assert keras.config.dtype_policy().name == "float32"  # as it was


def test_details_name_the_dtype_and_the_numbers(torch_rows):
    details = {(row["case"], row["target"]): row["detail"] for row in torch_rows}
    assert "expected scalar type Float but found Long" in details["float32 logits, int64 weights", LOSSES[0]]
    assert "weights 256, 1, 256, 1" in details["float32 logits, bfloat16 weight 257", LOSSES[-1]]
    assert "the loss is inf" in details["all float16, weight 100000", LOSSES[0]]


def test_a_torch_that_casts_the_class_weights_is_found_out(monkeypatch):
    original = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        torch.nn.functional,
        "cross_entropy",
        lambda z, y, weight=None, **more: original(z, y, weight=None if weight is None else weight.to(z), **more),
    )
    rows = table(observe(["precision"], "torch"))
    assert {rows[case, LOSSES[0]] for case, *_ in precision.TORCH_CASES[:4]} == {A}


def test_a_torch_that_forgets_the_weights_is_found_out(monkeypatch):
    original = torch.nn.functional.mse_loss
    monkeypatch.setattr(torch.nn.functional, "mse_loss", lambda z, y, weight=None, **more: original(z, y, **more))
    rows = table(observe(["precision"], "torch"))
    assert {rows[case, "mse_loss, weight"] for case, *_ in precision.TORCH_CASES[:5]} == {S}


def test_a_keras_that_does_not_scale_the_loss_is_found_out(monkeypatch):
    monkeypatch.setattr(LossScaleOptimizer, "scale_loss", lambda self, loss: loss)
    monkeypatch.setattr(LossScaleOptimizer, "apply", lambda self, *given: self.inner_optimizer.apply(*given))
    found, _, _ = precision._keras_run("mixed_float16", "sample_weight", precision._rows(4.0).astype(np.float32))
    assert found.tolist() == [4, 1, 4, 1]
