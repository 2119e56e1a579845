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


class Moved(keras.callbacks.Callback):
    """What each step of plain descent at rate 1 moves the weights by, from zero: shape (FEATURES + 1, 4)."""

    def __init__(self):
        super().__init__()
        self.gradients = []

    def on_train_batch_end(self, batch, logs=None):
        """Keep the step, and take it back."""
        values = self.model.get_weights()
        self.gradients.append(-np.vstack(values))
        self.model.set_weights([np.zeros_like(value) for value in values])


def gradients(model, strategy, cases) -> dict[str, np.ndarray]:
    """The gradient of each case, from one step."""
    parts = {
        name: [[tuple(a[rows] for a in (two_ranks.X, two_ranks.Y, weights)) for rows in rank] for rank in ranks]
        for name, (weights, ranks) in cases.items()
    }
    sizes = {name: [[len(x) for x, _, _ in rank] for rank in ranks] for name, ranks in parts.items()}
    alike = [name for name, (rank_0, rank_1) in sizes.items() if len(rank_0) == 1 and rank_0 == rank_1]
    moved = Moved()
    # `fit` cuts each batch into equal shares, in order. Its start costs more than a step: so once for all, a step each.
    batches = [batch for name in alike for rank in parts[name] for batch in rank]
    x, y, w = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    model.fit(x, y, sample_weight=w, batch_size=two_ranks.N, shuffle=False, verbose=0, callbacks=[moved])
    others = [name for name in parts if name not in alike]
    for name in others:
        # It cannot start with shares of different size: it adds the first ones up, element by element.
        shares = strategy.experimental_distribute_values_from_function(
            lambda replica, ranks=parts[name]: [
                tuple(map(tf.constant, batch)) for batch in ranks[replica.replica_id_in_sync_group]
            ]
        )
        strategy.run(model.accumulate, args=(shares,))
        moved.on_train_batch_end(0)
    return dict(zip([*alike, *others], moved.gradients, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time-limit", type=float, default=100, help="seconds after which the process ends")
    # All replicas live in one process: a watchdog says where it stands, and ends it.
    faulthandler.dump_traceback_later(parser.parse_args().time_limit, exit=True)

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])
    with strategy.scope():
        models = {"wrong": Model(right=False), "right": Model(right=True)}
    cases = two_ranks.cases()
    found = {name: {} for name in cases}
    for form, model in models.items():
        for name, gradient in gradients(model, strategy, cases).items():
            found[name][form] = two_ranks.errors(gradient, cases[name][0])
    print(json.dumps({"framework": "Keras", "ranks": strategy.num_replicas_in_sync, "errors": found}))


if __name__ == "__main__":
    main()
