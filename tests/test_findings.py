"""Tests of helpers.findings: measured quantities with their intervals, in one printed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from helpers import findings
from helpers.findings import mean, paired, ratio, share

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(3, 1, 20), RNG.normal(2, 1, 20)


def test_a_mean_has_the_sample_standard_deviation_and_students_interval():
    effect = mean([1.0, 2.0, 3.0, 6.0], digits=2, unit=" %")
    assert str(effect) == "3.00 ± 2.16 % (n = 4)"
    low, high = stats.t.interval(0.95, 3, loc=3, scale=stats.sem([1, 2, 3, 6]))
    assert (effect.value, effect.low, effect.high, effect.n) == pytest.approx((3, low, high, 4))


def test_a_paired_difference_has_the_interval_of_the_t_test():
    effect = paired(FIRST, SECOND, digits=1)
    low, high = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert (effect.low, effect.high) == pytest.approx((low, high))
    assert str(effect) == f"{effect.value:+.1f}, 95 % interval {low:+.1f} to {high:+.1f} (n = 20)"


def test_splits_of_one_table_have_a_wider_interval():
    """Nadeau and Bengio: the variance of the mean is (1/n + test rows / training rows) times that of a difference."""
    draws, splits = paired(FIRST, SECOND), paired(FIRST, SECOND, overlap=1 / 3)
    assert (splits.value, splits.n) == (draws.value, 20)
    assert (splits.high - splits.low) / (draws.high - draws.low) == pytest.approx(((1 / 20 + 1 / 3) / (1 / 20)) ** 0.5)
    wide = mean(FIRST, overlap=1 / 3)
    assert wide.text == mean(FIRST).text and wide.high - wide.low > 2 * (mean(FIRST).high - mean(FIRST).low)
    with pytest.raises(ValueError, match=r"overlap is -1, expected the number of test rows per training row"):
        paired(FIRST, SECOND, overlap=-1)


def test_the_ends_of_a_ratio_are_where_a_t_test_just_sees_no_difference():
    effect = ratio(FIRST, SECOND)
    assert effect.value == pytest.approx(FIRST.mean() / SECOND.mean())
    for end in (effect.low, effect.high):
        assert stats.ttest_1samp(FIRST - end * SECOND, 0).pvalue == pytest.approx(0.05)
    assert effect.low < effect.value < effect.high


def test_a_ratio_to_what_may_be_zero_has_no_ends():
    effect = ratio([1.0, 2.0, 3.0], [-1.0, 0.1, 1.0])
    assert (effect.low, effect.high) == (-np.inf, np.inf)
    assert "of any size" in str(effect)


def test_a_share_has_wilsons_interval():
    effect = share(np.arange(20) < 18)
    # Wilson, "Probable inference", 1927: centre and half width with z = 1.96.
    z = stats.norm.ppf(0.975)
    centre, half = (18 + z**2 / 2) / (20 + z**2), z / (20 + z**2) * np.sqrt(18 * 2 / 20 + z**2 / 4)
    assert (effect.low, effect.high) == pytest.approx((centre - half, centre + half))
    assert str(effect) == f"18 of 20, 95 % interval {100 * effect.low:.0f} to {100 * effect.high:.0f} %"
    assert share(np.ones(20, dtype=bool)).low < 0.9


def test_almost_nothing_has_no_minus_sign():
    assert str(mean([-1e-9, 1e-9])) == "0.000 ± 0.000 (n = 2)"


BAD = {
    "one value": (lambda: mean([1.0]), r"two or more, got shape \(1,\)"),
    "two dimensions": (lambda: mean([[1.0, 2.0]]), r"got shape \(1, 2\)"),
    "a NaN": (lambda: paired([1.0, np.nan], [1.0, 2.0]), "one finite value per seed"),
    "other seeds": (lambda: paired([1.0, 2.0], [1.0, 2.0, 3.0]), "the same seeds, got 2 and 3"),
    "nothing below": (lambda: ratio([1.0, 2.0], [1.0, -1.0]), "a second mean that is not 0"),
    "numbers as truth values": (lambda: share([1, 0]), "one truth value per seed"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_all_names_are_public():
    assert all(getattr(findings, name).__doc__ for name in findings.__all__)
