"""Document 004: weight 2 on the digit 5, on TensorFlow of 2022: its claims D1 to D6.

Network, optimiser, batch size, the one epoch and the ten are the document's. Each weighted network has an unweighted
twin, which the document lacks. Three edits, the same for all versions: starting parameters from NumPy, seeds, and
several steps for each call, which changes no number. MNIST comes from the file that MNIST_NPZ names.
"""

import os

import numpy as np

# These kernels run on some processors only, and there the ReLU of a fused layer makes a NaN a 0 (see D5).
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import tensorflow as tf

keras = tf.keras
SEEDS = 10
EPOCHS, BUFFER = 10, 1024
DIGIT, CLASS_WEIGHT = 5, {digit: 2.0 if digit == 5 else 1.0 for digit in range(10)}
ROWS, SOME, BATCH = 50000, 6400, 64
SIZES = (784, 64), (64, 64), (64, 10)
with np.load(os.environ["MNIST_NPZ"]) as mnist:
    X = mnist["x_train"][:ROWS].reshape(ROWS, 784).astype("float32") / 255
    Y = mnist["y_train"][:ROWS].astype("int64")
BY_ROW = np.where(Y == DIGIT, 2.0, 1.0).astype("float32")
X_SOME, Y_SOME = X[:SOME], Y[:SOME]


def observe():
    """The small, exact comparisons, and the trainings whose last digits another processor changes."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return {
        "D1, p(class 1) without inputs": attempt(half),
        "D5, parameters that masked rows change": attempt(mask),
        "D6, parameters that differ": attempt(class_or_sample),
        "D6, ten sample weights for all rows": attempt(ten_weights),
        "RMSprop, step over learning rate": attempt(rmsprop),
        "chaotic": [
            {
                "weight": one_epoch(seed, class_weight=CLASS_WEIGHT),
                "no weight": one_epoch(seed),
                "D3, weight": ten_epochs(seed, BY_ROW),
                "D3, no weight": ten_epochs(seed, np.ones(ROWS, "float32")),
            }
            for seed in range(SEEDS)
        ],
    }


def attempt(run):
    """The result of a call, or the kind of its error."""
    try:
        return run()
    except Exception as error:
        return "{}: {}".format(type(error).__name__, (str(error).splitlines() or [""])[0][:120])


def new_model(seed, steps=1):
    """The document's model, started from Glorot's uniform numbers and biases of 0."""
    keras.backend.clear_session()
    np.random.seed(seed)
    tf.random.set_seed(seed)
    random = np.random.RandomState(seed)
    inputs = keras.Input(shape=(784,), name="digits")
    x = keras.layers.Dense(64, activation="relu", name="dense_1")(inputs)
    x = keras.layers.Dense(64, activation="relu", name="dense_2")(x)
    outputs = keras.layers.Dense(10, activation="softmax", name="predictions")(x)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", steps_per_execution=steps,
                  metrics=["sparse_categorical_accuracy"])  # fmt: skip
    start = [(random.uniform(-1, 1, size) * np.sqrt(6 / sum(size)), np.zeros(size[1])) for size in SIZES]
    model.set_weights([array.astype("float32") for layer in start for array in layer])
    return model


def last_layer(model):
    """The output biases, and norm and mean of each column of the last matrix: three lists of ten."""
    matrix, bias = model.get_layer("predictions").get_weights()
    found = {"bias": bias, "norm": np.linalg.norm(matrix, axis=0), "column mean": matrix.mean(axis=0)}
    return {name: [round(float(value), 6) for value in values] for name, values in found.items()}


def one_epoch(seed, **weights):
    """The document's first experiment: one epoch on arrays. 46 steps for each call: 17 calls are an epoch."""
    model = new_model(seed, steps=46)
    model.fit(X, Y, batch_size=BATCH, epochs=1, verbose=0, **weights)
    return last_layer(model)


def ten_epochs(seed, weights):
    """D3: the second experiment, on triples of `tf.data`. The output biases after the first epoch and the last."""
    model, biases = new_model(seed, steps=46), []
    triples = tf.data.Dataset.from_tensor_slices((X, Y, weights)).shuffle(BUFFER, seed=seed).batch(BATCH)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: biases.append(last_layer(model)["bias"]))
    model.fit(triples, epochs=EPOCHS, verbose=0, callbacks=[keep])
    return {"1": biases[0], str(EPOCHS): biases[-1]}


def fit_some(x=X_SOME, y=Y_SOME, **weights):
    """The parameters after one epoch on some of the rows, in their order."""
    model = new_model(0)
    model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0, **weights)
    return model.get_weights()


def differing(first, second):
    """How many parameters are not equal."""
    return int(sum((a != b).sum() for a, b in zip(first, second)))


def half():
    """D1: class 1 has twice the rows of class 0, and half the weight. A model without inputs learns the share."""
    y, found = np.repeat([0, 1], [100, 200]), {}
    for name, weights in (("no weight", None), ("weight", {0: 1.0, 1: 0.5})):
        model = keras.Sequential([keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
        x = np.zeros((60000, 1), "float32")
        model.fit(x, np.tile(y, 200), class_weight=weights, batch_size=300, shuffle=False, verbose=0)
        found[name] = float(model.predict(x[:1], verbose=0)[0, 0])
    return found


def mask():
    """D5: rows of weight 0 are replaced by noise, and by NaN. How many parameters notice?"""
    random = np.random.RandomState(0)
    kept = random.rand(SOME) < 0.5
    noise = np.where(kept[:, None], X_SOME, random.rand(SOME, 784).astype("float32"))
    labels = np.where(kept, Y_SOME, random.randint(0, 10, SOME))
    weights = {"sample_weight": kept.astype("float32")}
    clean = fit_some(**weights)
    return {
        "noise": differing(clean, fit_some(noise, labels, **weights)),
        "NaN": differing(clean, fit_some(np.where(kept[:, None], X_SOME, np.float32("nan")), **weights)),
        "of": sum(array.size for array in clean),
    }


def class_or_sample():
    """D6: the same weights by class and by row; and, as the control, none."""
    by_class = fit_some(class_weight=CLASS_WEIGHT)
    return {
        "by class or by row": differing(by_class, fit_some(sample_weight=BY_ROW[:SOME])),
        "with or without": differing(by_class, fit_some()),
    }


def ten_weights():
    """D6: one sample weight for each class instead of each row."""
    fit_some(sample_weight=np.array(list(CLASS_WEIGHT.values())))
    return "accepted"


def rmsprop():
    """The first step for a gradient of 1e-4: does epsilon stand under the root (0.3) or beside it (3)?"""
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    layer.build((None, 1))
    keras.optimizers.RMSprop(learning_rate=1.0).apply_gradients([(tf.constant([[1e-4]]), layer.kernel)])
    return float(-layer.get_weights()[0][0, 0])
