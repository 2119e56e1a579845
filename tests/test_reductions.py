"""Tests of the four reductions: NumPy, torch and Keras agree with each other and with what the frameworks do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from engines import (
    GRADIENTS,
    by_keras,
    by_numpy,
    by_torch,
    every_eager_engine,
    every_engine,
    every_gradient,
    every_reduction,
    formula,
)

import helpers.keras
import helpers.pytorch
import helpers.reductions
from helpers.reductions import check_denominator
from helpers.weights import class_to_sample_weights

ROOT = Path(__file__).parents[1]
L, W = np.array([1.0, 9.0, 25.0]), np.array([1.0, 3.0, 0.0])
LW_VALUES = {"sum": 28.0, "mean": 28 / 3, "weighted_mean": 7.0, "nonzero_mean": 14.0}


def random_case(losses_shape, weights_shape, seed=0):
    """Losses and weights in float64; every third weight is 0."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 3, weights_shape)
    weights.reshape(-1)[::3] = 0
    return rng.exponential(size=losses_shape), weights


# What the names mean.


@every_engine
@every_reduction
def test_the_worked_example_and_that_no_weights_mean_weights_of_1(reduce, reduction):
    assert reduce(L, W, reduction) == pytest.approx(LW_VALUES[reduction], rel=1e-12)
    assert reduce(L, None, reduction) == pytest.approx(35 if reduction == "sum" else 35 / 3, rel=1e-12)


@pytest.mark.parametrize("module", [helpers.reductions, helpers.pytorch, helpers.keras], ids=lambda m: m.__name__)
def test_the_default_is_the_mean(module):
    losses, weights = (torch.tensor(values) if module is helpers.pytorch else values for values in (L, W))
    assert float(module.reduce_losses(losses, weights)) == pytest.approx(28 / 3, rel=1e-12)


SHAPES = [
    ((7,), (7,)),
    ((7,), (7, 1)),
    ((7, 1), (7,)),
    ((7, 1), (7, 1)),
    ((7, 5), (7,)),
    ((7, 5), (7, 1)),
    ((7, 5), (7, 5)),
    ((5, 5), (5,)),
    ((4, 3, 2), (4,)),
    ((4, 3, 2), (4, 1, 1)),
    ((4, 3, 2), (4, 3, 2)),
    ((1, 5), (1,)),
]


@every_engine
@every_reduction
@pytest.mark.parametrize(("losses_shape", "weights_shape"), SHAPES)
def test_all_engines_give_the_formula(reduce, reduction, losses_shape, weights_shape):
    losses, weights = random_case(losses_shape, weights_shape)
    expected = formula(losses, weights, reduction)[0]
    assert reduce(losses, weights, reduction) == pytest.approx(expected, rel=1e-12)


