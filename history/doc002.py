"""Document 002: `tf.losses.sigmoid_cross_entropy` in graph mode, and its loop over an unrolled recurrent net.

The loop is the document's, with its argument names. Targets, logits and weights are constants here, so that each loss
is known before.
"""

import numpy as np
import tensorflow as tf

# In TensorFlow 2 the names of TensorFlow 1 are here.
tf1 = tf.compat.v1 if hasattr(tf.compat, "v1") else tf

STEPS, BATCH = 3, 4
RANDOM = np.random.RandomState(0)
LOGITS = RANDOM.normal(size=(STEPS, BATCH, 1)).astype("float32")
TARGETS = (RANDOM.rand(STEPS, BATCH, 1) < 0.4).astype("float32")
# In each step one more weight is zero, so that the steps have different denominators.
WEIGHTS = np.where(TARGETS == 1, 2.0, 0.5).astype("float32")
WEIGHTS[1, :1] = WEIGHTS[2, :2] = 0
LOSSES = np.log1p(np.exp(LOGITS)) - LOGITS * TARGETS

QUESTIONS = {
    "weights=3.0": np.float32(3.0),
    "weights of shape (batch, 1)": WEIGHTS[0],
    "weights of shape (batch, 1), one of them 0": WEIGHTS[1],
    "weights of shape (batch,) for logits of (batch, 1)": WEIGHTS[0, :, 0],
}


def observe():
    """Value and denominator for each shape of weights, and the loop's sum."""
    found = {question: attempt(lambda w=w: one(w)) for question, w in QUESTIONS.items()}
    found["the document's loop"] = attempt(loop)
    return found


def attempt(run):
    """The result of a call, or the kind of its error."""
    try:
        return run()
    except Exception as error:
        return type(error).__name__


def one(weights):
    """The loss of one step; by what was the sum of the weighted losses divided?"""
    step = 1 if (weights == 0).any() else 0
    with tf1.Graph().as_default():
        loss = tf1.losses.sigmoid_cross_entropy(TARGETS[step], LOGITS[step], weights=weights)
        with tf1.Session() as session:
            value = float(session.run(loss))
    weights = np.broadcast_to(weights, LOSSES[step].shape) if np.ndim(weights) != 1 else weights[:, None]
    return {"loss": value, "denominator": denominator(value, LOSSES[step], weights)}


def denominator(value, losses, weights):
    """The name of the reduction that gives this value."""
    total = (losses * weights).sum()
    by = {"sum": 1, "mean": losses.size, "weighted_mean": weights.sum(), "nonzero_mean": (weights != 0).sum()}
    names = [name for name, number in by.items() if np.isclose(total / number, value, rtol=1e-5)]
    return " or ".join(names) or "none of these"


def loop():
    """The document's lines. The losses are collected too: their total is the same sum."""
    with tf1.Graph().as_default():
        loss_sum = 0.0
        for t, o, tw in zip(*[[tf1.constant(step) for step in each] for each in (TARGETS, LOGITS, WEIGHTS)]):
            _loss = tf1.losses.sigmoid_cross_entropy(
                t, o, weights=tw, label_smoothing=0,
                scope="sigmoid_cross_entropy",
                loss_collection=tf1.GraphKeys.LOSSES)  # fmt: skip
            loss_sum += _loss
        with tf1.Session() as session:
            value, total = session.run([loss_sum, tf1.losses.get_total_loss()])
    steps = (LOSSES * WEIGHTS).sum(axis=(1, 2)) / (WEIGHTS != 0).sum(axis=(1, 2))
    return {
        "loss_sum": float(value),
        "get_total_loss": float(total),
        "sum over the steps of the nonzero means": float(steps.sum()),
        "steps times the nonzero mean of all": float(STEPS * (LOSSES * WEIGHTS).sum() / (WEIGHTS != 0).sum()),
    }
