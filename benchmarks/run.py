"""How fast are the helpers? Prints two Markdown tables; the exit status is 1 if a target was missed.

`make bench` runs it, or `python benchmarks/run.py` where the package is installed: about a minute, on one thread. The
ways take turns, after a warm-up, and each ratio is the median of the ratios within the turns: a machine that is busy
for a while is then busy for all of them.
"""

from __future__ import annotations

import os

# Before any import that starts threads.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

import platform
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import keras
import numpy as np
import tensorflow as tf
import torch
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers.pytorch import fit
from helpers.weights import class_to_sample_weights

ROWS, FEATURES, HIDDEN, CLASSES, BATCH = 50_000, 784, 64, 10, 64
LABELS = 1_000_000
REPEATS = 9

HAND, FIT = "loop over index batches, by hand", "`helpers.pytorch.fit`"
LOADER, KERAS = "loop over a `DataLoader`", "Keras `model.fit`"
KERAS_LOOKUP, LOOKUP = "Keras' own expansion", "`class_to_sample_weights`"
MISSED = []

torch.set_num_threads(1)


def take_turns(ways):
    """Seconds of each way in each turn, after one turn to warm up, in which the results are compared."""
    results = [way() for way in ways.values()]
    # Weights have the mean 1 and labels are random: a net that learns has a loss near log(10). Expansions are equal.
    if not all(np.allclose(result, results[0], rtol=0.05) for result in results):
        raise SystemExit(f"the ways did not do the same work: they gave {results}")
    seconds = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds, name, to):
    """How many times as long as another way it took: the median over the turns."""
    return median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))


def one_epoch():
    """Four ways to train the same net for one epoch on weighted rows. Each returns the epoch's mean loss."""
    rng = np.random.default_rng(0)
    x = rng.random((ROWS, FEATURES), dtype=np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    weights = rng.uniform(0.5, 1.5, ROWS).astype(np.float32)
    x_torch, y_torch, w_torch = map(torch.as_tensor, (x, y, weights))
    layers = nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES)
    model = nn.Sequential(*layers)

    def step(optimizer, x, y, w):
        loss = (cross_entropy(model(x), y, reduction="none") * w).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item() * len(x)

    def by_hand():
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
        batches = torch.randperm(ROWS).split(BATCH)
        return sum(step(optimizer, x_torch[rows], y_torch[rows], w_torch[rows]) for rows in batches) / ROWS

    def by_data_loader():
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
        loader = DataLoader(TensorDataset(x_torch, y_torch, w_torch), batch_size=BATCH, shuffle=True)
        return sum(step(optimizer, *batch) for batch in loader) / ROWS

    def by_fit():
        rmsprop, loss = partial(torch.optim.RMSprop, lr=1e-3), partial(cross_entropy, reduction="none")
        history = fit(model, x, y, loss=loss, sample_weight=weights, optimizer=rmsprop, batch_size=BATCH)
        return history.history["loss"][0]

    dense = [keras.layers.Dense(HIDDEN, "relu"), keras.layers.Dense(HIDDEN, "relu"), keras.layers.Dense(CLASSES)]
    keras_model = keras.Sequential([keras.Input((FEATURES,)), *dense])
    keras_model.compile("rmsprop", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def by_keras():
        return keras_model.fit(x, y, sample_weight=weights, batch_size=BATCH, verbose=0).history["loss"][0]

    return {
        HAND: by_hand,
        FIT: by_fit,
        LOADER: by_data_loader,
        KERAS: by_keras,
    }


def expansion():
    """Two ways to look up the class weight of each row."""
    labels = np.random.default_rng(0).integers(0, CLASSES, LABELS)
    class_weights = {c: 1.0 + c for c in range(CLASSES)}
    return {
        KERAS_LOOKUP: lambda: class_weight_to_sample_weights(labels, class_weights),
        LOOKUP: lambda: class_to_sample_weights(labels, class_weights),
    }


def processor():
    """The processor's name, which `platform` does not know on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def judged(value, at_most=None, at_least=None):
    """Say whether a ratio meets its target, and remember it if not."""
    met = value <= at_most if at_least is None else value >= at_least
    MISSED.extend([] if met else [value])
    bound = f"at most {at_most}" if at_least is None else f"at least {at_least}"
    return f"{bound}: {'met' if met else 'missed'}"


def main():
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, keras {keras.__version__} on tensorflow",
        end=" ",
    )
    print(f"{tf.__version__}, numpy {np.__version__}; {processor()}, one thread. Medians of {REPEATS} turns.")

    seconds = take_turns(one_epoch())
    to_hand = {name: ratio(seconds, name, HAND) for name in seconds}
    speed_up = ratio(seconds, LOADER, FIT)
    targets = dict.fromkeys(seconds, "") | {
        FIT: judged(to_hand[FIT], at_most=1.05),
        LOADER: f"over `fit`, {speed_up:.2f}, {judged(speed_up, at_least=1.25)}",
    }
    print(f"\n| one epoch of {ROWS:,} weighted rows | seconds | over the loop by hand | target |\n|---|--:|--:|---|")
    for name, values in seconds.items():
        print(f"| {name} | {median(values):.3f} | {to_hand[name]:.2f} | {targets[name]} |")

    seconds = take_turns(expansion())
    speed_up = ratio(seconds, KERAS_LOOKUP, LOOKUP)
    print(
        f"\n| class weights of {LABELS:,} labels | milliseconds | Keras' time over ours | target |\n|---|--:|--:|---|"
    )
    print(f"| {KERAS_LOOKUP} | {1000 * median(seconds[KERAS_LOOKUP]):.1f} | | |")
    print(f"| {LOOKUP} | {1000 * median(seconds[LOOKUP]):.1f} | {speed_up:.0f} | {judged(speed_up, at_least=20)} |")
    return 1 if MISSED else 0


if __name__ == "__main__":
    sys.exit(main())
