"""Document 004: weight 2 on the digit 5, one epoch, and the output bias of 5, on TensorFlow of 2022.

Each seed has an unweighted twin, which the document lacks. MNIST comes from the file that MNIST_NPZ names.
"""

import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

SEEDS = 3
ROWS, BATCH = 50000, 64


def observe():
    """Both arms for each seed, and whether class weights and the equal sample weights do the same."""
    weighted, plain, by_row = ([biases(seed, arm) for seed in range(SEEDS)] for arm in ("class", "none", "sample"))
    return {
        "bias of 5, weighted": [run[5] for run in weighted],
        "bias of 5, not weighted": [run[5] for run in plain],
        "rank of 5, weighted": [rank(run) for run in weighted],
        "rank of 5, not weighted": [rank(run) for run in plain],
        "class_weight and sample_weight give the same biases": weighted == by_row,
    }


def rank(run):
    """1 for the largest of the ten biases."""
    return int(sum(value > run[5] for value in run)) + 1


def biases(seed, arm):
    """The ten output biases after one epoch of the document's model."""
    with np.load(os.environ["MNIST_NPZ"]) as mnist:
        x = mnist["x_train"][:ROWS].reshape(ROWS, 784).astype("float32") / 255
        y = mnist["y_train"][:ROWS].astype("float32")
    keras.backend.clear_session()
    np.random.seed(seed)
    tf.random.set_seed(seed)
    inputs = keras.Input(shape=(784,), name="digits")
    hidden = keras.layers.Dense(64, activation="relu", name="dense_1")(inputs)
    hidden = keras.layers.Dense(64, activation="relu", name="dense_2")(hidden)
    outputs = keras.layers.Dense(10, activation="softmax", name="predictions")(hidden)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    weights = {
        "none": {},
        "class": {"class_weight": {digit: 2.0 if digit == 5 else 1.0 for digit in range(10)}},
        "sample": {"sample_weight": np.where(y == 5, 2.0, 1.0)},
    }
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, **weights[arm])
    return [float(value) for value in model.get_layer("predictions").get_weights()[1]]
