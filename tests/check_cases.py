"""Losses, steps and trainings for `test_check.py`: faulty ones, each with what must be found, and right ones."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDRegressor
from sklearn.tree import DecisionTreeRegressor
from torch import distributed

from helpers.pytorch import fit, predict, reduce_losses, step_denominator
from helpers.reductions import REDUCTIONS

DENOMINATOR, ZERO, TWO = "denominator", "weight 0 is absence", "weight 2 is two copies"
OWN, ORDER, NAN = "each row has its own weight", "order of rows", "NaN loss at weight 0"
MICRO, RANKS, VALIDATION = "micro-batches of one step", "ranks of one step", "validation"
HOLDS, FAILS, NOT_OBSERVED, NONE = "holds", "fails", "not observed", "none of these"

rng = np.random.default_rng(5)
N = 12


def tensor(*shape):
    return torch.tensor(rng.normal(size=shape), dtype=torch.float32)


# Losses.

NUMBERS = tensor(N), tensor(N)
COLUMNS = tensor(N, 1), tensor(N, 1)
SQUARE = tensor(N, N), tensor(N, N)
CLASSES = tensor(N, 3), torch.arange(N) % 3
SEQUENCES = tensor(N, 4, 3), torch.tensor(rng.integers(0, 3, (N, 4)))
EVENTS = torch.sigmoid(tensor(N)), (torch.arange(N) % 2).float()
ONE_OF_N = tensor(N, N), torch.arange(N)


def mse(o, t):
    return F.mse_loss(o, t, reduction="none")


def mse_times_w(o, t, w):
    return (mse(o, t) * w).mean()


def ce(o, t, **arguments):
    return F.cross_entropy(o, t, reduction="none", **arguments)


def by_class(o, t, w, reduction="mean"):
    """Row i is of class i, so that the weight of its class is its own."""
    return F.cross_entropy(o, t, weight=torch.ones(N).index_put((t,), w), reduction=reduction)


def last_dropped(o, t, w):
    return (mse(o, t) * w)[:-1].mean()


def masked(divide):
    return lambda o, t, w: (ce(o, t, ignore_index=-1) * w).sum() / divide(t, w)


def rmse(o, t, w):
    return torch.sqrt((mse(o, t) * w).mean())


# Name -> (loss, data, the target that is ignored, property, what must be observed).
FAULTY_LOSSES = {
    "weights ignored": (lambda o, t, w: mse(o, t).mean(), NUMBERS, None, OWN, FAILS),
    "weights ignored, absence": (lambda o, t, w: mse(o, t).mean(), NUMBERS, None, ZERO, FAILS),
    "squared weights": (lambda o, t, w: (mse(o, t) * w**2).mean(), NUMBERS, None, TWO, FAILS),
    "roots of the weights": (lambda o, t, w: (mse(o, t) * w.sqrt()).sum(), NUMBERS, None, OWN, FAILS),
    "weights inside the square": (lambda o, t, w: ((w * (o - t)) ** 2).mean(), NUMBERS, None, TWO, FAILS),
    "weights on the outputs": (lambda o, t, w: mse(w * o, t).mean(), NUMBERS, None, OWN, FAILS),
    "weights on the wrong axis": (lambda o, t, w: (mse(o, t) * w).mean(), SQUARE, None, OWN, FAILS),
    "(n,) against (n, 1)": (lambda o, t, w: (mse(o, t) * w).mean(), COLUMNS, None, OWN, FAILS),
    "targets (n,) against (n, 1)": (lambda o, t, w: (mse(o, t[:, 0]) * w).mean(), COLUMNS, None, OWN, FAILS),
    "mean loss times mean weight": (lambda o, t, w: mse(o, t).mean() * w.mean(), NUMBERS, None, OWN, FAILS),
    "weights of the row before": (lambda o, t, w: (mse(o, t) * w.roll(1)).mean(), NUMBERS, None, ZERO, FAILS),
    "sorted weights": (lambda o, t, w: (mse(o, t) * w.sort()[0]).mean(), NUMBERS, None, ORDER, FAILS),
    "softmax of the weights": (lambda o, t, w: (mse(o, t) * w.softmax(0)).sum(), NUMBERS, None, TWO, FAILS),
    "weights plus one": (lambda o, t, w: (mse(o, t) * (1 + w)).mean(), NUMBERS, None, ZERO, FAILS),
    "weights as a mask": (lambda o, t, w: mse(o, t)[w > 0].mean(), NUMBERS, None, OWN, FAILS),
    "whole weights": (lambda o, t, w: (mse(o, t) * w.int()).mean(), NUMBERS, None, OWN, FAILS),
    "clipped weights": (lambda o, t, w: (mse(o, t) * w.clip(max=10)).mean(), NUMBERS, None, OWN, FAILS),
    "a least weight": (lambda o, t, w: (mse(o, t) * w.clip(min=0.01)).mean(), NUMBERS, None, ZERO, FAILS),
    "divided by the squares": (lambda o, t, w: (mse(o, t) * w).sum() / (w**2).sum(), NUMBERS, None, TWO, FAILS),
    "divided by the root of N": (lambda o, t, w: (mse(o, t) * w).sum() / len(w) ** 0.5, NUMBERS, None, ZERO, FAILS),
    "divided by the largest": (lambda o, t, w: (mse(o, t) * w / w.max()).mean(), NUMBERS, None, DENOMINATOR, NONE),
    "divided twice": (lambda o, t, w: (mse(o, t) * w).mean() / len(w), NUMBERS, None, TWO, FAILS),
    "root of a mean": (rmse, NUMBERS, None, DENOMINATOR, NONE),
    "last row dropped": (last_dropped, NUMBERS, None, ORDER, FAILS),
    "weights of the classes' means": (
        lambda o, t, w: (ce(o, t) * torch.stack([w[t == k].mean() for k in range(3)])[t]).mean(),
        CLASSES, None, OWN, FAILS,
    ),
    "weight on half of a loss": (lambda o, t, w: (mse(o, t) * w + (o - t).abs()).mean(), NUMBERS, None, ZERO, FAILS),
    "reduction ignored: sum": (lambda o, t, w: (mse(o, t) * w).mean(), NUMBERS, None, DENOMINATOR, "mean"),
    "reduction ignored: mean": (lambda o, t, w: (mse(o, t) * w).sum(), NUMBERS, None, DENOMINATOR, "sum"),
    "mean over no zeros": (
        lambda o, t, w: (mse(o, t) * w).sum() / (w != 0).sum(), NUMBERS, None, DENOMINATOR, "nonzero_mean"
    ),
    "ignored rows counted": (masked(lambda t, w: len(t)), CLASSES, -1, DENOMINATOR, "mean"),
    "ignored weights counted": (masked(lambda t, w: w.sum()), CLASSES, -1, DENOMINATOR, NONE),
    "ignored rows in the loss": (
        lambda o, t, w: (ce(o, t.clip(min=0)) * w).mean(), CLASSES, -1, "ignored target is absence", FAILS
    ),
    "losses over their sum": (
        lambda o, t, w: (mse(o, t) * w / mse(o, t).detach().sum()).sum(), NUMBERS, None, NAN, FAILS
    ),
}  # fmt: skip

bce = F.binary_cross_entropy


def sequence(o, t, w):
    return (ce(o.transpose(1, 2), t, ignore_index=-1) * w[:, None]).sum() / (t != -1).sum()


def focal(o, t, w):
    losses = ce(o, t)
    return ((1 - torch.exp(-losses)) ** 2 * losses * w).sum() / w.sum()


def keras_loss(name, *data, reduction="sum_over_batch_size", **arguments):
    return getattr(keras.losses, name)(reduction=reduction, **arguments), data, None, reduction


def array(values):
    return values.numpy()


KERAS_NAMES = {"sum_over_batch_size": "mean", "mean_with_sample_weight": "weighted_mean"}
ONE_HOT = np.eye(3, dtype="float32")[CLASSES[1]]

# Name -> (loss, data, the target that is ignored, denominator).
RIGHT_LOSSES = {
    **{
        f"helpers.pytorch: {name}": (
            lambda o, t, w, name=name: reduce_losses(mse(o, t), w, name), NUMBERS, None, name
        )
        for name in REDUCTIONS
    },
    "cross_entropy(weight=)": (by_class, ONE_OF_N, None, "weighted_mean"),
    "cross_entropy(weight=, sum)": (partial(by_class, reduction="sum"), ONE_OF_N, None, "sum"),
    "cross_entropy x w": (lambda o, t, w: (ce(o, t) * w).mean(), CLASSES, None, "mean"),
    "smoothed cross_entropy x w": (lambda o, t, w: (ce(o, t, label_smoothing=0.1) * w).mean(), CLASSES, None, "mean"),
    "cross_entropy(ignore_index)": (masked(lambda t, w: (t != -1).sum()), CLASSES, -1, "mask count"),
    "cross_entropy(ignore_index) of sequences": (sequence, SEQUENCES, -1, "mask count"),
    "cross_entropy(ignore_index), weighted": (masked(lambda t, w: w[t != -1].sum()), CLASSES, -1, "weighted_mean"),
    "binary_cross_entropy": (bce, EVENTS, None, "mean"),
    "BCE with logits": (
        lambda o, t, w: F.binary_cross_entropy_with_logits(o, t, weight=w), EVENTS, None, "mean"
    ),
    "mse_loss": (F.mse_loss, COLUMNS, None, "weighted_mean"),
    "huber x w": (lambda o, t, w: (F.huber_loss(o, t, reduction="none") * w).sum(), NUMBERS, None, "sum"),
    "l1 x w": (lambda o, t, w: ((o - t).abs() * w).sum() / w.sum(), NUMBERS, None, "weighted_mean"),
    "focal": (focal, CLASSES, None, "weighted_mean"),
    "float64": (lambda o, t, w: (mse(o, t) * w).mean(), tuple(v.double() for v in NUMBERS), None, "mean"),
    "Keras MSE": keras_loss("MeanSquaredError", *map(array, COLUMNS)),
    "Keras MSE, weighted": keras_loss("MeanSquaredError", *map(array, COLUMNS), reduction="mean_with_sample_weight"),
    "Keras MSE, sum": keras_loss("MeanSquaredError", *map(array, COLUMNS), reduction="sum"),
    "Keras BCE": keras_loss("BinaryCrossentropy", *(array(v)[:, None] for v in EVENTS)),
    "Keras sparse CE": keras_loss("SparseCategoricalCrossentropy", *map(array, CLASSES), from_logits=True),
    "Keras CE": keras_loss("CategoricalCrossentropy", array(CLASSES[0]), ONE_HOT, from_logits=True),
    "TensorFlow's squares": (
        lambda o, t, w: tf.reduce_mean((o - t) ** 2 * w), tuple(map(tf.constant, map(array, NUMBERS))), None, "mean"
    ),
}  # fmt: skip

# Steps of a linear model, by torch.

torch.manual_seed(0)
X, Y = tensor(N, 3), tensor(N)
model = torch.nn.Linear(3, 1)


def gradient(of=None):
    found = torch.cat([p.grad.ravel() for p in (of or model).parameters()])
    (of or model).zero_grad()
    return found


def losses(x, y, of=None):
    return ((of or model)(x)[:, 0] - y) ** 2


def accumulated(value, batches, of=None):
    """The gradient of a step to which each micro-batch adds `value(x, y, w)`."""
    for x, y, w in batches:
        value(x, y, w).backward()
    return gradient(of)


def right_step(batches, reduction="mean", of=None, change=lambda losses: losses):
    d = step_denominator([w for _, _, w in batches], reduction)
    return accumulated(
        lambda x, y, w: reduce_losses(change(losses(x, y, of)), w, denominator=d), batches, of
    )  # fmt: skip


def total(batches):
    return sum(w.sum() for _, _, w in batches)


def rows(batches):
    return sum(len(w) for _, _, w in batches)


def mean_of_means(batches):
    return accumulated(lambda x, y, w: reduce_losses(losses(x, y), w) / len(batches), batches)


def mean_of_weighted_means(batches):
    return accumulated(lambda x, y, w: reduce_losses(losses(x, y), w, "weighted_mean") / len(batches), batches)


def sum_of_means(batches):
    return accumulated(lambda x, y, w: reduce_losses(losses(x, y), w), batches)


def first_weights_only(batches):
    n, first = rows(batches), batches[0][2]
    return accumulated(lambda x, y, w: (losses(x, y) * (w if w is first else 1)).sum() / n, batches)


def dropped_in_accumulation(batches):
    n, several = rows(batches), len(batches) > 1
    return accumulated(lambda x, y, w: (losses(x, y) * (1 if several else w)).sum() / n, batches)


def last_batch_dropped(batches):
    return right_step(batches[:-1] if len(batches) > 1 else batches)


def smaller_batches_dropped(batches):
    return right_step([batch for batch in batches if len(batch[2]) == max(len(w) for _, _, w in batches)])


def last_batch_only(batches):
    return right_step(batches)[:] if len(batches) == 1 else right_step(batches[-1:])


def denominator_of_the_first(batches):
    d = batches[0][2].sum()
    return accumulated(lambda x, y, w: (losses(x, y) * w).sum() / d, batches)


def rows_for_weights(batches):
    n = rows(batches)
    return accumulated(
        lambda x, y, w: reduce_losses(losses(x, y), w, "weighted_mean") * len(w) / n, batches
    )  # fmt: skip


def clipped_before_division(batches):
    found = 0
    for batch in batches:
        (losses(*batch[:2]) * batch[2]).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        found = found + gradient()
    return found / rows(batches)


def clipped(batches):
    found = right_step(batches)
    return found * min(1.0, 0.5 / float(found.norm()))


def squared_in_step(batches):
    n = rows(batches)
    return accumulated(lambda x, y, w: (losses(x, y) * w**2).sum() / n, batches)


def batch_means(batches):
    n = rows(batches)
    return accumulated(lambda x, y, w: losses(x, y).mean() * w.sum() / n * len(w), batches)


def of_the_rank(batches, reduction="mean", average=True):
    """Each rank divides by its own denominator."""
    own = {"mean": rows(batches), "weighted_mean": float(total(batches)), "sum": 1}[reduction]
    found = accumulated(lambda x, y, w: reduce_losses(losses(x, y), w, denominator=own), batches)
    return all_reduced(found) if average else found


def all_reduced(found):
    if distributed.is_initialized():
        distributed.all_reduce(found)
        found /= distributed.get_world_size()
    return found


def right_rank(batches):
    return all_reduced(right_step(batches, "weighted_mean"))


# Name -> (step, on ranks too, property, what must be observed).
FAULTY_STEPS = {
    "mean of means": (mean_of_means, False, MICRO, FAILS),
    "mean of weighted means": (mean_of_weighted_means, False, MICRO, FAILS),
    "sum of means": (sum_of_means, False, MICRO, FAILS),
    "weights of the first micro-batch only": (first_weights_only, False, MICRO, FAILS),
    "weights dropped in accumulation": (dropped_in_accumulation, False, MICRO, FAILS),
    "last micro-batch dropped": (last_batch_dropped, False, MICRO, FAILS),
    "smaller micro-batches dropped": (smaller_batches_dropped, False, MICRO, FAILS),
    "gradients of the last micro-batch": (last_batch_only, False, MICRO, FAILS),
    "denominator of the first micro-batch": (denominator_of_the_first, False, MICRO, FAILS),
    "weighted means, by rows": (rows_for_weights, False, MICRO, FAILS),
    "clipped before the division": (clipped_before_division, False, MICRO, FAILS),
    "squared weights in a step": (squared_in_step, False, TWO, FAILS),
    "mean loss times sum of weights": (batch_means, False, OWN, FAILS),
    "N of the rank": (of_the_rank, True, RANKS, FAILS),
    "sum of weights of the rank": (partial(of_the_rank, reduction="weighted_mean"), True, RANKS, FAILS),
    "sum, averaged over ranks": (partial(of_the_rank, reduction="sum"), True, RANKS, FAILS),
    "ranks that are not averaged": (partial(of_the_rank, average=False), True, RANKS, FAILS),
}


def keras_model(steps=None):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam(0.01, gradient_accumulation_steps=steps), "mse")
    return made


# Name -> (step, on ranks too, denominator).
RIGHT_STEPS = {
    **{f"accumulated: {name}": (partial(right_step, reduction=name), False, name) for name in REDUCTIONS},
    "clipped after the division": (clipped, False, NONE),
    "on ranks": (right_rank, True, "weighted_mean"),
    "dropout": (partial(right_step, change=lambda losses: F.dropout(losses, 0.2)), False, "mean"),
}

# Trainings: a linear model by gradient descent in NumPy, which takes a millisecond.

TRAIN_X = rng.normal(size=(37, 2)).astype("float32")
TRAIN_Y = (TRAIN_X @ [1, -0.5] + 0.5 + rng.normal(size=37) * 0.5).astype("float32")
LABELS = (TRAIN_Y > 0.5).astype(int)


def descent(
    x, y, w, reduction="mean", batch=1000, epochs=20, lr=0.1, shuffle=True, change=lambda w: w, drop=False,
    sampler=False, hold=0, validation=lambda w: w, scale=False,
):  # fmt: skip
    """Trains a linear model; each argument is a way to go about it, or a fault."""
    x, y, w = np.asarray(x, float), np.asarray(y, float), change(np.asarray(w, float))
    middle = x.mean(axis=0) if scale else 0
    x = np.column_stack([x - middle, np.ones(len(x))])
    n = len(x) - int(hold * len(x))
    theta, best, best_loss = np.zeros(3), np.zeros(3), np.inf
    for _ in range(epochs):
        order = np.random.permutation(n) if shuffle else np.arange(n)  # noqa: NPY002
        if sampler:
            order = np.random.choice(n, n, p=w[:n] / w[:n].sum())  # noqa: NPY002
        for start in range(0, n, batch):
            some = order[start : start + batch]
            if drop and len(some) < batch:
                continue
            d = {"sum": 1, "mean": len(some), "weighted_mean": w[some].sum(), "nonzero_mean": (w[some] != 0).sum()}
            size = np.ones(len(some)) if sampler == "only" else w[some]
            d = d[reduction] if sampler != "only" else len(some)
            theta = theta - lr * 2 * (size * (x[some] @ theta - y[some])) @ x[some] / (d or 1)
        if hold:
            weights = validation(w[n:])
            loss = (weights * (x[n:] @ theta - y[n:]) ** 2).sum() / (weights.sum() or 1)
            best, best_loss = (theta, loss) if loss < best_loss else (best, best_loss)
    theta = best if hold else theta
    return lambda x: (x - middle) @ theta[:2] + theta[2]


def descend(**how):
    return partial(descent, **how)


MINI = {"batch": 8, "epochs": 8, "lr": 0.05}
HELD = {"hold": 0.2, "epochs": 12, "shuffle": False}
FAULTY_TRAININGS = {
    "weights ignored in training": (descend(change=np.ones_like), OWN, FAILS),
    "weights ignored in batches": (descend(change=np.ones_like, **MINI), ZERO, FAILS),
    "squared weights in training": (descend(change=np.square), TWO, FAILS),
    "squared weights in batches": (descend(change=np.square, **MINI), TWO, FAILS),
    "weights clipped at 1": (descend(change=lambda w: w.clip(max=1)), TWO, FAILS),
    "weights of another row": (descend(change=lambda w: np.roll(w, 1)), ZERO, FAILS),
    "weights of another row in batches": (descend(change=lambda w: np.roll(w, 1), **MINI), OWN, FAILS),
    "weights that are not shuffled": (descend(change=np.random.permutation, **MINI), OWN, FAILS),
    "one weight for all": (descend(change=lambda w: np.full_like(w, w.mean())), ZERO, FAILS),
    "sampler and weight at once": (descend(sampler="and weights", **MINI), TWO, FAILS),
    "weights dropped in validation": (descend(**HELD, validation=np.ones_like), VALIDATION, FAILS),
    "inputs scaled without weights": (descend(scale=True, epochs=4), ZERO, FAILS),
    "last batch dropped": (descend(drop=True, shuffle=False, batch=8), ORDER, FAILS),
    "SGDRegressor, which stops by losses without weights": (SGDRegressor(), ZERO, FAILS),
}


def torch_training(x, y, w):
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 1)
    fit(net, x, y[:, None], loss=mse, sample_weight=w, batch_size=100, optimizer=partial(torch.optim.SGD, lr=0.5))
    return partial(predict, net)


RIGHT_TRAININGS = {
    **{
        f"descent: {name}": (descend(reduction=name, lr=0.002 if name == "sum" else 0.1), TRAIN_Y, name)
        for name in REDUCTIONS
    },
    "batches: mean": (descend(**MINI), TRAIN_Y, None),
    "batches: weighted_mean": (descend(reduction="weighted_mean", **MINI), TRAIN_Y, None),
    "batches in order": (descend(shuffle=False, **MINI), TRAIN_Y, None),
    "sampler instead of weights": (descend(sampler="only", **MINI), TRAIN_Y, None),
    "held-out rows": (descend(**HELD), TRAIN_Y, None),
    "helpers.pytorch.fit": (torch_training, TRAIN_Y, "mean"),
    "Ridge": (Ridge(), TRAIN_Y, "sum"),
    "LogisticRegression": (LogisticRegression(), LABELS, "sum"),
    "LinearRegression": (LinearRegression(), TRAIN_Y, "weighted_mean"),
    "SGDRegressor": (SGDRegressor(tol=None, max_iter=20), TRAIN_Y, None),
    "DecisionTreeRegressor": (DecisionTreeRegressor(max_depth=2), TRAIN_Y, "weighted_mean"),
}
