"""Document 001: its three fits in sequence on one model, and each kind of weights on a fresh model.

The printed code, with four edits that are the same for all versions: random numbers with a seed, fixed starting
parameters, no shuffling, and `shape=(3,)` where the document's `shape=(3)` is not a tuple. Whether the printed form
runs as well is one of the results. What is printed on a terminal, `fit` returns as a history.
"""

import numpy as np
import tensorflow as tf

ROWS, INPUTS, CLASSES = 100, 3, 3
RANDOM = np.random.RandomState(0)
X, X_VAL = RANDOM.rand(2, ROWS, INPUTS).astype("float32")
Y, Y_VAL = RANDOM.randint(0, CLASSES, (2, ROWS))
START = [RANDOM.normal(size=(INPUTS, CLASSES)).astype("float32"), np.zeros(CLASSES, "float32")]

NOTHING = np.zeros(ROWS)
ONES, ZEROS, UNEQUAL = {0: 1.0, 1: 1.0, 2: 1.0}, {0: 0, 1: 0, 2: 0}, {0: 0.5, 1: 2.0, 2: 3.5}
NONE = {}
CLASS_ONES, CLASS_ZEROS, CLASS_UNEQUAL = ({"class_weight": each} for each in (ONES, ZEROS, UNEQUAL))
SAMPLE_ONES, SAMPLE_ZEROS = {"sample_weight": NOTHING + 1}, {"sample_weight": NOTHING}
VALIDATION_ZEROS = {"validation": NOTHING}
BOTH_ZERO = {"sample_weight": NOTHING, "validation": NOTHING}
VALIDATION_ONES = {"validation": NOTHING + 1}
BOTH_ONES = {"sample_weight": NOTHING + 1, "validation": NOTHING + 1}

# Each list is a sequence of fits on one model; the first is the document's.
SEQUENCES = {
    "the document": [CLASS_ONES, CLASS_ZEROS, BOTH_ZERO],
    "no weights": [NONE],
    "class_weight all 1": [CLASS_ONES],
    "class_weight all 0": [CLASS_ZEROS],
    "class_weight unequal": [CLASS_UNEQUAL],
    "sample_weight all 1": [SAMPLE_ONES],
    "sample_weight all 0": [SAMPLE_ZEROS],
    "validation weights all 0": [VALIDATION_ZEROS],
    "both all 0": [BOTH_ZERO],
    "first a fit without weights, then validation weights all 0": [NONE, VALIDATION_ZEROS],
    "first a fit without weights, then both all 0": [NONE, BOTH_ZERO],
    "first class_weight all 1, then validation weights all 0": [CLASS_ONES, VALIDATION_ZEROS],
    "first class_weight all 1, then both all 0": [CLASS_ONES, BOTH_ZERO],
    "first validation weights all 1, then all 0": [VALIDATION_ONES, VALIDATION_ZEROS],
    "first validation weights all 1, then both all 0": [VALIDATION_ONES, BOTH_ZERO],
    "first both all 1, then both all 0": [BOTH_ONES, BOTH_ZERO],
}


# One row per weight; a weight of 0 sets the nonzero mean apart from the mean.
WEIGHTS = np.resize([0.5, 0.0, 2.0, 3.5], ROWS)


def new_graph():
    """Forget the models before; in TensorFlow 1, compute in one thread, so that all runs add up in the same order."""
    tf.keras.backend.clear_session()
    if tf.__version__.startswith("1."):
        one = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        tf.keras.backend.set_session(tf.Session(config=one))


def build(shape=(INPUTS,), freeze=True, optimizer="adam"):
    """The document's model: compiled first, frozen afterwards."""
    inputs = tf.keras.layers.Input(shape=shape)
    outputs = tf.keras.layers.Dense(CLASSES, activation="softmax")(inputs)
    model = tf.keras.models.Model(inputs=inputs, outputs=outputs)
    loss = tf.keras.losses.sparse_categorical_crossentropy
    metrics = tf.keras.metrics.sparse_categorical_accuracy
    model.compile(loss=loss, metrics=[metrics], optimizer=optimizer)
    model.set_weights(START)
    if freeze:
        for layer in model.layers:
            layer.trainable = False
    return model


def fit(model, validation=None, **weights):
    """One fit: the four numbers that the document prints, and the largest change of a parameter."""
    before = model.get_weights()
    data = (X_VAL, Y_VAL) if validation is None else (X_VAL, Y_VAL, validation)
    history = model.fit(x=X, y=Y, validation_data=data, shuffle=False, verbose=0, **weights).history
    logs = {name.replace("sparse_categorical_accuracy", "accuracy"): value[0] for name, value in history.items()}
    moved = max(abs(new - old).max() for new, old in zip(model.get_weights(), before))
    return {name: number(value) for name, value in dict(logs, moved=moved).items()}


def number(value):
    """A float, or a word for what JSON has no number for."""
    return float(value) if np.isfinite(value) else str(float(value))


def denominator():
    """By what is the sum of the weighted losses divided, in training and in evaluation?"""
    p = softmax(X.dot(START[0]))
    losses = -np.log(p[np.arange(ROWS), Y])
    total = (losses * WEIGHTS).sum()
    by = {"sum": 1, "mean": ROWS, "weighted_mean": WEIGHTS.sum(), "nonzero_mean": (WEIGHTS != 0).sum()}
    values = {
        "train_on_batch": build().train_on_batch(X, Y, sample_weight=WEIGHTS),
        "evaluate": build().evaluate(X, Y, sample_weight=WEIGHTS, batch_size=ROWS, verbose=0),
    }
    loss = {name: float(np.ravel(value)[0]) for name, value in values.items()}
    names = {call: [n for n, d in by.items() if np.isclose(total / d, v, rtol=1e-4)] for call, v in loss.items()}
    return {call: (found or ["none of these"])[0] for call, found in names.items()}


def softmax(logits):
    """Of each row."""
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def attempt(run):
    """The result of a call, or the kind of its error."""
    try:
        return run()
    except Exception as error:
        return "{}: {}".format(type(error).__name__, (str(error).splitlines() or [""])[0][:120])


def observe():
    """Every sequence on a model of its own."""
    found = {name: attempt(lambda fits=fits: run(fits)) for name, fits in SEQUENCES.items()}
    found["not frozen"] = attempt(lambda: run(SEQUENCES["the document"], freeze=False))
    found["SGD"] = attempt(lambda: run(SEQUENCES["the document"], optimizer="sgd"))
    found["denominator"] = attempt(denominator)
    found["Input(shape=(3))"] = attempt(lambda: "runs" if build(shape=(INPUTS)) else "")
    return found


def run(fits, **how):
    """The fits of one sequence."""
    new_graph()
    model = build(**how)
    return [fit(model, **weights) for weights in fits]
