"""Experiments on gradients, the same for a loss and for a step.

The truth is what happens without weights. A weighted gradient is compared with that of a design in which all weights
are 1: rows of weight 0 are left out, rows of weight k / 4 stand there k times. Its direction must be the same. Its size
may differ by a factor that follows from the denominator: for instance, four copies of all rows change no mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from helpers.check.measures import TOLERANCE, Measured, Meter, compare, flat, judge, same
from helpers.check.rows import (
    DENOMINATOR,
    HOLDS,
    MASK_COUNT,
    NONE_OF_THESE,
    NOT_OBSERVED,
    ORDER,
    OWN,
    TWO,
    ZERO,
    Result,
    attempt,
)
from helpers.reductions import REDUCTIONS, reduce_losses

MOST_ROWS, FEWEST_ROWS, HEAVY = 12, 3, 48
Batch = tuple[np.ndarray, np.ndarray]  # which rows, their weights


@dataclass
class Laboratory:
    """A gradient as a function of rows and weights, and what was measured.

    Attributes:
        gradient: `gradient(batches)`, the batches of one step.
        mask: shape (rows, elements): which elements of a row count.
        candidates: the denominators that may be found.
        tolerance: what rounding may explain.
        seen: what was measured.
    """

    gradient: Callable[[Sequence[Batch]], ArrayLike]
    mask: np.ndarray
    candidates: Sequence[str] = REDUCTIONS
    tolerance: float = TOLERANCE
    seen: dict[bytes, Measured] = field(default_factory=dict)

    def __post_init__(self):
        self.meter = Meter(lambda: self.gradient([ones(self.rows)]))
        self.penalty = self._penalty()

    def judge(self, one: Sequence[Batch], other: Sequence[Batch], expected: float | None, why: str = "") -> Result:
        """Has the gradient of one step the direction of another, and the expected size relative to it?"""
        return judge(self.measure(*one), self.measure(*other), expected, why, self.tolerance)

    @property
    def rows(self) -> np.ndarray:
        """All rows."""
        return np.arange(len(self.mask))

    def measure(self, *batches: Batch) -> Measured:
        """The gradient of a step; the same step is made once."""
        key = b"|".join(array.tobytes() for batch in batches for array in batch)
        if key not in self.seen:
            self.seen[key] = self.meter(lambda: flat(self.gradient(batches)) - self.penalty)
        return self.seen[key]

    def _penalty(self) -> np.ndarray | float:
        """A gradient that needs no rows, as that of a weight decay in the loss: it is there when all weights are 0."""
        if self.meter.calls > 1:
            return 0.0
        try:
            few, all_rows = (flat(self.gradient([(rows, np.zeros(len(rows)))])) for rows in (self.rows[:-1], self.rows))
        except Exception:
            return 0.0  # weights that are all 0 may be refused
        return few if np.isfinite(few).all() and few.any() and same(few, all_rows) else 0.0

    def size(self, name: str, batch: Batch) -> float:
        """sum(w) / denominator: how large a denominator makes a gradient."""
        rows, weights = batch
        counts = self.mask[rows]
        weights = np.where(counts, weights[:, None], 0.0)
        if name == MASK_COUNT:
            weights, name = weights[counts], "mean"
        return reduce_losses(np.ones(weights.shape), weights, name)

    def is_clipped(self) -> bool:
        """Gradients of one norm and of several directions: the norm was cut."""
        some = [m for m in self.seen.values() if np.isfinite(m.mean).all() and m.norm and not m.error]
        alike = [(a, b) for a, b in combinations(some, 2) if a.mean.size > 1 and abs(a.norm / b.norm - 1) < 1e-5]
        return sum(compare(a, b).rest > 0.01 for a, b in alike) >= 2

    def is_clipped_by_value(self) -> bool:
        """Gradients of several directions whose largest numbers are the same: each number was cut."""
        some = [m for m in self.seen.values() if np.isfinite(m.mean).all() and m.norm and not m.error]
        if some and all(m.mean.size > 2 and np.allclose(abs(m.mean), some[0].largest) for m in some):
            return True  # every number, so that all gradients seem to agree
        caps = [(a, b) for a, b in combinations(some, 2) if abs(a.largest / b.largest - 1) < 1e-6]
        return sum(compare(a, b).rest > 0.01 for a, b in caps) >= 3


def ones(rows: np.ndarray) -> Batch:
    """The rows, each with the weight 1."""
    return rows, np.ones(len(rows))


def designs(rows: np.ndarray) -> dict[str, tuple[Batch, Batch]]:
    """Name -> a weighted batch, and the batch that must have the same gradient."""
    n = len(rows)
    quarters = 1 + np.arange(n) * 5 % n if n % 5 else 1 + np.arange(n)  # all different, and not sorted
    quarters[n // 2] = HEAVY  # and one that a clipped weight would betray
    kept = rows % 3 != 1
    few = 1 + np.arange(n) % 3
    zeros = np.where(kept, quarters / 4, 0)
    return {
        ZERO: ((rows, zeros), (rows[kept], zeros[kept])),
        TWO: ((rows, few.astype(float)), ones(np.repeat(rows, few))),
        OWN: ((rows, quarters / 4), ones(np.repeat(rows, quarters))),
        "zeros and copies": ((rows, zeros), ones(np.repeat(rows, np.where(kept, quarters, 0)))),
        "zeros and twos": ((rows, few * kept * 1.0), ones(np.repeat(rows, few * kept))),
    }


def common_results(lab: Laboratory) -> dict[str, Result]:
    """The results that a loss and a step share."""
    pairs = designs(lab.rows)
    valid = lab.mask.any(axis=1)
    if not valid.all():
        pairs["ignored rows"] = ones(lab.rows), ones(lab.rows[valid])
    name, said = denominator_of(lab, pairs)
    clipped = lab.is_clipped()
    if clipped:
        name, said = (
            NONE_OF_THESE,
            "gradients of several directions have the same norm: it is clipped. Only " + ("directions are compared"),
        )
    if np.any(lab.penalty):
        said += "; a part that no weight changes, as a weight decay, is left out"
    results = {DENOMINATOR: (name, said + lab.meter.said)}
    for property in (ZERO, TWO, OWN):
        results[property] = attempt(lambda pair=pairs[property]: weighted_result(lab, name, clipped, pair))
    if results[OWN][0] == HOLDS and not clipped:
        results[OWN] = (
            attempt(lambda: scale_result(lab, name, pairs[OWN][0])) if name != NONE_OF_THESE else results[OWN]
        )
    results[ORDER] = attempt(lambda: order_result(lab, pairs[OWN][0]))
    return results


def weighted_result(lab: Laboratory, name: str, clipped: bool, pair: tuple[Batch, Batch]) -> Result:
    """Does a weighted batch have the gradient of its reference, up to what the denominator explains?"""
    weighted, reference = pair
    if clipped:
        return lab.judge([weighted], [reference], None)
    if name == NONE_OF_THESE:
        return judge_by_any(lab, pair)
    ratio = lab.size(name, weighted) / lab.size(name, reference)
    return lab.judge([weighted], [reference], ratio, f" ({name})")


def judge_by_any(lab: Laboratory, pair: tuple[Batch, Batch]) -> Result:
    """Without a denominator for all gradients: one that explains this factor will do."""
    weighted, reference = pair
    ratios = {lab.size(name, weighted) / lab.size(name, reference) for name in lab.candidates}
    found, expected = lab.measure(weighted), lab.measure(reference)
    nearest = min(ratios, key=lambda ratio: abs(compare(found, expected).factor - ratio))
    return lab.judge([weighted], [reference], nearest, ", nearest of what denominators explain")


def scale_result(lab: Laboratory, name: str, batch: Batch) -> Result:
    """Twice the weights: the same direction, and the size that the denominator says."""
    rows, weights = batch
    doubled = (rows, 2 * weights)
    return lab.judge([doubled], [batch], lab.size(name, doubled) / lab.size(name, batch), f" ({name})")


def denominator_of(lab: Laboratory, pairs: dict[str, tuple[Batch, Batch]]) -> Result:
    """The denominator that explains the size of every weighted gradient, if one does."""
    factors, noise, problem = {}, 0.0, ""
    for key, (weighted, reference) in pairs.items():
        try:
            found = compare(lab.measure(weighted), lab.measure(reference))
        except Exception as error:
            problem = f"; {error}"
            continue
        if found.rest <= lab.tolerance + found.noise and found.factor > 0:
            factors[key], noise = found.factor, max(noise, found.noise)
    if not {OWN, "zeros and copies"} & factors.keys():
        return NONE_OF_THESE, f"no weighted gradient has the direction of its reference{problem}"
    ratios = {
        name: {key: lab.size(name, pairs[key][0]) / lab.size(name, pairs[key][1]) for key in factors}
        for name in lab.candidates
    }
    far = {name: max(abs(factors[key] / ratio[key] - 1) for key in factors) for name, ratio in ratios.items()}
    fitting = [name for name, distance in far.items() if distance <= lab.tolerance + noise]
    if len(fitting) > 1 and noise:
        fitting = [min(fitting, key=far.__getitem__)]
    found = ", ".join(f"{factor:.4g}" for factor in factors.values())
    if len(fitting) == 1:
        return fitting[0], f"explains the sizes of {len(factors)} gradients relative to their references: {found}"
    return NONE_OF_THESE, f"relative to their references the gradients have the sizes {found}"


def order_result(lab: Laboratory, batch: Batch) -> Result:
    """The same rows in another order."""
    rows, weights = batch
    moved = np.roll(np.arange(len(rows))[::-1], 2)
    return lab.judge([(rows[moved], weights[moved])], [batch], 1.0)


def nan_said(place: str) -> Result:
    """What 0 x NaN makes of an unmasked product, in every framework."""
    return NOT_OBSERVED, (
        f"{place}: 0 x NaN is NaN, as in the frameworks' own losses. To use NaN for what is missing, mask it before "
        "the product, as helpers.pytorch.reduce_losses does, and inside the loss put a number in its place"
    )


def choose_rows(n: int, most: int = MOST_ROWS) -> np.ndarray:
    """Some rows, evenly spaced: sorted data have all their classes among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
