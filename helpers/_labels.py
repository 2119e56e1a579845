"""Class labels: one per row, of one type, counted and looked up."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from numbers import Number

import numpy as np
from numpy.typing import ArrayLike


def count(labels: ArrayLike) -> tuple[list[Hashable], np.ndarray]:
    """Classes as plain Python values, and how many rows each has."""
    labels = one_class_per_row(labels)
    if not len(labels):
        raise ValueError("labels is empty: class weights need at least one row.")
    classes, counts = np.unique(labels, return_counts=True)
    return classes.tolist(), counts


def one_class_per_row(labels: ArrayLike) -> np.ndarray:
    """Labels as a vector of numbers, strings or bytes."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"labels must hold one class per row, shape (n,), got shape {labels.shape}. "
            "For one-hot rows pass labels.argmax(axis=1). For sequences, or several labels per row, make one weight "
            "per loss: class_to_sample_weights(labels.ravel(), ...).reshape(labels.shape)."
        )
    if labels.dtype.kind in "OT":  # objects, and NumPy's strings of any length: as what they hold
        labels = _of_one_type(labels)
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"labels must not be NaN: row {int(np.isnan(labels).argmax())} is.")
    return labels


def _of_one_type(labels: np.ndarray) -> np.ndarray:
    """Labels of dtype object or StringDType as an array of numbers, of strings or of bytes."""
    values = labels.tolist()
    kinds = [next((kind for kind in (str, bytes, Number) if isinstance(v, kind)), None) for v in values]
    for row, kind in enumerate(kinds):
        if kind is None or kind is not kinds[0]:
            raise ValueError(
                f"labels must be all numbers or all strings: row {row} has {values[row]!r}, row 0 has {values[0]!r}."
            )
    return np.array(values) if values else labels.astype(np.int64)


def classes_and_positions(labels: np.ndarray) -> tuple[list[Hashable], np.ndarray]:
    """Distinct classes, and for every row the place of its class in that list."""
    if labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        # Class numbers usually lie close together: then a row's place is a subtraction, not a search.
        if high - low < 10_000:
            if low < 0:
                # A narrow type cannot hold the differences: in int8, 100 - (-100) is -56.
                labels = labels.astype(np.int64)
            return list(range(low, high + 1)), labels - low if low else labels
    classes, positions = np.unique(labels, return_inverse=True)
    return classes.tolist(), positions


def check_keys(keys: Iterable[Hashable], labels: np.ndarray) -> None:
    """Refuse {"0": 2.0} for integer labels, and {0: 2.0} for strings: such a key would never match."""
    texts = {"U": (str, "strings"), "S": (bytes, "bytes")}
    wanted, said = texts.get(labels.dtype.kind, (Number | np.generic, "numbers"))
    for key in keys:
        if not isinstance(key, wanted) or (labels.dtype.kind not in texts and isinstance(key, str | bytes)):
            raise ValueError(
                f"the labels are {said}, but class_weights has the key {key!r}. Use keys of the labels' type."
            )
