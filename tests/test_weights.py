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


def test_share_weights_are_1_minus_the_share_of_the_class():
    assert share_class_weights(LABELS) == {0: 0.25, 1: 0.75}
    assert share_class_weights([0, 0, 1, 2]) == {0: 0.5, 1: 0.75, 2: 0.75}


def test_share_weights_even_two_classes():
    assert totals(LABELS, share_class_weights(LABELS)) == pytest.approx([0.75, 0.75])


def test_share_weights_do_not_even_three_classes():
    labels = [0, 0, 1, 2]
    assert totals(labels, share_class_weights(labels)) == pytest.approx([1.0, 0.75, 0.75])


def test_effective_numbers_by_hand():
    # beta = 0.5, counts 1 and 2: (1 - 0.5) / (1 - 0.5) = 1 and (1 - 0.5) / (1 - 0.25) = 2/3, of mean 5/6.
    assert effective_number_class_weights([0, 1, 1], 0.5) == pytest.approx({0: 6 / 5, 1: 4 / 5})


def test_effective_numbers_at_beta_0_are_equal_weights():
    assert effective_number_class_weights(LABELS, 0) == {0: 1.0, 1: 1.0}


def test_effective_numbers_near_beta_1_are_inverse_counts():
    # 1 / n_c is 1/3 and 1, of mean 2/3.
    assert effective_number_class_weights(LABELS, 1 - 1e-12) == pytest.approx({0: 0.5, 1: 1.5}, rel=1e-9)


def test_effective_numbers_near_beta_1_keep_their_digits():
    # Computed as it is written, 1 - beta ** n_c loses about half of them.
    beta, counts = 1 - 1e-9, [1000, 100]
    exact = [(1 - Fraction(beta)) / (1 - Fraction(beta) ** n) for n in counts]
    expected = {c: float(2 * e / sum(exact)) for c, e in enumerate(exact)}
    assert effective_number_class_weights(np.repeat([0, 1], counts), beta) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("beta", [0, 0.9, 0.9999])
def test_effective_numbers_have_the_mean_1_over_the_classes(beta):
    weights = effective_number_class_weights(np.repeat([0, 1, 2], [500, 30, 2]), beta)
    assert np.mean(list(weights.values())) == pytest.approx(1)


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


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels is empty"),
        (np.eye(3), r"shape \(n,\), got shape \(3, 3\).*labels.argmax\(axis=1\)"),
        (np.array(1), r"got shape \(\)"),
        ([0.0, np.nan, np.nan], "must not be NaN: row 1 is"),
    ],
    ids=["no rows", "one-hot", "scalar", "NaN"],
)
def test_class_weights_refuse_labels_that_are_not_one_class_per_row(make, labels, message):
    with pytest.raises(ValueError, match=message):
        make(labels)


# From classes to rows.


@pytest.mark.parametrize(
    ("labels", "class_weights"),
    [
        (np.array([0, 1, 1, 0]), {0: 1.0, 1: 5.0}),
        (np.array([0, 1, 1, 0], np.uint8), {0: 1.0, 1: 5.0}),
        (np.array([-3, 4, 4, -3]), {-3: 1.0, 4: 5.0}),
        (np.array([-100, 100, 100, -100], np.int8), {-100: 1.0, 100: 5.0}),
        (np.array([0, 10**12, 10**12, 0]), {0: 1.0, 10**12: 5.0}),
        (np.array([0.0, 1.0, 1.0, 0.0]), {0: 1.0, 1: 5.0}),
        (np.array([0, 1, 1, 0]), {0.0: 1.0, 1.0: 5.0}),
        (np.array([0, 1, 1, 0]), {np.int64(0): 1.0, np.int64(1): 5.0}),
        (np.array([False, True, True, False]), {False: 1.0, True: 5.0}),
        (np.array([False, True, True, False]), {0: 1.0, 1: 5.0}),
        (["a", "b", "b", "a"], {"a": 1.0, "b": 5.0}),
        (np.array(["a", "b", "b", "a"], dtype=object), {"a": 1.0, "b": 5.0}),
        (np.array([[0], [1], [1], [0]]), {0: 1.0, 1: 5.0}),
    ],
    ids=[
        *("integers", "uint8", "negative", "wide in a narrow type", "far apart", "floats", "float keys"),
        *("NumPy keys", "bools", "bools by number", "strings", "objects", "column"),
    ],
)
def test_every_row_gets_the_weight_of_its_class(labels, class_weights):
    weights = class_to_sample_weights(labels, class_weights)
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.0, 5.0, 5.0, 1.0]


