"""The rows of the chapter "Weights on more than one device", and the ways to deal them to two ranks."""

from __future__ import annotations

import numpy as np

from helpers import reductions

N, POSITIVES, IGNORED = 64, 16, 8
FEATURES = 3
# 48 rows of class 0, 8 of them with weight 0, then 16 rows of class 1: each class has the weight 40.
Y = np.repeat([0.0, 1.0], [N - POSITIVES, POSITIVES]).astype("float32")
W = np.repeat([0.0, 1.0, 2.5], [IGNORED, N - POSITIVES - IGNORED, POSITIVES]).astype("float32")
X = np.random.default_rng(0).normal(Y[:, None], 1.0, (N, FEATURES)).astype("float32")


def deal(positives: int) -> list[np.ndarray]:
    """The rows of two ranks of 32, with so many positives on rank 1. Half of the ignored rows go to each."""
    half, ignored = N // 2, IGNORED // 2
    others, ones = np.arange(IGNORED, N - POSITIVES), np.arange(N - POSITIVES, N)
    cut = half - ignored - (POSITIVES - positives)
    rank_0 = np.concatenate([np.arange(ignored), others[:cut], ones[positives:]])
    rank_1 = np.concatenate([np.arange(ignored, IGNORED), others[cut:], ones[:positives]])
    return [rank_0, rank_1]


def cases() -> dict[str, tuple[np.ndarray, list[list[np.ndarray]]]]:
    """Name -> the weights of all rows, and for each rank the rows of each of its micro-batches."""
    dealt = {f"{k} positives": (W, [[rows] for rows in deal(k)]) for k in range(POSITIVES // 2, POSITIVES + 1, 2)}
    rows, (rank_0, rank_1) = np.arange(N), deal(POSITIVES)
    zero_on_rank_0 = W.copy()
    zero_on_rank_0[rank_0] = 0
    return dealt | {
        "sizes 48 and 16": (W, [[rows[:48]], [rows[48:]]]),
        "rank 0 weighs nothing": (zero_on_rank_0, [[rank_0], [rank_1]]),
        "no weight at all": (np.zeros_like(W), [[rank_0], [rank_1]]),
        "rank 1 has no rows": (W, [[rows], [rows[:0]]]),
        "micro-batches": (W, [[rank_0[:20], rank_0[20:]], [rank_1[:5], rank_1[5:]]]),
    }


def single_process_gradient(weights: np.ndarray, reduction: str) -> np.ndarray:
    """Gradient of weighted logistic regression at zero, over all rows, in float64: shape (FEATURES + 1,), bias last."""
    # At zero every probability is 1/2, and the gradient of one row's loss is (1/2 - y) (x, 1).
    per_row = (0.5 - Y[:, None]) * np.column_stack([X, np.ones(N)])
    return np.array([reductions.reduce_losses(column, weights, reduction) for column in per_row.T])


def errors(gradients: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Relative error of each reduction's gradient.

    Args:
        gradients: shape (FEATURES + 1, 4), one column per reduction.
        weights: of all rows.
    """
    found = {}
    for gradient, reduction in zip(np.transpose(gradients), reductions.REDUCTIONS, strict=True):
        right = single_process_gradient(weights, reduction)
        found[reduction] = float(np.linalg.norm(gradient - right) / (np.linalg.norm(right) or 1))
    return found