@every_gradient
@every_reduction
@pytest.mark.parametrize(("losses_shape", "weights_shape"), SHAPES)
def test_both_gradients_are_those_of_the_formula(gradients, reduction, losses_shape, weights_shape):
    # With respect to the losses, the weight over the denominator; to a weight, its share of the losses, also at 0.
    losses, weights = random_case(losses_shape, weights_shape)
    _, *expected = formula(losses, weights, reduction)
    for found, wanted in zip(gradients(losses, weights, reduction), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


# What the frameworks do.


TF1 = {
    "sum": tf.compat.v1.losses.Reduction.SUM,
    "mean": tf.compat.v1.losses.Reduction.SUM_OVER_BATCH_SIZE,
    "weighted_mean": tf.compat.v1.losses.Reduction.MEAN,
    "nonzero_mean": tf.compat.v1.losses.Reduction.SUM_BY_NONZERO_WEIGHTS,
}
KERAS = {"sum": "sum", "mean": "sum_over_batch_size", "weighted_mean": "mean_with_sample_weight"}


@every_eager_engine
@every_reduction
@pytest.mark.parametrize(
    ("losses_shape", "weights_shape"),
    # tf.compat.v1 itself takes weights per row only as (n, 1, ...).
    [((7,), (7,)), ((7, 1), (7, 1)), ((7, 5), (7, 1)), ((7, 5), (7, 5)), ((4, 3, 2), (4, 1, 1))],
)
def test_the_four_are_those_of_tf_compat_v1(reduce, reduction, losses_shape, weights_shape):
    losses, weights = (a.astype(np.float32) for a in random_case(losses_shape, weights_shape))
    theirs = tf.compat.v1.losses.compute_weighted_loss(losses, weights, reduction=TF1[reduction])
    assert reduce(losses, weights, reduction) == pytest.approx(float(theirs), rel=1e-5)


def test_the_default_of_tf_compat_v1_is_nonzero_mean():
    theirs = tf.compat.v1.losses.compute_weighted_loss(L.astype(np.float32), W.astype(np.float32))
    assert float(theirs) == pytest.approx(LW_VALUES["nonzero_mean"])


@every_eager_engine
@pytest.mark.parametrize("reduction", KERAS)
@pytest.mark.parametrize(("losses_shape", "weights_shape"), [((7,), (7,)), ((7,), (7, 1)), ((7, 5), (7, 5))])
def test_three_are_those_of_keras_losses(reduce, reduction, losses_shape, weights_shape):
    losses, weights = (a.astype(np.float32) for a in random_case(losses_shape, weights_shape))
    # Keras takes the mean over the last axis: with an axis of length 1, each squared error is one loss.
    theirs = keras.losses.MeanSquaredError(reduction=KERAS[reduction])(
        np.zeros((*losses_shape, 1)), np.sqrt(losses)[..., None], sample_weight=weights
    )
    assert reduce(losses, weights, reduction) == pytest.approx(float(theirs), rel=1e-5)


def test_keras_divides_by_the_weights_before_it_broadcasts_them_and_we_after():
    # One weight per row, 5 losses per row: Keras' "mean_with_sample_weight" is then 5 times a weighted mean.
    losses, weights = random_case((7, 5), (7, 1))
    theirs = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")(
        np.zeros((7, 5, 1)), np.sqrt(losses)[..., None], sample_weight=weights
    )
    assert float(theirs) == pytest.approx(5 * by_numpy(losses, weights, "weighted_mean"), rel=1e-5)


@every_eager_engine
def test_torch_cross_entropy_with_class_weights_is_a_weighted_mean(reduce):
    rng = np.random.default_rng(0)
    logits, labels, class_weights = rng.normal(size=(20, 3)), rng.integers(0, 3, 20), {0: 1.0, 1: 4.0, 2: 0.5}
    tensors = torch.tensor(logits), torch.tensor(labels)
    theirs = torch.nn.functional.cross_entropy(*tensors, weight=torch.tensor(list(class_weights.values())).double())
    losses = torch.nn.functional.cross_entropy(*tensors, reduction="none").numpy()
    weights = class_to_sample_weights(labels, class_weights)
    assert reduce(losses, weights.astype(np.float64), "weighted_mean") == pytest.approx(theirs.item(), rel=1e-12)


@every_eager_engine
def test_torch_bce_with_weights_is_a_mean(reduce):
    rng = np.random.default_rng(0)
    logits, targets, weights = rng.normal(size=20), rng.integers(0, 2, 20).astype(float), rng.random(20)
    tensors = torch.tensor(logits), torch.tensor(targets)
    theirs = torch.nn.BCEWithLogitsLoss(weight=torch.tensor(weights))(*tensors)
    losses = torch.nn.BCEWithLogitsLoss(reduction="none")(*tensors).numpy()
    assert reduce(losses, weights, "mean") == pytest.approx(theirs.item(), rel=1e-12)


# Weights of 0, and losses that are no numbers.


@every_engine
@every_reduction
def test_without_any_weight_the_value_is_0(reduce, reduction):
    assert reduce(L, np.zeros(3), reduction) == 0


@every_gradient
@every_reduction
def test_without_any_weight_the_gradient_of_the_losses_is_0(gradients, reduction):
    assert gradients(L, np.zeros(3), reduction)[0].tolist() == [0, 0, 0]


BAD = np.array([[1.0, 9.0, bad] for bad in (np.nan, np.inf, -np.inf)])


@every_engine
@every_reduction
def test_weight_0_kills_a_bad_loss_in_the_value_and_no_other_hides_it(reduce, reduction):
    assert [reduce(losses, W, reduction) for losses in BAD] == [reduce(L, W, reduction)] * 3
    assert not any(np.isfinite(reduce(losses, W, reduction)) for losses in BAD[:, [2, 1, 0]])


