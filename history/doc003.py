"""Document 003: a second `compile` on a trained model, and the two matrices, on Keras 2 with TensorFlow 1.

The network, the rows and the two fits are the document's. MNIST comes from the file that MNIST_NPZ names.
"""

import os

import numpy as np

try:
    import keras
except ImportError:
    from tensorflow import keras
import tensorflow as tf

SEEDS = 3
EPOCHS, BATCH, PATIENCE, SPLIT = 1000, 512, 5, 0.01
EQUAL, IMBALANCED = {0: 1.0, 1: 1.0}, {0: 100.0, 1: 1.0}


def observe():
    """What survives a second compile, and the matrices of a few seeds: a seed ends elsewhere in each run."""
    return {"second compile": second_compile(), "unrepeatable": [matrices(seed) for seed in range(SEEDS)]}


def new_graph(seed):
    """Forget the models before, and start all random numbers again, in one thread."""
    np.random.seed(seed)
    keras.backend.clear_session()
    tf1 = tf.compat.v1 if hasattr(tf.compat, "v1") else tf
    if tf.__version__.startswith("1."):
        one = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        keras.backend.set_session(tf1.Session(config=one))
    tf1.set_random_seed(seed)


def second_compile():
    """Train with Adam; compile again with the same kind of optimiser, the same object, or not: what is still there?"""
    random = np.random.RandomState(0)
    x, y = random.rand(64, 4), random.randint(0, 2, 64)
    found = {}
    for name in ("no second compile", "a new optimiser", "the same object"):
        new_graph(0)
        optimizer = keras.optimizers.Adam()
        layer = keras.layers.Dense(1, activation="sigmoid", use_bias=False, kernel_initializer="zeros", input_dim=4)
        model = keras.models.Sequential([layer])
        model.compile(loss="binary_crossentropy", optimizer=optimizer)
        model.fit(x, y, epochs=3, batch_size=16, verbose=0)
        before, steps = model.get_weights(), step_of(model)
        if name != "no second compile":
            model.compile(loss="binary_crossentropy", optimizer="adam" if name == "a new optimiser" else optimizer)
        same = all((old == new).all() for old, new in zip(before, model.get_weights()))
        compiled = step_of(model)
        # Inputs of zero give no gradient: only a running mean that is still there can move the model.
        model.fit(0 * x, y, epochs=1, batch_size=16, verbose=0)
        moved = max(abs(new - old).max() for new, old in zip(model.get_weights(), before))
        found[name] = {
            "parameters": "kept" if same else "reset",
            "steps before": steps,
            "steps after": compiled,
            "moved without a gradient": float(moved),
        }
    return found


def step_of(model):
    """The optimiser's count of steps."""
    value = model.optimizer.iterations
    return int(value.numpy() if hasattr(value, "numpy") else keras.backend.get_value(value))


def rows():
    """The document's 9s and hundred 4s, and all 9s and 4s of the test digits."""
    with np.load(os.environ["MNIST_NPZ"]) as mnist:
        (x, y), (x_test, y_test) = [(mnist["x_" + part], mnist["y_" + part]) for part in ("train", "test")]
    train = np.concatenate([np.flatnonzero(y == 9), np.flatnonzero(y == 4)[:100]])
    test = np.concatenate([np.flatnonzero(y_test == 9), np.flatnonzero(y_test == 4)])
    flat = [digits.reshape(len(digits), -1).astype("float32") / 255.0 for digits in (x[train], x_test[test])]
    return flat[0], y[train] == 9, flat[1], y_test[test] == 9


def matrices(seed):
    """Both fits on one model, as printed: the confusion matrix after each, and the epochs."""
    layers = keras.layers
    new_graph(seed)
    x, y, x_test, y_test = rows()
    model = keras.models.Sequential()
    model.add(layers.Dense(512, input_dim=x.shape[1], activation="relu"))
    for units in (512, 128):
        model.add(layers.Dropout(0.75))
        model.add(layers.Dense(units, activation="relu"))
    model.add(layers.Dropout(0.75))
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    found = {}
    for name, optimizer, class_weight in (("equal", "adam", EQUAL), ("imbalanced", "rmsprop", IMBALANCED)):
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["binary_accuracy"])
        stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE)
        history = model.fit(
            x, y, epochs=EPOCHS, batch_size=BATCH, shuffle=True, validation_split=SPLIT,
            class_weight=class_weight, callbacks=[stop], verbose=0)  # fmt: skip
        nine = np.round(model.predict(x_test)[:, 0]) == 1
        counts = [
            [int(((y_test == truth) & (nine == said)).sum()) for said in (True, False)] for truth in (True, False)
        ]
        found[name] = {"matrix": counts, "epochs": len(history.epoch)}
    return found
