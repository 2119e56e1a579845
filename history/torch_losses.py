"""PyTorch: which losses take a weight, and by what do they divide?"""

import numpy as np
import torch
import torch.nn.functional as F

INDEX = np.array([2, 0, 1, 2])
LOGITS = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [0.0, 1.0, -2.0], [-1.0, 0.5, 0.75]], "float32")
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
ONE_HOT = np.eye(3, dtype="float32")[INDEX]
MULTI_HOT = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], "float32")
TRUTH, GUESS = np.array([[1, 0.5, 2, 0.75], [0.25, 1.5, -0.5, 3]], "float32")
CHANCE, EVENT = np.array([[0.25, 0.5, 0.75, 0.125], [1, 0, 0, 1]], "float32")
# A weight of 0 sets the nonzero mean apart from the mean.
CLASS_W, ROW_W = np.array([0.5, 0, 3.5], "float32"), np.array([1.5, 0, 3, 0.75], "float32")
COLUMN_W = np.broadcast_to(CLASS_W, MULTI_HOT.shape)
SMOOTHING = 0.1

# Loss, data, the weight that it is given, and what that makes of the weight of each loss.
LOSSES = {
    "F.cross_entropy(logits, index, weight=w)": (LOGITS, INDEX, CLASS_W, CLASS_W[INDEX]),
    "F.cross_entropy(logits, probabilities, weight=w)": (LOGITS, ONE_HOT, CLASS_W, CLASS_W[INDEX]),
    "F.nll_loss(log_p, index, weight=w)": (LOG_P, INDEX, CLASS_W, CLASS_W[INDEX]),
    "F.binary_cross_entropy(p, target, weight=w)": (CHANCE, EVENT, ROW_W, ROW_W),
    "F.binary_cross_entropy_with_logits(logits, target, weight=w)": (LOGITS, MULTI_HOT, CLASS_W, COLUMN_W),
    "F.binary_cross_entropy_with_logits(logits, target, pos_weight=w)": (
        LOGITS, MULTI_HOT, CLASS_W, np.where(MULTI_HOT == 1, COLUMN_W, 1)),
    "F.mse_loss(prediction, target, weight=w)": (GUESS, TRUTH, ROW_W, ROW_W),
    "F.l1_loss(prediction, target, weight=w)": (GUESS, TRUTH, ROW_W, ROW_W),
    "F.huber_loss(prediction, target, weight=w)": (GUESS, TRUTH, ROW_W, ROW_W),
    "F.smooth_l1_loss(prediction, target, weight=w)": (GUESS, TRUTH, ROW_W, ROW_W),
}  # fmt: skip


def observe():
    """Every loss, and label smoothing."""
    found = {name: attempt(lambda n=name, g=given: one(n, *g)) for name, given in LOSSES.items()}
    found["label_smoothing with weights"] = attempt(smoothing)
    found["class weights all 0"] = attempt(
        lambda: str(float(F.cross_entropy(torch.tensor(LOGITS), torch.tensor(INDEX), weight=torch.zeros(3))))
    )
    return found


def attempt(run):
    """The result of a call, or the kind of its error."""
    try:
        return run()
    except Exception as error:
        return "{}: {}".format(type(error).__name__, str(error).splitlines()[0][:100])


def one(name, data, target, given, weights):
    """Which denominator gives the value of this loss?"""
    loss, argument = getattr(F, name[2 : name.index("(")]), "pos_weight" if "pos_weight" in name else "weight"
    data, target = torch.tensor(data), torch.tensor(target)
    value = float(loss(data, target, **{argument: torch.tensor(given)}))
    losses = loss(data, target, reduction="none").numpy()
    total = (losses * weights).sum()
    by = {"sum": 1, "mean": losses.size, "weighted_mean": weights.sum(), "nonzero_mean": (weights != 0).sum()}
    names = [reduction for reduction, number in by.items() if np.isclose(total / number, value, rtol=1e-4)]
    return " or ".join(names) or "none of these"


def smoothing():
    """Are the targets smoothed first, and then weighted by their class, or is each class's share weighted?"""
    value = float(
        F.cross_entropy(
            torch.tensor(LOGITS), torch.tensor(INDEX), weight=torch.tensor(CLASS_W), label_smoothing=SMOOTHING
        )
    )
    smooth = (1 - SMOOTHING) * ONE_HOT + SMOOTHING / 3
    weight = CLASS_W[INDEX]
    forms = {
        "each class's share is weighted": -(smooth * CLASS_W * LOG_P).sum() / weight.sum(),
        "smoothed first, then the row is weighted": -((smooth * LOG_P).sum(axis=1) * weight).sum() / weight.sum(),
    }
    return [name for name, form in forms.items() if np.isclose(form, value, rtol=1e-4)] or "none of these"
