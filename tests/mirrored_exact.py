"""`exact_train_step` on two replicas of MirroredStrategy: one line of JSON, the error of each gradient."""

from __future__ import annotations

import faulthandler
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "book" / "scripts"))
import two_ranks

from helpers import keras as weighted_keras
from helpers.reductions import REDUCTIONS

import keras  # isort: skip
import tensorflow as tf  # isort: skip

COUNTS = {"uneven": (1, 8)}  # of micro-batches; of the other deals: 3
MAX_NORM = 0.1
DATA = two_ranks.X, two_ranks.Y[:, None]
loss = partial(keras.losses.binary_crossentropy, from_logits=True)


class Model(keras.Sequential):
    """Logistic regression from zero; plain descent at rate 1 moves it by the gradient."""

    how: dict = {}  # noqa: RUF012

    def train_step(self, data):
        return weighted_keras.exact_train_step(self, data, loss, **self.how)


def deals():
    rows, zero = np.arange(two_ranks.N), two_ranks.W.copy()
    zero[:40] = 0
    uneven = [rows[:40], rows[40:]]
    return {
        "uneven": (two_ranks.W, uneven),
        "a replica without rows": (two_ranks.W, [rows, rows[:0]]),
        "a replica weighs nothing": (zero, uneven),
        "no weight at all": (np.zeros_like(zero), uneven),
    }


def gradient(model, make_step) -> np.ndarray:
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    make_step()
    return -np.concatenate([w.ravel() for w in model.get_weights()])


def error(found, weights, reduction, limit=None) -> float:
    right = two_ranks.single_process_gradient(weights, reduction)
    if limit:
        right = right * min(1, limit / np.linalg.norm(right))
    return float(np.linalg.norm(found - right) / (np.linalg.norm(right) or 1))


def errors(strategy, model) -> dict[str, float]:
    found = {}
    for name, (weights, shares) in deals().items():
        parts = [tuple(tf.constant(a[rows]) for a in (*DATA, weights)) for rows in shares]
        shared = strategy.experimental_distribute_values_from_function(
            lambda context, parts=parts: parts[context.replica_id_in_sync_group]
        )
        for count in COUNTS.get(name, (3,)):
            for reduction in REDUCTIONS:
                model.how = {"reduction": reduction, "micro_batches": count}
                step = partial(strategy.run, model.train_step, args=(shared,))
                found[f"{name}, {count}, {reduction}"] = error(gradient(model, step), weights, reduction)
    return found


def main() -> None:
    faulthandler.dump_traceback_later(150, exit=True)
    tf.get_logger().setLevel("ERROR")
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = Model([keras.Input((two_ranks.FEATURES,)), keras.layers.Dense(1, kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    found, history = errors(strategy, model), []
    # As `fit` calls it, compiled, with a clipped gradient. The loss at zero is log 2, whatever the weights.
    model.how = {"reduction": "weighted_mean", "micro_batches": 4, "max_norm": MAX_NORM}
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: history.append(logs["loss"]))
    fit = partial(
        model.fit, *DATA, sample_weight=two_ranks.W, batch_size=two_ranks.N, shuffle=False, verbose=0, callbacks=[keep]
    )
    clipped = error(gradient(model, fit), two_ranks.W, "weighted_mean", MAX_NORM)
    print(json.dumps({"errors": found, "clipped": clipped, "loss": history}))


if __name__ == "__main__":
    main()