def test_looking_up_agrees_with_a_loop_over_the_rows():
    labels = np.random.default_rng(0).integers(-5, 6, 1000)
    class_weights = {c: abs(c) / 4 for c in range(-5, 6)}
    assert class_to_sample_weights(labels, class_weights).tolist() == [class_weights[c] for c in labels.tolist()]


def test_a_class_without_rows_is_allowed():
    assert class_to_sample_weights([1, 1], {0: 2.0, 1: 3.0}).tolist() == [3.0, 3.0]


def test_no_rows_give_no_weights():
    assert class_to_sample_weights([], {0: 2.0}).shape == (0,)


def test_a_label_without_weight_is_an_error_that_names_the_first_such_row():
    with pytest.raises(ValueError, match=r"row 2 has the label 7, which has no weight.*\[0, 1\]"):
        class_to_sample_weights([0, 1, 7, 8], {0: 1.0, 1: 2.0})


def test_a_class_number_between_the_given_ones_is_unknown_too():
    with pytest.raises(ValueError, match="row 1 has the label 1,"):
        class_to_sample_weights([0, 1, 2], {0: 1.0, 2: 2.0})


def test_a_default_serves_the_classes_without_weight():
    assert class_to_sample_weights([0, 7, 1], {0: 3.0, 1: 2.0}, default=0.5).tolist() == [3.0, 0.5, 2.0]
    assert class_to_sample_weights(["a", "z"], {"a": 3.0}, default=0).tolist() == [3.0, 0.0]


def test_one_hot_labels_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"got shape \(3, 3\).*labels\.argmax\(axis=1\)"):
        class_to_sample_weights(np.eye(3), {0: 1.0, 1: 1.0, 2: 1.0})


@pytest.mark.parametrize(
    ("labels", "key", "said"),
    [([0, 1], "0", "numbers"), ([0.0, 1.0], "0", "numbers"), ([True], "True", "numbers"), (["0", "1"], 0, "strings")],
)
def test_keys_of_another_type_than_the_labels_are_refused(labels, key, said):
    # Such a key never matches. With a default, all rows would silently get that.
    with pytest.raises(ValueError, match=f"the labels are {said}, but class_weights has the key {key!r}"):
        class_to_sample_weights(labels, {key: 2.0}, default=1.0)


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
def test_class_weights_that_no_weight_may_be_are_refused_even_without_rows(bad):
    with pytest.raises(ValueError, match=f"weight of class 1 must be finite and not negative: got {bad}"):
        class_to_sample_weights([0, 0], {0: 1.0, 1: bad})


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
def test_a_default_that_no_weight_may_be_is_refused_even_when_unused(bad):
    with pytest.raises(ValueError, match=f"default weight must be finite and not negative: got {bad}"):
        class_to_sample_weights([0, 0], {0: 1.0}, default=bad)


def test_class_weights_must_be_numbers():
    with pytest.raises(ValueError, match="weight of class 0 must be a real number"):
        class_to_sample_weights([0], {0: "heavy"})


@pytest.mark.parametrize("given", [[0.5, 2.0], (0.5, 2.0), np.array([0.5, 2.0]), 2.0, None])
def test_class_weights_that_are_not_a_dictionary_are_refused(given):
    with pytest.raises(ValueError, match=rf"must be a dictionary.*got {type(given).__name__}\..*dict\(enumerate"):
        class_to_sample_weights([0, 1], given)


def test_empty_class_weights_are_refused():
    with pytest.raises(ValueError, match="class_weights is empty"):
        class_to_sample_weights([0], {})


def test_nan_labels_are_refused_with_the_first_row():
    with pytest.raises(ValueError, match="must not be NaN: row 1 is"):
        class_to_sample_weights([0.0, np.nan], {0: 1.0}, default=1.0)


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


def test_exponential_weights_do_not_overflow():
    assert exponential_weights([0, 1e4], 1.0).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("rate", [np.nan, np.inf])
def test_exponential_weights_refuse_a_rate_that_is_not_finite(rate):
    with pytest.raises(ValueError, match=f"rate must be a finite number, got {rate}"):
        exponential_weights([1.0, 2.0], rate)


def test_half_life_weights_by_hand():
    weights = half_life_weights([0, 5, 10, 15], 5)
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.0, 0.5, 0.25, 0.125]


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