@every_gradient
@every_reduction
def test_weight_0_kills_a_bad_loss_in_both_gradients(gradients, reduction):
    good = L * [1, 1, 0]
    for losses in BAD:
        for found, wanted in zip(gradients(losses, W, reduction), gradients(good, W, reduction), strict=True):
            assert found.tolist() == wanted.tolist()


# Shapes: a weight belongs to a row.


@every_engine
@pytest.mark.parametrize(
    ("losses_shape", "weights_shape"), [((4, 5), (4, 4)), ((4, 5, 2), (4, 5)), ((4, 5, 2), (4, 1, 2)), ((4,), ())]
)
def test_weights_that_fit_neither_rows_nor_losses_are_refused_with_both_shapes(reduce, losses_shape, weights_shape):
    with pytest.raises(ValueError, match="do not fit losses of shape") as error:
        reduce(np.ones(losses_shape), np.ones(weights_shape), "mean")
    # A traced function does not know the number of rows, and says None.
    for shape in (losses_shape, weights_shape):
        assert str(shape) in str(error.value) or str((None, *shape[1:])) in str(error.value)


@every_eager_engine
@pytest.mark.parametrize(
    ("losses_shape", "weights_shape"),
    [((4, 5), (5,)), ((4,), (3,)), ((4, 1), (5, 1)), ((4, 5), (1,)), ((4, 5), (1, 5)), ((1, 5), (5,))],
)
def test_weights_of_another_number_of_rows_are_refused_with_both_shapes(reduce, losses_shape, weights_shape):
    with pytest.raises(ValueError) as error:
        reduce(np.ones(losses_shape), np.ones(weights_shape), "mean")
    assert f"weights of shape {weights_shape} do not fit losses of shape {losses_shape}" in str(error.value)


def test_while_tracing_weights_per_time_step_are_refused_where_the_number_of_rows_is_known():
    with pytest.raises(ValueError, match=r"weights of shape \(5,\) do not fit losses of shape \(4, 5\)"):
        tf.function(helpers.keras.reduce_losses)(tf.ones((4, 5)), tf.ones(5))


@every_engine
@pytest.mark.parametrize("weights", [None, np.array(1.0)], ids=["without weights", "scalar weight"])
def test_a_scalar_loss_is_refused(reduce, weights):
    with pytest.raises(ValueError, match=r"one entry per row, shape \(n, \.\.\.\), got a scalar"):
        reduce(np.array(3.0), weights)


@every_engine
def test_an_unknown_reduction_is_refused_with_the_known_ones(reduce):
    with pytest.raises(ValueError, match="one of sum, mean, weighted_mean, nonzero_mean, got 'average'"):
        reduce(L, W, "average")


@every_eager_engine
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_negative_nan_or_infinite_is_refused_with_its_row(reduce, bad):
    with pytest.raises(ValueError, match=f"a weight must be finite and not negative: row 1 has {bad}"):
        reduce(L, np.array([1.0, bad, bad]))


@every_eager_engine
def test_no_rows_have_the_loss_0(reduce):
    assert reduce(np.zeros(0), np.zeros(0)) == 0
    assert reduce(np.zeros(0)) == 0


# Types.


@every_eager_engine
def test_whole_numbers_will_do_for_losses_and_do_not_cut_the_weights(reduce):
    # 0/1 errors are whole numbers. Cast to their type, a weight of 0.5 would be 0.
    assert reduce(np.array([1, 9, 25]), np.array([0.5, 0.5, 0.0]), "sum") == pytest.approx(5)


@every_eager_engine
@pytest.mark.parametrize("weights", [W.astype(int), W.astype("uint8"), [1, 3, 0]], ids=["int64", "uint8", "list"])
def test_whole_numbers_and_lists_will_do_for_weights(reduce, weights):
    assert reduce(L, weights, "sum") == pytest.approx(28)
    assert reduce(L, W.astype(bool), "sum") == pytest.approx(10)


