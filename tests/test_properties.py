"""What must hold for all losses and weights: hypothesis looks for the ones for which it does not.

The properties are asked of the reference; the frameworks are compared with a formula, for values and both gradients.
"""

from __future__ import annotations

import numpy as np
import pytest
from engines import EAGER, by_numpy, every_reduction, formula, keras_gradients, torch_gradients
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.reductions import REDUCTIONS

# Derandomised: a test that fails here fails on every machine.
settings.register_profile("book", max_examples=40, deadline=None, derandomize=True, database=None)
settings.load_profile("book")

LOSSES = st.floats(0, 1000, width=32).map(float)
# A weight is 0 or of a sensible size: 1e-300 is no weight that a person gives.
WEIGHTS = st.one_of(st.just(0.0), st.floats(0.015625, 100, width=32).map(float))


@st.composite
def weighted_losses(draw, least=1):
    """Losses (n, ...), float64, with one weight per row, as (n,) or (n, 1, ...), or one per loss."""
    n, inner = draw(st.integers(least, 12)), draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    shape = (n, *inner)
    losses = draw(hnp.arrays(np.float64, shape, elements=LOSSES))
    weights_shape = draw(st.sampled_from([(n,), (n, *[1] * len(inner)), shape]))
    return losses, draw(hnp.arrays(np.float64, weights_shape, elements=WEIGHTS))


def close(value, expected):
    return value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@every_reduction
@given(case=weighted_losses())
def test_every_engine_gives_the_formula_and_so_do_both_gradients(reduction, case):
    value, by_losses, by_weights = formula(*case, reduction)
    for reduce in EAGER.values():
        assert close(reduce(*case, reduction), value)
    for gradients in (torch_gradients, keras_gradients):
        found = gradients(*case, reduction)
        np.testing.assert_allclose(found[0], by_losses, rtol=1e-12, atol=0)
        # A sum of differences from the mean may be any small number in place of 0.
        np.testing.assert_allclose(found[1], by_weights, rtol=1e-9, atol=1e-9)


@given(case=weighted_losses(least=2), data=st.data())
def test_a_sum_does_not_care_how_the_rows_are_split_into_batches(case, data):
    losses, weights = case
    cut = data.draw(st.integers(1, len(losses) - 1))
    parts = [by_numpy(losses[rows], weights[rows], "sum") for rows in (slice(cut), slice(cut, None))]
    assert close(sum(parts), by_numpy(losses, weights, "sum"))


@given(case=weighted_losses(), factor=st.floats(0.0625, 64))
def test_a_factor_on_the_weights_acts_on_sum_mean_and_nonzero_mean_and_cancels_in_weighted_mean(case, factor):
    losses, weights = case
    for reduction in REDUCTIONS:
        expected = by_numpy(losses, weights, reduction) * (1 if reduction == "weighted_mean" else factor)
        assert close(by_numpy(losses, weights * factor, reduction), expected)


# Sums over weights: the two for which a row of weight 2 is that row twice.
@pytest.mark.parametrize("reduction", ["sum", "weighted_mean"])
@given(case=weighted_losses(), data=st.data())
def test_a_row_of_twice_the_weight_is_the_row_twice(reduction, case, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    heavier = weights.copy()
    heavier[row] *= 2
    twice = [np.concatenate([values, values[row : row + 1]]) for values in (losses, weights)]
    assert close(by_numpy(losses, heavier, reduction), by_numpy(*twice, reduction))


@pytest.mark.parametrize("reduction", ["sum", "weighted_mean", "nonzero_mean"])
@given(case=weighted_losses(least=2), data=st.data())
def test_a_row_of_weight_0_is_no_row(reduction, case, data):
    losses, weights = case
    row = data.draw(st.integers(0, len(losses) - 1))
    weights[row] = 0
    without = [np.delete(values, row, axis=0) for values in (losses, weights)]
    assert close(by_numpy(losses, weights, reduction), by_numpy(*without, reduction))


@given(case=weighted_losses())
def test_all_rows_twice_leave_every_mean_and_double_the_sum(case):
    twice = [np.concatenate([values, values]) for values in case]
    for reduction in REDUCTIONS:
        assert close(by_numpy(*twice, reduction), by_numpy(*case, reduction) * (2 if reduction == "sum" else 1))


@given(case=weighted_losses())
def test_a_weighted_mean_lies_between_the_losses_that_count(case):
    losses, weights = case
    per_loss = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    counted = losses[np.broadcast_to(per_loss, losses.shape) > 0]
    assume(counted.size)
    value = by_numpy(losses, weights, "weighted_mean")
    assert counted.min() * (1 - 1e-9) <= value <= counted.max() * (1 + 1e-9)
