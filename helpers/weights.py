"""Make, expand and check weights.

A *class weight* is one number per class, in a dict. A *sample weight* is one number per row, in a float32 array of
shape (n,). Every function here returns one of these two, and refuses what cannot be a weight.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from helpers._labels import check_keys, classes_and_positions, count, one_class_per_row

__all__ = [
    "balanced_class_weights",
    "check_exact_weight_values",
    "check_sample_weights",
    "check_weight_values",
    "class_to_sample_weights",
    "effective_number_class_weights",
    "effective_sample_size",
    "exponential_weights",
    "half_life_weights",
    "inverse_variance_weights",
    "share_class_weights",
]


def balanced_class_weights(labels: ArrayLike) -> dict[Hashable, float]:
    """Weights that give every class the same total weight: n / (k n_c).

    n rows, k classes, n_c rows of class c. The mean weight over the rows is 1.

    Args:
        labels: one class per row, shape (n,) or (n, 1).

    Raises:
        ValueError: no rows, or more than one column (one-hot labels).

    Source: G. King and L. Zeng, "Logistic Regression in Rare Events Data", 2001; the same rule as
    `class_weight="balanced"` in scikit-learn.
    """
    classes, counts = count(labels)
    return dict(zip(classes, (counts.sum() / (len(counts) * counts)).tolist(), strict=True))


def share_class_weights(labels: ArrayLike) -> dict[Hashable, float]:
    """Weights 1 - n_c / n: each class weighs as much as the share of all the others.

    With two classes this evens the total weights, n_A n_B / n each. With more than two it does not: use
    `balanced_class_weights`.

    Args:
        labels: one class per row, shape (n,) or (n, 1).

    Raises:
        ValueError: no rows, one class only (its weight would be 0), or more than one column (one-hot labels).

    Source: document 002 of this book, "How do the loss weights work in TensorFlow?".
    """
    classes, counts = count(labels)
    if len(classes) == 1:
        raise ValueError(
            f"all rows have the label {classes[0]!r}: as the only class it would get the weight 0. Give labels of two "
            "classes or more."
        )
    return dict(zip(classes, (1 - counts / counts.sum()).tolist(), strict=True))


def effective_number_class_weights(labels: ArrayLike, beta: float) -> dict[Hashable, float]:
    """Weights (1 - beta) / (1 - beta ** n_c), scaled so that their mean over the classes is 1.

    beta = 0 gives equal weights; beta -> 1 gives weights proportional to 1 / n_c.

    Args:
        labels: one class per row, shape (n,) or (n, 1).
        beta: in [0, 1). The paper tries 0.9, 0.99, 0.999 and 0.9999.

    Raises:
        ValueError: beta outside [0, 1), no rows, or more than one column.

    Source: Y. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", 2019 (arXiv 1901.05555).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must lie in [0, 1), got {beta}. For weights 1 / n_c use balanced_class_weights.")
    classes, counts = count(labels)
    # 1 - beta ** n_c without cancellation when beta is close to 1.
    effective = -np.expm1(counts * np.log(beta)) / (1 - beta) if beta else np.ones(len(counts))
    raw = 1 / effective
    return dict(zip(classes, (raw / raw.mean()).tolist(), strict=True))


def class_to_sample_weights(
    labels: ArrayLike, class_weights: Mapping[Hashable, float], default: float | None = None
) -> np.ndarray:
    """Look up the class weight of every row.

    Args:
        labels: one class per row, shape (n,) or (n, 1); integers, whole floats, booleans or strings.
        class_weights: weight of each class. A class that has no row is allowed: a batch may lack it.
        default: weight of the classes that `class_weights` does not name. None refuses them.

    Returns:
        float32 array (n,).

    Raises:
        ValueError: class weights that are not a dictionary, a label without a weight (names the first such row), keys
            of another type than the labels, a negative, NaN or infinite weight, or labels with more than one column.
    """
    labels = one_class_per_row(labels)
    if isinstance(class_weights, str):
        raise ValueError(
            f"class_weights must be a dictionary, got {class_weights!r}. See balanced_class_weights(labels)."
        )
    if not isinstance(class_weights, Mapping):
        raise ValueError(
            f"class_weights must be a dictionary {{class: weight}}, got {type(class_weights).__name__}. "
            "For weights in the order of the classes 0, 1, 2, ... pass dict(enumerate(weights))."
        )
    if not class_weights:
        raise ValueError("class_weights is empty. Give a weight for each class, as in {0: 1.0, 1: 5.0}.")
    check_keys(class_weights, labels)
    for label, weight in class_weights.items():
        if np.ndim(weight):
            raise ValueError(f"the weight of class {label!r} must be one number, got shape {np.shape(weight)}.")
        check_weight_values(weight, f"weight of class {label!r}")
    if default is not None:
        check_weight_values(default, "default weight")
    classes, positions = classes_and_positions(labels)
    # NaN marks a class without a weight; no checked weight is NaN.
    missing = np.nan if default is None else default
    looked_up = np.array([class_weights.get(c, missing) for c in classes], dtype=np.float32)[positions]
    unknown = np.isnan(looked_up)
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"row {row} has the label {labels[row]!s}, which has no weight. Weights were given for "
            f"{list(class_weights)}. Add this class to class_weights, or give a default."
        )
    return looked_up


def exponential_weights(x: ArrayLike, rate: float) -> np.ndarray:
    """exp(rate x), scaled to mean 1: rate < 0 makes the left heavy, rate > 0 the right.

    Args:
        x: positions, shape (n,).
        rate: in 1 / units of x.

    Returns:
        float32 array (n,), mean 1.

    Raises:
        ValueError: x is empty, not one-dimensional or not finite, or rate is not finite.
    """
    exponent = _finite_vector(x, "x") * rate
    if not np.isfinite(exponent).all():
        raise ValueError(f"rate must be a finite number, got {rate}.")
    # The largest exponent becomes 0, so that nothing overflows; the scaling to mean 1 undoes the shift.
    raw = np.exp(exponent - exponent.max())
    return (raw / raw.mean()).astype(np.float32)