# The largest relative error of one rounding. The engines see to it that the value has the type of the losses.
ROUNDING = {"bfloat16": 2**-8, "float16": 2**-11, "float32": 2**-22, "float64": 2**-50}


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("reduce", [by_torch, by_keras], ids=["torch", "keras"])
@every_reduction
def test_every_type_of_float_gives_the_formula_to_its_last_digit(reduce, reduction, dtype):
    assert reduce(L, W, reduction, dtype=dtype) == pytest.approx(LW_VALUES[reduction], rel=ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", ["torch", "keras"])
@every_reduction
def test_every_type_of_float_gives_both_gradients_to_its_last_digits(name, reduction, dtype):
    _, *expected = formula(L, W, reduction)
    for found, wanted in zip(GRADIENTS[name](L, W, reduction, dtype), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2 * ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_the_reference_computes_in_float64_whatever_comes(dtype):
    # 1 / 3 in the given type; its multiple in that type would have fewer digits.
    third = np.array([1, 1], dtype) / np.array(3, dtype)
    assert by_numpy(third, third, "sum") == 2 * float(third[0]) ** 2


# Denominators that were computed beforehand. (test_distributed.py has what the frameworks do with them.)


@pytest.mark.parametrize(
    "shapes", [((3,), None), ((3,), (3, 1)), ((3, 1), (3,)), ((None, 2), (4, 2)), ((4, 2), (4, None))]
)
def test_a_denominator_with_one_weight_per_loss_is_taken_as_it_is(shapes):
    assert [check_denominator(np.float32(given), *shapes) for given in (0, 2)] == [0.0, 2.0]


@pytest.mark.parametrize(
    "shapes", [((3, 2), (3,)), ((3, 2), (3, 1)), ((3, None), (3, 1)), ((3,), (3, 2)), ((4, 2, 3), (4, 3, 2))]
)
def test_a_denominator_with_fewer_weights_than_losses_is_refused_with_both_shapes(shapes):
    with pytest.raises(ValueError) as error:
        check_denominator(2.0, *shapes)
    assert (
        f"one weight per loss, shape {shapes[0]}, got {shapes[1]}. Expand the weights to that shape, here and"
        in str(error.value)
    )


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_denominator_that_no_sum_of_weights_can_be_is_refused(bad):
    with pytest.raises(ValueError, match=f"must be finite and not negative, got {bad}"):
        check_denominator(bad, (3,), (3,))


# In training.


def regression():
    """Ten rows: batches of four leave a last batch of two."""
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(10, 3)), rng.normal(size=(10, 1)), rng.uniform(0, 3, 10)
    return x.astype("float32"), y.astype("float32"), weights.astype("float32")


def linear_model(kind=keras.Model):
    inputs = keras.Input((3,))
    model = kind(inputs, keras.layers.Dense(1)(inputs))
    model.set_weights([np.full((3, 1), 0.5, "float32"), np.zeros(1, "float32")])
    return model


def keras_own_result(reduction):
    x, y, weights = regression()
    model = linear_model()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(reduction=KERAS[reduction]))
    model.fit(x, y, sample_weight=weights, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean"])
def test_a_train_step_with_our_reduction_trains_as_keras_own(reduction):
    batch_sizes = []

    class Weighted(keras.Model):
        def train_step(self, data):
            x, y, weights = data
            batch_sizes.append(x.shape[0])
            with tf.GradientTape() as tape:
                losses = (self(x, training=True) - y) ** 2
                value = helpers.keras.reduce_losses(losses, weights, reduction)
            self.optimizer.apply(tape.gradient(value, self.trainable_variables), self.trainable_variables)
            return {"loss": value}

    x, y, weights = regression()
    model = linear_model(Weighted)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(x, y, sample_weight=weights, batch_size=4, epochs=2, shuffle=False, verbose=0)
    # The point of the test: the step was compiled for any number of rows.
    assert batch_sizes[-1] is None
    for ours, theirs in zip(model.get_weights(), keras_own_result(reduction), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_compiled_custom_loss_with_our_reduction_trains_as_keras_own():
    x, y, weights = regression()

    def loss(y_and_weight, outputs):
        return helpers.keras.reduce_losses((outputs - y_and_weight[:, :1]) ** 2, y_and_weight[:, 1:], "weighted_mean")

    model = linear_model()
    model.compile(keras.optimizers.SGD(0.1), loss)
    targets = np.column_stack([y, weights])
    model.fit(x, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), keras_own_result("weighted_mean"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


TORCH_BACKEND = """
import numpy as np
import helpers.keras, keras, torch
assert keras.backend.backend() == "torch"

losses = torch.tensor([1.0, 9.0, float("nan")], requires_grad=True)
values = [helpers.keras.reduce_losses(losses, [1.0, 3.0, 0.0], r).item()
          for r in ("sum", "mean", "weighted_mean", "nonzero_mean")]
assert np.allclose(values, [28, 28 / 3, 7, 14], rtol=1e-6), values

helpers.keras.reduce_losses(losses, torch.tensor([[1.0], [3.0], [0.0]]), "weighted_mean").backward()
assert losses.grad.tolist() == [0.25, 0.75, 0.0], losses.grad

try:
    helpers.keras.reduce_losses(torch.ones(3), [1.0, -1.0, 1.0])
except ValueError as error:
    assert "row 1 has -1.0" in str(error), error
else:
    raise AssertionError("a negative weight was accepted")
print("all as expected")
"""


def test_the_keras_version_works_on_keras_torch_backend_too():
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-c", TORCH_BACKEND], env=environment, capture_output=True, text=True, timeout=120
    )
    assert process.stdout == "all as expected\n", process.stderr


# Half precision.


@pytest.mark.parametrize("reduce", [by_torch, by_keras], ids=["torch", "keras"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "nonzero_mean"])
def test_a_mean_of_many_halves_is_a_mean(reduce, dtype, reduction):
    ones = np.ones(256 * 256, "float32")  # more than the largest float16, and than the whole numbers of bfloat16
    assert reduce(ones, ones, reduction, dtype) == 1
    assert reduce(ones, 2 * ones, reduction, dtype) == (1 if reduction == "weighted_mean" else 2)
    with pytest.raises(ValueError, match="row 1 has -1"):
        reduce(ones, np.where(np.arange(len(ones)) == 1, -1.0, 1.0), reduction, dtype)


def test_a_model_in_half_precision_learns_from_one_mask():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        x = mask = np.ones((1, 256, 256, 1), "float32")
        dense = keras.layers.Dense(1, kernel_initializer="zeros")

        with tf.GradientTape() as tape:
            value = helpers.keras.reduce_losses((dense(x) - 1) ** 2, mask)
        assert float(value) == 1
        gradients = tape.gradient(value, dense.trainable_variables)
        assert [g.numpy().ravel().tolist() for g in gradients] == [[-2], [-2]]
    finally:
        keras.config.set_dtype_policy(policy)


# Tiny and huge weights.


@every_engine
@pytest.mark.parametrize("size", [1.2e-38, 1e-30, 1e30, 3e38])
def test_a_weighted_mean_does_not_depend_on_the_size_of_the_weights(reduce, size):
    losses, weights = np.array([1.0, 2.0, 3.0], "float32"), np.full(3, size, "float32")
    assert reduce(losses, weights, "weighted_mean") == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("reduce", [by_torch, by_keras], ids=["torch", "keras"])
@pytest.mark.parametrize("size", [1e-46, 1e-40, 1e39])
def test_weights_that_the_losses_type_cannot_hold_are_refused_and_others_kept(reduce, size):
    weights = np.full(3, size)
    with pytest.raises(ValueError, match="must be 0 or one that float32 can hold"):
        reduce(np.array([1.0, 2.0, 3.0], "float32"), weights, "weighted_mean")
    assert reduce(np.array([1.0, 2.0, 3.0]), weights, "weighted_mean") == pytest.approx(2, rel=1e-12)


# Where there are no values to look at.


@every_reduction
def test_torch_can_transform_and_compile_it(reduction):
    losses, weights = torch.tensor(np.stack([L, L[::-1]])), torch.tensor(np.stack([W, W]))
    pairs = zip(losses.numpy(), weights.numpy(), strict=True)
    each = torch.tensor([by_numpy(*pair, reduction) for pair in pairs], dtype=torch.float64)

    def reduce(losses, weights):
        return helpers.pytorch.reduce_losses(losses, weights, reduction)

    torch.testing.assert_close(torch.func.vmap(reduce)(losses, weights), each)
    compiled = torch.compile(reduce, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(losses[0], weights[0]), each[0])
    by_weights = torch.func.grad(reduce, argnums=1)(losses[0], weights[0])
    np.testing.assert_allclose(by_weights.numpy(), formula(L, W, reduction)[2])