def test_inverse_variance_weights_of_tiny_sigmas_do_not_overflow():
    assert inverse_variance_weights([1e-200, 2e-200]) == pytest.approx([1.6, 0.4])


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


@pytest.mark.parametrize(
    "given", [[0, 1, 2], [[0], [1], [2]], np.array([0.0, 1.0, 2.0])], ids=["list", "column", "f64"]
)
def test_good_sample_weights_come_back_as_a_float32_vector(given):
    weights = check_sample_weights(given, 3)
    assert weights.dtype == np.float32
    assert weights.shape == (3,)
    assert weights.tolist() == [0.0, 1.0, 2.0]


def test_bools_are_weights_0_and_1():
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


def test_a_weight_that_float32_cannot_hold_is_refused_by_its_given_value():
    with pytest.raises(ValueError, match=r"row 1 has 1e\+39"):
        check_weight_values([1.0, 1e39])


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


def test_effective_sample_size_does_not_change_with_the_scale():
    weights = np.random.default_rng(0).random(100)
    assert effective_sample_size(1000 * weights) == pytest.approx(effective_sample_size(weights))


@pytest.mark.parametrize("weights", [[0.0, 0.0], []], ids=["zeros", "empty"])
def test_effective_sample_size_of_no_weight_is_0(weights):
    assert effective_sample_size(weights) == 0.0


@pytest.mark.parametrize("bad", NOT_A_WEIGHT.values(), ids=NOT_A_WEIGHT)
def test_effective_sample_size_refuses_what_is_no_weight(bad):
    with pytest.raises(ValueError, match=f"row 1 has {bad}"):
        effective_sample_size([1.0, bad])


# Labels of other types.


@pytest.mark.parametrize(
    ("labels", "class_weights"),
    [
        (np.array([0, 1, 1], dtype=object), {0: 1.0, 1: 3.0}),
        (np.array(["a", "b", "b"], dtype=object), {"a": 1.0, "b": 3.0}),
        (np.array(["a", "b", "b"], dtype=np.dtypes.StringDType()), {"a": 1.0, "b": 3.0}),
        (np.array([b"a", b"b", b"b"]), {b"a": 1.0, b"b": 3.0}),
        (np.array([0.0, 1.0, 1.0], dtype=object), {0: 1.0, 1: 3.0}),
    ],
    ids=["integers", "strings", "StringDType", "bytes", "floats"],
)
def test_labels_are_what_they_hold_and_not_what_holds_them(labels, class_weights):
    assert class_to_sample_weights(labels, class_weights).tolist() == [1, 3, 3]
    assert list(balanced_class_weights(labels).values()) == [1.5, 0.75]


@pytest.mark.parametrize("odd", [None, 1, b"a", ("a",)])
def test_labels_of_more_than_one_type_are_refused_with_the_first_odd_row(odd):
    with pytest.raises(ValueError, match=f"row 1 has {re.escape(repr(odd))}, row 0 has 'a'"):
        class_to_sample_weights(np.array(["a", odd, "a"], dtype=object), {"a": 1.0})


def test_numbers_as_objects_still_refuse_keys_of_text():
    with pytest.raises(ValueError, match="the labels are numbers, but class_weights has the key '0'"):
        class_to_sample_weights(np.array([0, 1], dtype=object), {"0": 1.0, "1": 2.0})


# Weights that say nothing, or too much.


def test_a_single_class_has_no_share_of_the_others():
    with pytest.raises(ValueError, match="all rows have the label 1: as the only class it would get the weight 0"):
        share_class_weights([1, 1])


def test_the_weight_of_a_class_is_one_number():
    with pytest.raises(ValueError, match=r"the weight of class 1 must be one number, got shape \(1,\)"):
        class_to_sample_weights([0, 1], {0: 1.0, 1: np.array([2.0])})


@pytest.mark.parametrize("bad", [1e-46, 1e-40, 1e39])
def test_a_weight_between_what_is_finite_and_what_float32_holds_says_so(bad):
    with pytest.raises(ValueError, match=f"must be 0 or one that float32 can hold.* row 1 has {re.escape(str(bad))}"):
        check_weight_values(np.array([1.0, bad]))
    assert check_exact_weight_values([1.0, bad]).tolist() == [1.0, bad]


@pytest.mark.parametrize("size", [1e-300, 1e-46, 1.0, 3e38, 1e300])
def test_the_effective_sample_size_does_not_depend_on_the_size_of_the_weights(size):
    assert effective_sample_size(np.array([1.0, 1.0, 2.0]) * size) == pytest.approx(16 / 6)
