"""What must hold for all losses and weights: hypothesis looks for the ones for which it does not."""

from __future__ import annotations

import numpy as np
import pytest
from engines import by_keras, by_numpy, by_torch, keras_gradient, torch_gradient
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.reductions import REDUCTIONS

# Derandomised: a test that fails here fails on every machine.
settings.register_profile("book", max_examples=40, deadline=None, derandomize=True, database=None)
settings.load_profile("book")


every_engine = pytest.mark.parametrize("reduce", [by_numpy, by_torch, by_keras], ids=["numpy", "torch", "keras"])
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
# Sums over weights: the two for which a row of weight 0 is no row, and a row of weight 2 is that row twice.
weight_counts = pytest.mark.parametrize("reduction", ["sum", "weighted_mean"])

LOSSES = st.floats(0, 1000, width=32).map(float)
# A weight is 0 or of a sensible size: 1e-300 is no weight that a person gives.
WEIGHTS = st.one_of(st.just(0.0), st.floats(0.015625, 100, width=32).map(float))


@st.composite
def weighted_losses(draw, least=1):
    """Losses (n,) or (n, T), float64, with one weight per row or one per loss."""
    shape = (draw(st.integers(least, 12)), *draw(st.sampled_from([(), (1,), (3,)])))
    losses = draw(hnp.arrays(np.float64, shape, elements=LOSSES))
    weights = draw(hnp.arrays(np.float64, draw(st.sampled_from([shape[:1], shape])), elements=WEIGHTS))
    return losses, weights


def expanded(losses, weights):
    """One weight per loss."""
    return np.broadcast_to(weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim)), losses.shape)


def close(value, expected):
    return value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@every_engine
@given(case=weighted_losses(least=2), data=st.data())
def test_a_sum_does_not_care_how_the_rows_are_split_into_batches(reduce, case, data):
    losses, weights = case
    cut = data.draw(st.integers(1, len(losses) - 1))
    parts = [reduce(losses[rows], weights[rows], "sum") for rows in (slice(cut), slice(cut, None))]
    assert close(sum(parts), reduce(losses, weights, "sum"))


@every_engine
@given(case=weighted_losses(), factor=st.floats(0.0625, 64))
def test_a_factor_on_the_weights_acts_on_sum_mean_and_nonzero_mean_and_cancels_in_weighted_mean(reduce, case, factor):
    losses, weights = case
    for reduction in REDUCTIONS:
        expected = reduce(losses, weights, reduction) * (1 if reduction == "weighted_mean" else factor)
        assert close(reduce(losses, weights * factor, reduction), expected)


@every_engine
@every_reduction
@given(case=weighted_losses(), factor=st.floats(0, 64))
def test_a_factor_on_the_losses_is_a_factor_on_the_value(reduce, reduction, case, factor):
    losses, weights = case
    assert close(reduce(losses * factor, weights, reduction), reduce(losses, weights, reduction) * factor)


@every_engine
@weight_counts
@given(case=weighted_losses(), data=st.data())
def test_a_row_of_twice_the_weight_is_the_row_twice(reduce, reduction, case, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    heavier = weights.copy()
    heavier[row] *= 2
    twice = [np.concatenate([values, values[row : row + 1]]) for values in (losses, weights)]
    assert close(reduce(losses, heavier, reduction), reduce(*twice, reduction))


@every_engine
@pytest.mark.parametrize("reduction", ["sum", "weighted_mean", "nonzero_mean"])
@given(case=weighted_losses(least=2), data=st.data())
def test_a_row_of_weight_0_is_no_row(reduce, reduction, case, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    weights[row] = 0
    without = [np.delete(values, row, axis=0) for values in (losses, weights)]
    assert close(reduce(losses, weights, reduction), reduce(*without, reduction))


@every_engine
@given(case=weighted_losses(), data=st.data())
def test_all_rows_twice_leave_every_mean_and_double_the_sum(reduce, case, data):
    losses, weights = case
    for reduction in REDUCTIONS:
        expected = reduce(losses, weights, reduction) * (2 if reduction == "sum" else 1)
        assert close(
            reduce(np.tile(losses, (2,) + (1,) * (losses.ndim - 1)), np.concatenate([weights] * 2), reduction), expected
        )


@every_engine
@given(case=weighted_losses())
def test_a_weighted_mean_lies_between_the_losses_that_count(reduce, case):
    losses, weights = case
    counted = losses[expanded(losses, weights) > 0]
    assume(counted.size)
    value = reduce(losses, weights, "weighted_mean")
    assert counted.min() * (1 - 1e-9) <= value <= counted.max() * (1 + 1e-9)


@every_engine
@every_reduction
@given(case=weighted_losses(), bad=st.sampled_from([np.nan, np.inf, -np.inf]), data=st.data())
def test_a_bad_loss_of_weight_0_changes_nothing(reduce, reduction, case, bad, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    weights[row] = 0
    spoilt = losses.copy()
    spoilt[row] = bad
    assert reduce(spoilt, weights, reduction) == reduce(losses, weights, reduction)


@every_engine
@every_reduction
@given(case=weighted_losses(), data=st.data())
def test_a_nan_loss_with_a_weight_is_not_hidden(reduce, reduction, case, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    weights[row] = 1
    losses[row] = np.nan
    assert np.isnan(reduce(losses, weights, reduction))


@every_reduction
@given(case=weighted_losses())
def test_the_frameworks_give_the_value_of_the_reference(reduction, case):
    expected = by_numpy(*case, reduction)
    assert close(by_torch(*case, reduction), expected)
    assert close(by_keras(*case, reduction), expected)


@every_reduction
@given(case=weighted_losses())
def test_both_gradients_are_the_weight_over_the_denominator(reduction, case):
    losses, weights = case
    weights = expanded(losses, weights)
    denominator = {
        "sum": 1,
        "mean": losses.size,
        "weighted_mean": weights.sum(),
        "nonzero_mean": np.count_nonzero(weights),
    }[reduction]
    expected = weights / denominator if denominator else np.zeros_like(weights)
    for gradient in (torch_gradient, keras_gradient):
        np.testing.assert_allclose(gradient(*case, reduction), expected, rtol=1e-12, atol=0)
