"""Tests of helpers.findings: the lines are stable, and a bound that is printed holds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.findings import Finding, about, at_least, at_most, seeds, spread, verdict

FIGURES = {"PyTorch": "5 of 5", "Keras": "4 of 5"}
BOTH, ONE, NONE = ({"PyTorch": a, "Keras": b} for a, b in [(True, True), (True, False), (False, False)])


@pytest.mark.parametrize(
    ("holds", "reasons", "expected"),
    [
        (BOTH, {}, "holds"),
        (BOTH, {"only_if": "the net is small"}, "holds if the net is small"),
        (BOTH, {"because": "it is shown only if the claim fails"}, "holds"),
        (ONE, {}, "does not hold in Keras"),
        (ONE, {"because": "its eps differs"}, "does not hold in Keras: its eps differs"),
        (NONE, {}, "does not hold"),
        (NONE, {"because": "of chance"}, "does not hold: of chance"),
        (NONE, {"only_if": "the net is small"}, "does not hold"),
    ],
)
def test_a_verdict_is_computed_from_what_each_framework_showed(holds, reasons, expected):
    assert verdict("C1", holds, FIGURES, **reasons) == Finding("C1", expected, FIGURES)


def test_several_frameworks_that_fail_are_all_named():
    holds = {"PyTorch": False, "Keras": False, "NumPy": True}
    assert verdict("C1", holds, dict.fromkeys(holds, "0")).verdict == "does not hold in PyTorch and Keras"


@pytest.mark.parametrize(
    ("holds", "figures"),
    [({}, FIGURES), ({"PyTorch": True}, FIGURES), ({"PyTorch": True, "JAX": True}, FIGURES), (BOTH, {}), ({}, {})],
)
def test_a_verdict_needs_a_figure_for_each_framework_and_a_framework(holds, figures):
    message = f"must name the same frameworks, got .* and {re.escape(str(list(figures)))}"
    with pytest.raises(ValueError, match=message):
        verdict("C1", holds, figures)


def test_a_finding_prints_a_line_for_each_framework_and_lists_what_the_ledger_pastes():
    text = "C1: does not hold in Keras\n    PyTorch: 5 of 5\n    Keras: 4 of 5"
    assert str(verdict("C1", ONE, FIGURES)) == text
    expected = [("C1_verdict", "holds"), ("C1_pytorch", "5 of 5"), ("C1_keras", "4 of 5")]
    assert verdict("C1", BOTH, FIGURES).items() == expected


def test_a_spread_by_hand():
    # Mean 2, sample variance (1 + 0 + 1) / 2 = 1.
    assert spread([1, 2, 3]) == "2.000 ± 1.000 (1.000 to 3.000, n = 3)"
    assert spread(np.array([[0.0], [1.0]]), digits=1) == "0.5 ± 0.7 (0.0 to 1.0, n = 2)"


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_run_has_no_spread(values):
    with pytest.raises(ValueError, match=f"at least two values, got {len(values)}"):
        spread(values)


def test_seeds_count_where_a_condition_holds_and_a_tie_and_a_nan_are_not_above():
    assert seeds(np.array([3, 2, 1]) > np.array([1, 1, 2])) == "2 of 3 seeds"
    assert seeds([False]) == "0 of 1 seeds"
    assert seeds(np.array([1, np.nan, 1]) > np.array([1, 0, np.nan])) == "0 of 3 seeds"


@pytest.mark.parametrize("condition", [[], True, [[True]], [0.2, 0.7], [1, 0]])
def test_seeds_need_one_truth_value_per_seed(condition):
    with pytest.raises(ValueError, match="one truth value per seed, got shape"):
        seeds(condition)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5, 0.75], True), ([0.5, 0.76], False), ([0.24], False), ([0.5, np.nan], False), (0.5, True)],
)
def test_about_asks_whether_every_value_is_within_the_tolerance(values, expected):
    assert about(values, target=0.5, tolerance=0.25) is expected


@pytest.mark.parametrize("tolerance", [0, -1, np.nan])
def test_about_needs_a_tolerance_above_0(tolerance):
    with pytest.raises(ValueError, match=f"tolerance must be above 0, got {tolerance}"):
        about([1.0], 1.0, tolerance)


@pytest.mark.parametrize(
    ("values", "step", "low", "high"),
    [
        ([0.37, 0.52], 0.1, "0.3", "0.6"),
        ([0.3, 0.7], 0.1, "0.3", "0.7"),
        ([0.1 + 0.2, 0.7 - 1e-12], 0.1, "0.3", "0.7"),
        ([-0.37, -0.12], 0.1, "-0.4", "-0.1"),
        ([-0.04, 0.04], 0.1, "-0.1", "0.1"),
        ([0.0], 0.1, "0.0", "0.0"),
        ([12.0, 13.0], 5, "10", "15"),
        ([0.613, 0.688], 0.05, "0.60", "0.70"),
        ([0.613, 0.688], 0.25, "0.50", "0.75"),
        ([0.75], 0.25, "0.75", "0.75"),
        ([0.0123], 0.001, "0.012", "0.013"),
        ([1.4e-5], 1e-5, "0.00001", "0.00002"),
        ([2600.0], 1000.0, "2000", "3000"),
    ],
)
def test_bounds_are_rounded_outward_to_the_step(values, step, low, high):
    assert (at_least(values, step), at_most(values, step)) == (low, high)


@pytest.mark.parametrize("step", [1, 0.5, 0.25, 0.15, 0.1, 0.05, 0.01])
def test_the_printed_bounds_hold_and_are_less_than_a_step_away(step):
    for value in np.random.default_rng(0).uniform(-2, 2, 200):
        low, high = float(at_least(value, step)), float(at_most(value, step))
        assert low <= value <= high
        assert value - low < step
        assert high - value < step


@pytest.mark.parametrize("describe", [at_least, at_most, lambda values: about(values, 1.0, 1.0)])
def test_no_values_have_no_bound(describe):
    with pytest.raises(ValueError, match="no values were given"):
        describe([])


@pytest.mark.parametrize("bound", [at_least, at_most])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_there_is_no_bound_on_what_is_not_finite(bound, value):
    with pytest.raises(ValueError, match=f"a bound needs finite values, got {value}"):
        bound([value])