def half_life_weights(age: ArrayLike, half_life: float) -> np.ndarray:
    """0.5 ** (age / half_life): a row that is one half-life old weighs half as much as a new one.

    Args:
        age: shape (n,), 0 for the newest, in the units of `half_life`.
        half_life: above 0.

    Returns:
        float32 array (n,), in [0, 1].

    Raises:
        ValueError: a negative age, a half-life that is not above 0, or values that are not finite.
    """
    age = _finite_vector(age, "age")
    if not (np.isfinite(half_life) and half_life > 0):
        raise ValueError(f"half_life must be a finite number above 0, got {half_life}.")
    if (age < 0).any():
        row = int((age < 0).argmax())
        raise ValueError(f"age must not be negative: row {row} has {age[row]}. Measure ages back from the newest row.")
    return (0.5 ** (age / half_life)).astype(np.float32)


def inverse_variance_weights(sigma: ArrayLike) -> np.ndarray:
    """1 / sigma ** 2, scaled to mean 1: the weights of the best linear unbiased estimate.

    Args:
        sigma: standard deviation of each row's measurement error, shape (n,), above 0.

    Returns:
        float32 array (n,), mean 1.

    Raises:
        ValueError: a sigma that is not a finite number above 0 (names the first such row).

    Source: A. C. Aitken, "On Least Squares and Linear Combination of Observations", 1936.
    """
    sigma = _finite_vector(sigma, "sigma")
    if (sigma <= 0).any():
        row = int((sigma <= 0).argmax())
        raise ValueError(f"sigma must be above 0: row {row} has {sigma[row]}. No measurement is perfect.")
    raw = (sigma.min() / sigma) ** 2
    return (raw / raw.mean()).astype(np.float32)


def check_sample_weights(weights: ArrayLike, n: int) -> np.ndarray:
    """Return the weights as float32 (n,), or say what is wrong with them.

    Args:
        weights: one per row, shape (n,) or (n, 1).
        n: number of rows.

    Raises:
        ValueError: another shape, or a negative, NaN or infinite weight (names the first bad row).
    """
    weights = check_weight_values(weights)
    if weights.shape not in ((n,), (n, 1)):
        raise ValueError(f"expected one weight per row, shape ({n},), got shape {weights.shape}.")
    return weights.reshape(n)


def check_weight_values(weights: ArrayLike, name: str = "weight") -> np.ndarray:
    """Return the weights as float32 of unchanged shape; refuse values that no weight may have.

    Args:
        weights: one weight, or an array of them.
        name: what the error calls them.

    Raises:
        ValueError: something that is not a number, a negative, NaN or infinite weight, or one that float32 takes
            for 0 or for infinity (names the first bad row).
    """
    exact = check_exact_weight_values(weights, name)
    with np.errstate(over="ignore", under="ignore"):
        weights = exact.astype(np.float32)
    # TensorFlow, for one, takes what is below the smallest normal number for 0.
    lost = (weights < np.finfo(np.float32).tiny) & (exact != 0)
    _refuse(
        exact,
        ~np.isfinite(weights) | lost,
        f"a {name} must be 0 or one that float32 can hold, 1.2e-38 to 3.4e38",
        "Divide all weights by their largest: a weighted mean stays the same.",
    )
    return weights


def check_exact_weight_values(weights: ArrayLike, name: str = "weight") -> np.ndarray:
    """Return the weights as they are, of unchanged shape and type; refuse values that no weight may have.

    Args:
        weights: one weight, or an array of them.
        name: what the error calls them.

    Raises:
        ValueError: something that is not a number, or a negative, NaN or infinite weight (names the first bad row).
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "buif":
        raise ValueError(f"a {name} must be a real number, got an array of {weights.dtype}.")
    _refuse(
        weights,
        ~np.isfinite(weights) | (weights < 0),
        f"a {name} must be finite and not negative",
        "To leave a row out, give it the weight 0.",
    )
    return weights


def _refuse(weights: np.ndarray, bad: np.ndarray, rule: str, to_do: str) -> None:
    """Name the first bad weight, if there is one."""
    if bad.any():
        where = np.unravel_index(int(bad.argmax()), bad.shape)
        found = f"row {', '.join(map(str, where))} has" if where else "got"
        raise ValueError(f"{rule}: {found} {weights[where]}. {to_do}")


def effective_sample_size(weights: ArrayLike) -> float:
    """(sum w) ** 2 / sum(w ** 2): how many equally weighted rows carry as much information. 0 if all weights are 0.

    Args:
        weights: one per row, shape (n,) or (n, 1).

    Raises:
        ValueError: a negative, NaN or infinite weight.

    Source: L. Kish, "Survey Sampling", 1965.
    """
    weights = np.atleast_1d(check_exact_weight_values(weights)).astype(np.float64)
    if weights.ndim != 1 and weights.shape[1:] != (1,):
        raise ValueError(f"expected one weight per row, shape ({len(weights)},), got shape {weights.shape}.")
    largest = weights.max(initial=0.0)
    if not largest:
        return 0.0
    weights = weights / largest  # so that no square overflows, and not all of them vanish
    return float(weights.sum() ** 2 / (weights**2).sum())


def _finite_vector(values: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must be a vector with at least one entry, got shape {values.shape}.")
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        raise ValueError(f"{name} must be finite: row {row} has {values[row]}.")
    return values
