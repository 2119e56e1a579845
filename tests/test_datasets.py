"""Tests of helpers.datasets: the data say what they are, exactly where there is a formula."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from helpers import mnist
from helpers.datasets import clusters, curve, load_mnist, nines_and_fours, ramp, rare_sequences

# The curves and the clusters.


def test_curve():
    x, y = curve()
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((200,), (200,), np.float32, np.float32)
    assert (x[0], x[-1]) == (-3, 3)
    np.testing.assert_allclose(np.diff(x), 6 / 199, rtol=1e-4)
    np.testing.assert_allclose(y, np.exp(-(x.astype(np.float64) ** 2)), rtol=1e-5)
    x, y = curve(n=3, low=0, high=1)
    np.testing.assert_allclose(x, [0, 0.5, 1])
    np.testing.assert_allclose(y, [1, 0.778801, 0.367879], rtol=1e-5)


def test_ramp():
    x, y = ramp()
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((200,), (200,), np.float32, np.float32)
    np.testing.assert_array_equal(x, curve()[0])
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)) / np.exp(3), rtol=1e-5)
    assert y[-1] == 1
    assert ramp(n=2, low=0, high=1000)[1].tolist() == [0, 1], "no overflow"


def test_clusters():
    x, labels = clusters(20000, seed=3)
    assert (x.shape, labels.shape, x.dtype, labels.dtype) == ((40000,), (40000,), np.float32, np.int64)
    assert np.bincount(labels).tolist() == [20000, 20000]
    for label, centre in ((1, -1), (0, 1)):
        assert x[labels == label].mean() == pytest.approx(centre, abs=0.03)
        assert x[labels == label].var() == pytest.approx(1, abs=0.05)
    assert 9000 < labels[:20000].sum() < 11000, "the rows are shuffled"


@pytest.mark.parametrize("make", [partial(clusters, 50), partial(rare_sequences, 30, prevalence=0.1)])
def test_a_seed_gives_the_same_data_again_and_another_gives_others(make):
    for first, again, other in zip(*(make(seed=seed) for seed in (1, 1, 2)), strict=True):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


# Rare sequences.


def test_rare_sequences():
    x, y, scores = rare_sequences(50, 7, seed=3, prevalence=0.1)
    assert (x.shape, y.shape, scores.shape) == ((50, 7, 1), (50, 7), (50, 7))
    assert (x.dtype, y.dtype, scores.dtype) == (np.float32, np.int64, np.float64)
    assert set(np.unique(y)) == {0, 1}
    assert (scores > 0).all() and (scores < 1).all()


@pytest.mark.parametrize("pattern", [(1.0,), (1.0, -1.0, 1.0)])
def test_every_step_has_the_prevalence_that_was_asked_for(pattern):
    y = rare_sequences(100_000, 8, seed=0, prevalence=0.05, pattern=pattern).y
    # Five standard errors, at the first step too: a pattern may have begun before it.
    np.testing.assert_allclose(y.mean(axis=0), 0.05, atol=5 * np.sqrt(0.05 * 0.95 / 100_000))


def test_the_label_stands_at_the_end_of_the_pattern():
    pattern = [1.0, -2.0, 3.0]
    x, y, _ = rare_sequences(2000, 12, seed=0, prevalence=0.1, noise=0.01, pattern=pattern)
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], 3, axis=1)
    found = np.abs(windows - pattern).max(axis=-1) < 0.1
    np.testing.assert_array_equal(found, y[:, 2:] == 1)
    assert found[:, 3:][found[:, :-3]].any(), "one pattern may follow another at once"
    assert not (y[:, 1:] & y[:, :-1]).any(), "patterns do not overlap"


def brute_force_score(x: np.ndarray, pattern: list[float], noise: float, prevalence: float) -> float:
    """P(the last step ends a pattern | x): the sum over all paths of hidden states."""
    k = len(pattern)
    start = prevalence / (1 - (k - 1) * prevalence)
    first = [1 - k * prevalence, *[prevalence] * k]
    means = [0.0, *pattern]
    total = positive = 0.0
    for path in itertools.product(range(k + 1), repeat=len(x)):
        p = first[path[0]]
        for before, now in itertools.pairwise(path):
            p *= {1: start, 0: 1 - start}.get(now, 0.0) if before in (0, k) else float(now == before + 1)
        for value, state in zip(x, path, strict=True):
            p *= np.exp(-0.5 * ((value - means[state]) / noise) ** 2)
        total += p
        positive += p * (path[-1] == k)
    return positive / total


@pytest.mark.parametrize(("pattern", "prevalence"), [([1.0], 0.3), ([1.0, -1.0], 0.2), ([1.0, 0.5, -2.0], 0.1)])
def test_scores_are_the_sum_over_all_paths(pattern, prevalence):
    x, _, scores = rare_sequences(4, 5, seed=0, prevalence=prevalence, noise=0.8, pattern=pattern)
    for row, t in itertools.product(range(4), range(5)):
        seen = x[row, : t + 1, 0].astype(np.float64)
        assert scores[row, t] == pytest.approx(brute_force_score(seen, pattern, 0.8, prevalence), rel=1e-10)


def test_scores_of_a_single_value_are_a_logistic_curve():
    x, _, scores = rare_sequences(100, 3, seed=0, prevalence=0.2, noise=0.7, pattern=[2.0])
    # The log of the odds before x is seen, plus the log of the ratio of the two normal densities at x.
    logits = np.log(0.2 / 0.8) + (2 * x[..., 0].astype(np.float64) - 2) / 0.7**2
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), rtol=1e-10)


def test_scores_are_calibrated():
    y, scores = (part.ravel() for part in rare_sequences(40_000, 10, seed=0, prevalence=0.05)[1:])
    for low, high in itertools.pairwise([0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1]):
        chosen = (scores >= low) & (scores < high)
        error = np.sqrt((scores * (1 - scores))[chosen].sum()) / chosen.sum()
        assert chosen.sum() > 500
        assert abs(y[chosen].mean() - scores[chosen].mean()) < 4 * error


def test_no_other_scores_are_better():
    x, y, scores = rare_sequences(20_000, 12, seed=0, prevalence=0.02)
    padded = np.pad(x[..., 0], ((0, 0), (2, 0)))
    matched_filter = padded[:, 2:] - padded[:, 1:-1] + padded[:, :-2]
    logits = np.log(scores / (1 - scores))
    disturbed = logits + 0.5 * np.random.default_rng(0).standard_normal(logits.shape)
    best = average_precision_score(y.ravel(), scores.ravel())
    for other in (x[..., 0], matched_filter, disturbed):
        assert average_precision_score(y.ravel(), other.ravel()) < best - 0.005
    at_best = log_loss(y.ravel(), scores.ravel())
    for other in (disturbed, logits + 0.3, logits - 0.3, 0.8 * logits, 1.2 * logits):
        assert log_loss(y.ravel(), 1 / (1 + np.exp(-other.ravel()))) > at_best


@pytest.mark.parametrize("noise", [1e-3, 1e3])
def test_scores_stay_finite_with_little_and_with_much_noise(noise):
    _, y, scores = rare_sequences(2000, 10, seed=0, prevalence=0.05, noise=noise)
    target = y[:, 2:] if noise < 1 else 0.05  # with little noise all is known; with much, only the prevalence
    np.testing.assert_allclose(scores[:, 2:], np.broadcast_to(target, (2000, 8)), atol=1e-3)


LINE_ERRORS = [
    ({"n": 1}, "n is 1, expected 2 or more"),
    ({"n": -5}, "n is -5, expected 2 or more"),
    ({"low": 1.0, "high": 1.0}, "low is 1.0 and high is 1.0"),
    ({"low": 2.0, "high": 1.0}, "low is 2.0 and high is 1.0"),
    ({"low": float("nan")}, "low is nan"),
    ({"high": float("inf")}, "high is inf"),
]
SEQUENCE_ERRORS = [
    ({"n": 0}, "n is 0, expected 1 or more"),
    ({"length": -1}, "length is -1, expected 1 or more"),
    ({"prevalence": 0}, "prevalence is 0, expected a number above 0 and below 1 / 3"),
    ({"prevalence": 1 / 3}, "below 1 / 3"),
    ({"prevalence": float("nan")}, "prevalence is nan"),
    ({"prevalence": 0.5, "pattern": [1.0, 2.0]}, "each label 1 takes the 2 steps"),
    ({"noise": 0.0}, "noise is 0.0, expected a finite standard deviation above 0"),
    ({"noise": float("inf")}, "noise is inf"),
    ({"pattern": []}, r"pattern is \[\], expected one or more finite numbers"),
    ({"pattern": [0.0, 0.0]}, "not all 0"),
    ({"pattern": [1.0, float("nan")]}, "expected one or more finite numbers"),
    ({"pattern": [[1.0], [2.0]]}, "expected one or more finite numbers"),
]


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        *((function, *error) for function in (curve, ramp) for error in LINE_ERRORS),
        *((clusters, {"n_per_class": n, "seed": 0}, f"n_per_class is {n}, expected 1 or more") for n in (0, -1)),
        *((rare_sequences, {"n": 5, "seed": 0, **changes}, message) for changes, message in SEQUENCE_ERRORS),
    ],
)
def test_arguments_that_make_no_data_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


# MNIST.


def test_nines_and_fours_come_in_this_order_scaled_and_labelled() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.full((1, 28, 28), 51, dtype=np.uint8)
    labels = np.array([4, 9, 4, 1, 9, 4])
    x, y = nines_and_fours(images, labels, fours=2)
    assert x.shape == (4, 784) and x.dtype == y.dtype == np.float32
    assert x[:, 0] == pytest.approx([0.2, 0.8, 0.0, 0.4])
    assert y.tolist() == [1, 1, 0, 0]
    assert nines_and_fours(images, labels)[1].tolist() == [1, 1, 0, 0, 0]


def test_more_fours_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        nines_and_fours(np.zeros((1, 28, 28), np.uint8), np.array([4]), fours=2)


def test_mnist_can_be_asked_for_here():
    assert load_mnist is mnist.load_mnist
