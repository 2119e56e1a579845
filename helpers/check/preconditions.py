"""What a function holds that would spoil an experiment: batch norm and dropout in training mode."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator


def rows_meet(function: Callable) -> bool:
    """Whether it holds a layer in training mode whose rows share statistics."""
    return any("BatchNorm" in type(layer).__name__ and _trains(layer) for layer in layers_of(function))


def random_layers(function: Callable) -> bool:
    """Whether it holds dropout in training mode, as far as can be told: a Keras layer is not asked."""
    return any(
        "Dropout" in type(layer).__name__ and getattr(layer, "training", False) and getattr(layer, "p", 0) > 0
        for layer in layers_of(function)
    )


def _trains(layer: object) -> bool:
    """Torch modules know it. A Keras layer trains unless it is frozen, for a step calls it with training=True."""
    return bool(getattr(layer, "training", getattr(layer, "trainable", True)))


def layers_of(function: Callable) -> Iterator[object]:
    """The layers of all torch modules and Keras models that a function can reach by name."""
    for thing in held_by(function):
        if "torch" in sys.modules and isinstance(thing, sys.modules["torch"].nn.Module):
            yield from thing.modules()
        elif "keras" in sys.modules and isinstance(thing, sys.modules["keras"].Layer):
            yield from thing._flatten_layers()


def held_by(function: Callable) -> list[object]:
    """What a function closes over, its globals that it names, its object and its attributes, and bound arguments."""
    held = [function, *vars(function).values()] if hasattr(function, "__dict__") else [function]
    while isinstance(function, functools.partial):
        held += [*function.args, *function.keywords.values()]
        function = function.func
    owner = getattr(function, "__self__", None)
    held += [owner, *getattr(owner, "__dict__", {}).values()]
    try:
        found = inspect.getclosurevars(inspect.unwrap(getattr(function, "__func__", function)))
        held += [*found.nonlocals.values(), *found.globals.values()]
    except (TypeError, ValueError):
        pass
    held += [
        *(getattr(function, "__defaults__", None) or ()),
        *(getattr(function, "__kwdefaults__", None) or {}).values(),
    ]
    return held
