"""Tests of helpers.weights: hand values, shapes and types, and every refusal."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from helpers.weights import (
    balanced_class_weights,
    check_exact_weight_values,
    check_sample_weights,
    check_weight_values,
    class_to_sample_weights,
    effective_number_class_weights,
    effective_sample_size,
    exponential_weights,
    half_life_weights,
    inverse_variance_weights,
    share_class_weights,
)

LABELS = [0, 0, 0, 1]
MAKERS = {
    "balanced": balanced_class_weights,
    "share": share_class_weights,
    "effective number": lambda labels: effective_number_class_weights(labels, 0.9),
}
NOT_A_WEIGHT = {"negative": -1.0, "NaN": np.nan, "infinite": np.inf}


def totals(labels, class_weights):
    """Total weight of each class."""
    weights = class_to_sample_weights(labels, class_weights)
    return [float(weights[np.asarray(labels) == c].sum()) for c in class_weights]


# Weights of classes.


def test_balanced_weights_are_n_over_k_times_n_c():
    assert balanced_class_weights(LABELS) == {0: 4 / (2 * 3), 1: 4 / (2 * 1)}


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [2, 2, 5, 7, 7, 7, 7], ["cat", "dog", "cat", "cat"]])
def test_balanced_weights_agree_with_scikit_learn(labels):
    theirs = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert balanced_class_weights(labels) == pytest.approx(dict(zip(np.unique(labels).tolist(), theirs, strict=True)))


def test_balanced_weights_give_every_class_the_same_total_and_the_rows_the_mean_1():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    weights = balanced_class_weights(labels)
    assert totals(labels, weights) == pytest.approx([100 / 3] * 3)
    assert class_to_sample_weights(labels, weights).mean() == pytest.approx(1)


def test_share_weights_are_1_minus_the_share_of_the_class_and_even_two_classes_but_not_three():
    three = [0, 0, 1, 2]
    assert share_class_weights(LABELS) == {0: 0.25, 1: 0.75}
    assert share_class_weights(three) == {0: 0.5, 1: 0.75, 2: 0.75}
    assert totals(LABELS, share_class_weights(LABELS)) == pytest.approx([0.75, 0.75])
    assert totals(three, share_class_weights(three)) == pytest.approx([1.0, 0.75, 0.75])


def test_effective_numbers_by_hand():
    # beta = 0.5, counts 1 and 2: (1 - 0.5) / (1 - 0.5) = 1 and (1 - 0.5) / (1 - 0.25) = 2/3, of mean 5/6.
    assert effective_number_class_weights([0, 1, 1], 0.5) == pytest.approx({0: 6 / 5, 1: 4 / 5})


def test_effective_numbers_at_beta_0_are_equal_weights():
    with np.errstate(all="raise"):  # its logarithm is infinite
        assert effective_number_class_weights(LABELS, 0) == {0: 1.0, 1: 1.0}


@pytest.mark.parametrize("beta", [0.5, 0.9999, 1 - 1e-9])
def test_effective_numbers_keep_their_digits_near_beta_1_too(beta):
    # Computed as it is written, 1 - beta ** n_c loses about half of them.
    counts = [1000, 100, 2]
    exact = [(1 - Fraction(beta)) / (1 - Fraction(beta) ** n) for n in counts]
    expected = {c: float(3 * e / sum(exact)) for c, e in enumerate(exact)}
    assert effective_number_class_weights(np.repeat([0, 1, 2], counts), beta) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("beta", [-0.1, 1, 2, np.nan])
def test_effective_numbers_refuse_a_beta_outside_0_to_1(beta):
    with pytest.raises(ValueError, match=rf"beta must lie in \[0, 1\), got {beta}"):
        effective_number_class_weights(LABELS, beta)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([3, 3, 7], np.uint8), [3, 7]),
        (np.array([-1, 2], np.int8), [-1, 2]),
        (np.array([0.0, 1.0, 1.0], np.float32), [0.0, 1.0]),
        (np.array([True, False, True]), [False, True]),
        (np.array(["a", "b", "b"]), ["a", "b"]),
        (np.array(["a", "b", "b"], dtype=object), ["a", "b"]),
        (np.array([[0], [1], [1]]), [0, 1]),
    ],
    ids=["uint8", "negative", "float", "bool", "string", "object", "column"],
)
def test_class_weights_are_plain_python_floats_by_plain_python_classes(make, labels, classes):
    weights = make(labels)
    assert [(type(c), c) for c in weights] == [(type(c), c) for c in classes]
    assert {type(w) for w in weights.values()} == {float}


@pytest.mark.parametrize("make", [*MAKERS.values(), lambda labels: class_to_sample_weights(labels, {0: 1.0})])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.eye(3),
            r"shape \(n,\), got shape \(3, 3\)\. For one-hot rows pass labels.argmax\(axis=1\)\. For sequences, or "
            r"several labels per row, make one weight per loss: class_to_sample_weights\(labels.ravel\(\), ...\)",
        ),
        (np.array(1), r"got shape \(\)"),
        ([0.0, np.nan, np.nan], "must not be NaN: row 1 is"),
    ],
    ids=["one-hot", "scalar", "NaN"],
)
def test_labels_that_are_not_one_class_per_row_are_refused(make, labels, message):
    with pytest.raises(ValueError, match=message):
        make(labels)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_no_rows_have_no_class_weights(make):
    with pytest.raises(ValueError, match=r"^labels is empty: class weights need at least one row"):
        make([])


# From classes to rows.


@pytest.mark.parametrize(
    ("labels", "class_weights"),
    [
        (np.array([0, 1, 1, 0]), {0: 1.0, 1: 5.0}),
        (np.array([0, 1, 1, 0], np.uint8), {0: 1.0, 1: 5.0}),
        (np.array([-3, 4, 4, -3]), {-3: 1.0, 4: 5.0}),
        (np.array([-100, 100, 100, -100], np.int8), {-100: 1.0, 100: 5.0}),
        (np.array([-(10**12), 10**12, 10**12, -(10**12)]), {-(10**12): 1.0, 10**12: 5.0}),
        (np.array([0.0, 1.0, 1.0, 0.0]), {0: 1.0, 1: 5.0}),
        (np.array([0, 1, 1, 0]), {0.0: 1.0, 1.0: 5.0}),
        (np.array([0, 1, 1, 0]), {np.int64(0): 1.0, np.int64(1): 5.0}),
        (np.array([False, True, True, False]), {False: 1.0, True: 5.0}),
        (np.array([False, True, True, False]), {0: 1.0, 1: 5.0}),
        (["a", "b", "b", "a"], {"a": 1.0, "b": 5.0}),
        (np.array(["a", "b", "b", "a"], dtype=object), {"a": 1.0, "b": 5.0}),
        (np.array(["a", "b", "b", "a"], dtype=np.dtypes.StringDType()), {"a": 1.0, "b": 5.0}),
        (np.array([b"a", b"b", b"b", b"a"]), {b"a": 1.0, b"b": 5.0}),
        (np.array([0, 1, 1, 0], dtype=object), {0: 1.0, 1: 5.0}),
        (np.array([0.0, 1.0, 1.0, 0.0], dtype=object), {0: 1.0, 1: 5.0}),
        (np.array([[0], [1], [1], [0]]), {0: 1.0, 1: 5.0}),
    ],
    ids=[
        *("integers", "uint8", "negative", "wide in a narrow type", "far apart", "floats", "float keys"),
        *("NumPy keys", "bools", "bools by number", "strings", "strings as objects", "StringDType", "bytes"),
        *("integers as objects", "floats as objects", "column"),
    ],
)
def test_every_row_gets_the_weight_of_its_class(labels, class_weights):
    weights = class_to_sample_weights(labels, class_weights)
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.0, 5.0, 5.0, 1.0]
    assert list(balanced_class_weights(labels[:3]).values()) == [1.5, 0.75]


def test_looking_up_agrees_with_a_loop_over_the_rows():
    labels = np.random.default_rng(0).integers(-5, 6, 1000)
    class_weights = {c: abs(c) / 4 for c in range(-5, 6)}
    assert class_to_sample_weights(labels, class_weights).tolist() == [class_weights[c] for c in labels.tolist()]


def test_a_class_without_rows_is_allowed_and_so_are_no_rows():
    assert class_to_sample_weights([1, 1], {0: 2.0, 1: 3.0}).tolist() == [3.0, 3.0]
    assert class_to_sample_weights([], {0: 2.0}).shape == (0,)


@pytest.mark.parametrize(("labels", "row"), [([0, 2, 7, 8], 2), ([0, 1, 2, 1], 1)], ids=["beyond", "between"])
def test_a_label_without_weight_is_an_error_that_names_the_first_such_row(labels, row):
    message = rf"row {row} has the label {labels[row]}, which has no weight.*\[0, 2\]"
    with pytest.raises(ValueError, match=message):
        class_to_sample_weights(labels, {0: 1.0, 2: 2.0})


def test_a_default_serves_the_classes_without_weight():
    assert class_to_sample_weights([0, 7, 1], {0: 3.0, 1: 2.0}, default=0.5).tolist() == [3.0, 0.5, 2.0]
    assert class_to_sample_weights(["a", "z"], {"a": 3.0}, default=0).tolist() == [3.0, 0.0]


@pytest.mark.parametrize(
    ("labels", "key", "said"),
    [
        ([0, 1], "0", "numbers"),
        ([0.0, 1.0], "0", "numbers"),
        ([True], "True", "numbers"),
        (np.array([0, 1], dtype=object), "0", "numbers"),
        ([0, 1], b"0", "numbers"),
        (["0", "1"], 0, "strings"),
        ([b"0", b"1"], "0", "bytes"),
    ],
)
def test_keys_of_another_type_than_the_labels_are_refused(labels, key, said):
    # Such a key never matches. With a default, all rows would silently get that.
    with pytest.raises(ValueError, match=f"the labels are {said}, but class_weights has the key {key!r}"):
        class_to_sample_weights(labels, {key: 2.0}, default=1.0)


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
def test_class_weights_and_defaults_that_no_weight_may_be_are_refused_even_when_unused(bad):
    with pytest.raises(ValueError, match=f"weight of class 1 must be finite and not negative: got {bad}"):
        class_to_sample_weights([0, 0], {0: 1.0, 1: bad})
    with pytest.raises(ValueError, match=f"default weight must be finite and not negative: got {bad}"):
        class_to_sample_weights([0, 0], {0: 1.0}, default=bad)


NOT_CLASS_WEIGHTS = [
    *((given, rf"must be a dictionary.*got {type(given).__name__}\. For .* pass dict\(enumerate\(weights\)\)")
      for given in ([0.5, 2.0], (0.5, 2.0), np.array([0.5, 2.0]), 2.0, None)),
    ("balanced", r"must be a dictionary, got 'balanced'\. See balanced_class_weights\(labels\)"),
    ({}, "^class_weights is empty. Give a weight for each class"),
    ({0: "heavy"}, "weight of class 0 must be a real number"),
    ({0: 1.0, 1: np.array([2.0])}, r"the weight of class 1 must be one number, got shape \(1,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), NOT_CLASS_WEIGHTS)
def test_class_weights_that_are_not_a_number_for_each_class_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        class_to_sample_weights([0, 1], given)


# Weights of rows.


def test_exponential_weights_by_hand():
    weights = exponential_weights([0, 1], np.log(3))
    assert weights.dtype == np.float32
    assert weights == pytest.approx([0.5, 1.5])


@pytest.mark.parametrize("rate", [-2.0, 0.0, 2.0])
def test_exponential_weights_have_the_mean_1_and_the_ratio_exp_rate_dx(rate):
    weights = exponential_weights(np.linspace(-3, 3, 61), rate)
    assert weights.mean() == pytest.approx(1)
    assert weights[1:] / weights[:-1] == pytest.approx(np.full(60, np.exp(rate * 0.1)), rel=1e-5)


def test_weights_with_the_mean_1_do_not_overflow():
    assert exponential_weights([0, 1e4], 1.0).tolist() == [0.0, 2.0]
    assert inverse_variance_weights([1e-200, 2e-200]) == pytest.approx([1.6, 0.4])


@pytest.mark.parametrize("rate", [np.nan, np.inf])
def test_exponential_weights_refuse_a_rate_that_is_not_finite(rate):
    with pytest.raises(ValueError, match=f"rate must be a finite number, got {rate}"):
        exponential_weights([1.0, 2.0], rate)


def test_half_life_weights_by_hand():
    weights = half_life_weights([0, 5, 10, 15], 5)
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.0, 0.5, 0.25, 0.125]
    assert half_life_weights([0, 0.25], 0.25).tolist() == [1.0, 0.5]


@pytest.mark.parametrize("half_life", [0, -1.0, np.nan, np.inf])
def test_half_life_must_be_finite_and_above_0(half_life):
    with pytest.raises(ValueError, match=f"half_life must be a finite number above 0, got {half_life}"):
        half_life_weights([0.0, 1.0], half_life)


def test_a_negative_age_is_refused_with_the_first_row():
    with pytest.raises(ValueError, match=r"age must not be negative: row 1 has -2\.0"):
        half_life_weights([0, -2, -3], 5)


def test_inverse_variance_weights_by_hand():
    # 1 / sigma² is 1 and 1/4, of mean 5/8.
    weights = inverse_variance_weights([1, 2])
    assert weights.dtype == np.float32
    assert weights == pytest.approx([1.6, 0.4])


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_sigma_that_is_not_above_0_is_refused_with_the_first_row(bad):
    with pytest.raises(ValueError, match=f"sigma must be above 0: row 1 has {bad}"):
        inverse_variance_weights([1.0, bad, bad])


VECTORS = {
    "x": lambda values: exponential_weights(values, 1.0),
    "age": lambda values: half_life_weights(values, 1.0),
    "sigma": inverse_variance_weights,
}


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_the_first_row(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be finite: row 2 has {bad}"):
        VECTORS[name]([1.0, 1.0, bad, bad])


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("values", [[], [[1.0], [2.0]], 1.0], ids=["empty", "column", "scalar"])
def test_anything_but_a_vector_is_refused_with_its_shape(name, values):
    shape = str(np.shape(values)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"{name} must be a vector with at least one entry, got shape {shape}"):
        VECTORS[name](values)


# Checks.


@pytest.mark.parametrize("given", [[0, 1, 2], [[0], [1], [2]], np.arange(3.0)], ids=["list", "column", "f64"])
def test_good_sample_weights_come_back_as_a_float32_vector(given):
    weights = check_sample_weights(given, 3)
    assert weights.dtype == np.float32
    assert weights.shape == (3,)
    assert weights.tolist() == [0.0, 1.0, 2.0]
    assert check_sample_weights([True, False], 2).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("shape", [(), (2,), (4,), (1, 3), (3, 3), (3, 1, 1)])
def test_sample_weights_of_another_shape_are_refused_with_both_shapes(shape):
    with pytest.raises(ValueError) as error:
        check_sample_weights(np.ones(shape), 3)
    assert f"shape (3,), got shape {shape}" in str(error.value)


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
@pytest.mark.parametrize("check", [lambda w: check_sample_weights(w, 4), check_weight_values], ids=["rows", "values"])
def test_the_first_bad_row_is_named(check, bad):
    with pytest.raises(ValueError, match=f"a weight must be finite and not negative: row 2 has {bad}"):
        check([1.0, 0.0, bad, bad])


def test_the_values_of_any_shape_are_checked_and_the_shape_is_kept():
    assert check_weight_values(np.ones((2, 3))).shape == (2, 3)
    with pytest.raises(ValueError, match=r"row 1, 2 has -1\.0"):
        check_weight_values([[1, 1, 1], [1, 1, -1.0]])


@pytest.mark.parametrize("given", [["1", "2"], [1j, 2], np.array([None, 1])], ids=["text", "complex", "object"])
def test_weights_must_be_real_numbers(given):
    with pytest.raises(ValueError, match="a weight must be a real number, got an array of"):
        check_weight_values(given)


def test_effective_sample_size_by_hand():
    assert effective_sample_size([1, 1, 1, 1]) == 4.0
    assert effective_sample_size([3, 1]) == pytest.approx(16 / 10)
    assert effective_sample_size([[3], [1]]) == pytest.approx(16 / 10)
    assert effective_sample_size([5, 0, 0]) == 1.0


@pytest.mark.parametrize("weights", [[0.0, 0.0], []], ids=["zeros", "empty"])
def test_effective_sample_size_of_no_weight_is_0(weights):
    assert effective_sample_size(weights) == 0.0


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
def test_effective_sample_size_refuses_what_is_no_weight(bad):
    with pytest.raises(ValueError, match=f"row 1 has {bad}"):
        effective_sample_size([1.0, bad])


@pytest.mark.parametrize("odd", [None, 1, b"a", ("a",)])
def test_labels_of_more_than_one_type_are_refused_with_the_first_odd_row(odd):
    with pytest.raises(ValueError, match=f"row 1 has {re.escape(repr(odd))}, row 0 has 'a'"):
        class_to_sample_weights(np.array(["a", odd, "a"], dtype=object), {"a": 1.0})


def test_a_single_class_has_no_share_of_the_others():
    with pytest.raises(ValueError, match=r"label 1: as .* get the weight 0\. Give labels of two classes or more"):
        share_class_weights([1, 1])


TINY, HUGE = map(float, (np.finfo(np.float32).tiny, np.finfo(np.float32).max))


@pytest.mark.parametrize("bad", [1e-46, 1e-40, TINY * (1 - 1e-6), HUGE * (1 + 1e-6), 1e39])
def test_a_weight_that_float32_cannot_hold_is_refused_by_its_given_value_with_the_way_out(bad):
    message = rf"must be 0 or one that float32 can hold.*: row 1 has {re.escape(str(bad))}\. Divide all weights by"
    with np.errstate(all="raise"), pytest.raises(ValueError, match=message):
        check_weight_values(np.array([1.0, bad]))
    assert check_exact_weight_values([1.0, bad]).tolist() == [1.0, bad]


def test_the_smallest_and_the_largest_weights_of_float32_are_weights():
    assert check_weight_values([0.0, TINY, HUGE]).tolist() == [0.0, TINY, HUGE]


@pytest.mark.parametrize("size", [1e-300, 1e-46, 1.0, 3e38, 1e300])
def test_the_effective_sample_size_does_not_depend_on_the_size_of_the_weights(size):
    assert effective_sample_size(np.array([1.0, 1.0, 2.0]) * size) == pytest.approx(16 / 6)


def test_the_effective_sample_size_is_one_of_rows():
    with pytest.raises(ValueError, match=r"expected one weight per row, shape \(3,\), got shape \(3, 2\)"):
        effective_sample_size(np.ones((3, 2)))
