"""Gradients of weighted losses on two replicas under MirroredStrategy: the wrong form, and the right one.

    python mirrored_weights.py

It needs no second device: TensorFlow divides the processor into two logical ones. One line of JSON is printed: the
relative error of each gradient against one process with all rows.
"""

from __future__ import annotations

import argparse
import faulthandler
import json

import numpy as np
import two_ranks

from helpers import keras as weighted_keras
from helpers.reductions import REDUCTIONS

import keras
import tensorflow as tf

# What Keras calls the reductions that it has.
KERAS_NAMES = {"sum": "sum", "mean": "sum_over_batch_size", "weighted_mean": "mean_with_sample_weight"}
REPLICAS = 2


def wrong_loss(reduction, y, logits, w):
    """Keras' own reduction in each replica, which Keras divides by the number of replicas."""
    if reduction in KERAS_NAMES:
        return keras.losses.BinaryCrossentropy(from_logits=True, reduction=KERAS_NAMES[reduction])(y, logits, w)
    losses = keras.losses.binary_crossentropy(y, logits, from_logits=True)
    return weighted_keras.reduce_losses(losses, w, reduction) / REPLICAS


def right_loss(y, logits, w, denominator):
    """The step's denominator. A scalar of our own is not divided, and the replicas' gradients are added."""
    losses = keras.losses.binary_crossentropy(y, logits, from_logits=True)
    return weighted_keras.reduce_losses(losses, w, denominator=denominator)


class Model(keras.Sequential):
    """Logistic regression from zero. Output j is a model of its own, and gets reduction j."""

    def __init__(self, right: bool):
        dense = keras.layers.Dense(len(REDUCTIONS), kernel_initializer="zeros")
        super().__init__([keras.Input((two_ranks.FEATURES,)), dense])
        self.right = right
        self.compile(keras.optimizers.SGD(1.0), jit_compile=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True, step_weights=None):
        """`step_weights`: the weights of all micro-batches, where this one is not the whole step."""
        total, y = sum(self.losses) / REPLICAS, y[:, None]
        if sample_weight is None:  # `evaluate` without weights
            sample_weight = keras.ops.ones_like(y[:, 0])
        for j, reduction in enumerate(REDUCTIONS):
            logits = y_pred[:, j : j + 1]
            if self.right:
                denominator = weighted_keras.step_denominator(step_weights or sample_weight, reduction)
                total += right_loss(y, logits, sample_weight, denominator)
            else:
                total += wrong_loss(reduction, y, logits, sample_weight)
        return total

    @tf.function
    def accumulate(self, batches):
        """One step of several micro-batches, in one replica."""
        step_weights, sums = [w for _, _, w in batches], None
        for x, y, w in batches:
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x), w, step_weights=step_weights)
                loss = loss if self.right else loss / len(batches)
            gradients = tape.gradient(loss, self.trainable_variables)
            sums = gradients if sums is None else [a + b for a, b in zip(sums, gradients, strict=True)]
        self.optimizer.apply(sums, self.trainable_variables)


def gradients(model, strategy, weights, ranks) -> np.ndarray:
    """What one step of plain descent at rate 1 moves the weights by: shape (FEATURES + 1, 4)."""
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    parts = [[tuple(a[rows] for a in (two_ranks.X, two_ranks.Y, weights)) for rows in rank] for rank in ranks]
    if len(parts[0]) == 1 and len(parts[0][0][0]) == len(parts[1][0][0]):
        # `fit` cuts each batch into equal shares, in order.
        x, y, w = (np.concatenate(arrays) for arrays in zip(*[part[0] for part in parts], strict=True))
        model.fit(x, y, sample_weight=w, batch_size=len(x), shuffle=False, verbose=0)
    else:
        # It cannot start with shares of different size: it adds the first ones up, element by element.
        batches = strategy.experimental_distribute_values_from_function(
            lambda replica: [tuple(map(tf.constant, batch)) for batch in parts[replica.replica_id_in_sync_group]]
        )
        strategy.run(model.accumulate, args=(batches,))
    return -np.vstack(model.get_weights())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time-limit", type=float, default=180, help="seconds after which the process ends")
    # All replicas live in one process: a watchdog says where it stands, and ends it.
    faulthandler.dump_traceback_later(parser.parse_args().time_limit, exit=True)

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])
    with strategy.scope():
        models = {"wrong": Model(right=False), "right": Model(right=True)}
    found = {}
    for name, (weights, ranks) in two_ranks.cases().items():
        found[name] = {
            form: two_ranks.errors(gradients(model, strategy, weights, ranks), weights)
            for form, model in models.items()
        }
    print(json.dumps({"framework": "Keras", "ranks": strategy.num_replicas_in_sync, "errors": found}))


if __name__ == "__main__":
    main()
