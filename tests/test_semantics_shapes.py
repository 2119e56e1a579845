"""Tests of the sections `shapes` and `masks`: what the pinned frameworks do, and that others give other rows."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from keras.src.trainers.data_adapters import data_adapter_utils

from helpers.semantics import masks, observe, shapes, stored
from helpers.semantics.inputs import FORMS
from helpers.semantics.shapes import ARGUMENTS, CLASSES, TARGETS

A, R, S = "accepted", "refused", "silently other"


def table(rows):
    return {(row["case"], row["target"]): row["observed"] for row in rows}


@pytest.fixture(scope="module")
def keras_shapes():
    """The stored answers of the pinned version, which `test_semantics` compares with those of today."""
    answers = stored.load()[keras.backend.backend()][keras.__version__]
    asked = [(*question.split(" | "), answer) for question, answer in answers.items()]
    return [{"case": case, "target": target, **said} for section, case, target, said in asked if section == "shapes"]


# For each form of the targets: class weights in each form of the data; weights per pixel, (n,) and (n, 1, ...).
FIT_OF_CLASS_WEIGHT = {
    "integers (n, h, w)": ([R, R, R, R, R], [A, S, A]),
    "integers (n, h, w, 1)": ([R, A, R, R, R], [A, S, A]),
    "one-hot (n, h, w, C)": ([R, A, R, R, R], [A, S, A]),
    "sequences (n, T)": ([R, R, R, R, R], [A, R, A]),
    "sequences (n, T, 1)": ([R, A, R, R, R], [A, R, A]),
    "one-hot sequences (n, T, C)": ([R, A, R, R, R], [A, R, A]),
    "mask (n, h, w, 1)": ([R, A, R, R, R], [A, S, A]),
    "mask (n, h, w)": ([R, R, R, R, R], [S, S, A]),
    "flat mask (n, h*w)": ([S, R, S, R, R], [R, A, A]),
    "mask (n, h, w, 1), Dice": ([R, S, R, R, R], [S, S, S]),
}


def test_shapes_of_the_pinned_keras(keras_shapes):
    wanted = {}
    for name, (by_class, by_row) in FIT_OF_CLASS_WEIGHT.items():
        wanted |= {(f"{name} in {data}", CLASSES): found for data, found in zip(FORMS, by_class, strict=True)}
        wanted |= {(f"{name} in numpy", way): found for way, found in zip(ARGUMENTS[1:], by_row, strict=True)}
    assert table(keras_shapes) == wanted
    assert list(FIT_OF_CLASS_WEIGHT) == list(TARGETS)


def test_shapes_of_the_pinned_torch():
    ce, bce = "cross_entropy", "binary_cross_entropy_with_logits"
    assert table(observe(["shapes"], "torch")) == {
        ("integers (n, h, w)", f"{ce}(weight=(C,))"): A,
        ("integers (n, 1, h, w)", f"{ce}(weight=(C,))"): R,
        ("integers (n, h, w), logits (n, h, w, C)", f"{ce}(weight=(C,))"): S,
        ("one-hot (n, C, h, w)", f"{ce}(weight=(C,))"): A,
        ("integers (n, h, w)", f"{ce}, *(n, h, w)"): A,
        ("integers (n, h, w)", f"{ce}, *(n, 1, h, w)"): S,
        ("integers (n, h, w)", f"{ce}, *(n,)"): S,
        ("integers (n, h, w)", f"{ce}, *(n, 1, 1)"): A,
        ("one-hot (n, C, h, w)", f"{bce}(pos_weight=(C,))"): S,
        ("one-hot (n, C, h, w)", f"{bce}(pos_weight=(C, 1, 1))"): A,
        ("mask (n, 1, h, w)", f"{bce}(weight=(n, 1, h, w))"): A,
        ("mask (n, 1, h, w)", f"{bce}(weight=(n, h, w))"): R,
        ("mask (n, 1, h, w)", f"{bce}, *(n, h, w)"): S,
        ("mask (n, 1, h, w)", f"{bce}, *(n,)"): S,
    }


@pytest.mark.parametrize(
    ("case", "target", "said"),
    [
        (
            "integers (n, h, w) in numpy",
            ARGUMENTS[2],
            "weights 1.5, 0.25, 3, 0.75 along each row, meant were 1.5, 1.5,",
        ),
        ("integers (n, h, w) in numpy", ARGUMENTS[2], "with 2 x 5 pixels: refused"),
        ("flat mask (n, h*w) in numpy", CLASSES, "with 2 x 5 pixels: silently other"),
        ("mask (n, h, w, 1) in tf.data", CLASSES, "the first row has the weights 0.5, 2.5, 0.5, 0.5; 2.5, 0.5,"),
        ("mask (n, h, w, 1) in generator", CLASSES, "not supported for Python generator"),
    ],
)
def test_details_of_shapes_give_the_weights(keras_shapes, case, target, said):
    (detail,) = [row["detail"] for row in keras_shapes if (row["case"], row["target"]) == (case, target)]
    assert said in detail


def test_the_probe_reads_the_weights_of_the_pixels():
    probe = shapes._KerasProbe(TARGETS["mask (n, h, w, 1)"], (2, 5))
    weights = np.random.default_rng(0).random((4, 2, 5)).astype(np.float32)
    found, *_ = probe.found("numpy", shapes.PER_PIXEL, weights)
    np.testing.assert_allclose(found, weights, rtol=0, atol=1e-5)


def test_a_keras_that_looks_up_the_class_of_each_pixel(monkeypatch, keras_shapes):
    def look_up(y, class_weight):
        y = np.asarray(y)
        y = y.argmax(-1) if y.ndim > 2 and y.shape[-1] > 1 else y.reshape(y.shape[:-1] if y.shape[-1] == 1 else y.shape)
        return np.vectorize(class_weight.get)(y.astype(int)).astype("float32")

    monkeypatch.setattr(data_adapter_utils, "class_weight_to_sample_weights", look_up)
    before, now = table(keras_shapes), table(observe(["shapes"], "keras"))
    changed = {key for key in now if now[key] != before[key]}
    unheard = "mask (n, h, w)", "flat mask (n, h*w)", "mask (n, h, w, 1), Dice", "integers (n, h, w)"
    accepted = set(TARGETS) - set(unheard)
    assert {key for key in changed if now[key] == A} == {
        (f"{name} in {data}", CLASSES) for name in accepted for data in ("numpy", "PyDataset")
    }
    assert {key[1] for key in changed} == {CLASSES}


def test_a_torch_that_refuses_to_broadcast_pos_weight(monkeypatch):
    original = F.binary_cross_entropy_with_logits

    def patched(logits, targets, **given):
        if "pos_weight" in given and given["pos_weight"].ndim != 3:
            raise ValueError("pos_weight needs the shape (C, 1, 1)")
        return original(logits, targets, **given)

    before = table(observe(["shapes"], "torch"))
    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", patched)
    now = table(observe(["shapes"], "torch"))
    row = "one-hot (n, C, h, w)", "binary_cross_entropy_with_logits(pos_weight=(C,))"
    assert {key: now[key] for key in now if now[key] != before[key]} == {row: R}


# Masks. For each way: the divisor, the divisor with class weights, all ignored, a NaN underneath.
VALID, WEIGHTS, ALL = "valid steps", "weights of the valid steps", "all steps"
KERAS_MASKS = {
    "mask_zero": (VALID, VALID, "0", "loss NaN"),
    "mask_zero, mean_with_sample_weight": (VALID, WEIGHTS, "0", "loss NaN"),
    "ignore_class": (VALID, VALID, "0", "clean"),
    "sample_weight 0 and 1": (ALL, ALL, "0", "loss NaN"),
    "sample_weight 0 and 1, mean_with_sample_weight": (VALID, WEIGHTS, "0", "loss NaN"),
    "where before the loss": (VALID, VALID, "0", "clean"),
}
TORCH_MASKS = {
    "ignore_index": (VALID, WEIGHTS, "loss NaN", "gradient NaN"),
    "(losses * mask).mean()": (ALL, ALL, "0", "loss NaN"),
    "(losses * mask).sum() / (weights * mask).sum()": (VALID, WEIGHTS, "loss NaN", "loss NaN"),
    "losses[mask].mean()": (VALID, VALID, "loss NaN", "gradient NaN"),
    "where(mask, losses, 0).sum() / mask.sum()": (VALID, VALID, "loss NaN", "gradient NaN"),
    "where before the loss": (VALID, VALID, "0", "clean"),
}


def pinned(ways):
    return {(way, q): found for way, row in ways.items() for q, found in zip(masks.QUESTIONS, row, strict=True)}


@pytest.mark.parametrize(("framework", "ways"), [("keras", KERAS_MASKS), ("torch", TORCH_MASKS)])
def test_masks_of_the_pinned_frameworks(framework, ways):
    assert table(observe(["masks"], framework)) == pinned(ways)


def test_every_divisor_of_the_masks_is_told_apart():
    weights = masks.CLASS_W[masks.LABELS]
    total = (weights * masks.LOSSES)[masks.VALID].sum()
    divisors = 1, 16, 9, weights[masks.VALID].sum(), weights.sum(), (weights[masks.VALID] > 0).sum()
    found = [masks._divisor(total / divisor, weights)[0] for divisor in divisors]
    assert len(set(found)) == len(divisors)
    assert masks._divisor(total / 7.7, weights)[0] == "none of these"


def test_a_torch_whose_ignored_targets_count_in_the_mean(monkeypatch):
    original = F.cross_entropy

    def patched(logits, labels, reduction="mean", **given):
        losses = original(logits, labels, reduction="none", **given)
        return losses if reduction == "none" else losses.mean()

    monkeypatch.setattr(F, "cross_entropy", patched)
    now, wanted = table(observe(["masks"], "torch")), pinned(TORCH_MASKS)
    changed = {key: now[key] for key in now if now[key] != wanted[key]}
    way = "ignore_index"
    assert changed == {(way, "divided by"): ALL, (way, "with class weights"): ALL, (way, "all ignored"): "0"}


def test_a_keras_whose_masks_are_ignored(monkeypatch):
    from keras.src.losses import loss

    monkeypatch.setattr(loss, "apply_mask", lambda sample_weight, mask, dtype, reduction: sample_weight)
    now, wanted = table(observe(["masks"], "keras")), pinned(KERAS_MASKS)
    changed = {way for way, question in now if now[way, question] != wanted[way, question]}
    assert changed == {"mask_zero", "mask_zero, mean_with_sample_weight", "ignore_class"}


def test_the_steps_are_what_they_are_said_to_be():
    logits, labels = torch.tensor(masks.TABLE[masks.IDS]), torch.tensor(masks.LABELS)
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    np.testing.assert_allclose(losses.reshape(4, 4), masks.LOSSES, rtol=1e-5)
    assert keras.ops.shape(masks.TABLE) == (masks.VALID.sum() + 1, 3)
