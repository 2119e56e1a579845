"""`python -m helpers.check module:object`: find the object, find data that it takes, check it, print the rows."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from helpers.check.drive import KINDS, as_loss, as_step, as_training, kind_of_thing
from helpers.check.losses import check_loss
from helpers.check.rows import NOT_OBSERVED, OWN, TWO, ZERO, CannotBeDriven, Row, failures, message_of, render
from helpers.check.steps import check_step
from helpers.check.tensors import backend_of, like, to_kind
from helpers.check.trainings import check_training

NAMES = {"loss": ("outputs", "targets"), "step": ("x", "y"), "training": ("x", "y")}
DESCRIPTION = """Does a loss, a step or a training honour weights?

module:object is what one of the three functions of helpers.check takes, or a function without arguments that makes it.
The data are those of --data; else `outputs` and `targets`, or `x` and `y`, of the same module; else made up.
Exit status: 0: nothing fails; 1: something fails; 2: it could not be driven, and why.
"""
ROWS, FEATURES = 48, (3, 1, 2, 4, 5, 8, 10, 16)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line `python -m helpers.check`.

    Args:
        argv: its arguments. None: those that were typed.

    Returns:
        The exit status, which is 0 if nothing fails, 1 if something does, and 2 if the object could not be driven.
    """
    parser = argparse.ArgumentParser(
        "python -m helpers.check", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("object", metavar="module:object")
    parser.add_argument("--as", dest="kind", choices=KINDS, help="what the object is, if that cannot be told")
    parser.add_argument("--data", metavar="module:object", help="the two arrays, or a function that makes them")
    parser.add_argument("--ignored", type=float, help="of a loss: the target that a mask ignores")
    parser.add_argument("--allow", action="append", default=[], metavar="PROPERTY", help="this may fail")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of data that were only tried
            rows = _check(arguments)
    except Exception as error:
        said = str(error) if isinstance(error, CannotBeDriven) else message_of(error)
        print(f"{arguments.object} could not be driven: {said}", file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=2) if arguments.format == "json" else render(rows))
    if not _is_observed(rows) and not failures(rows):
        print(f"{arguments.object} could not be driven: nothing was observed", file=sys.stderr)
        return 2
    return int(any(row["property"] not in arguments.allow for row in failures(rows)))


def _check(arguments: argparse.Namespace) -> list[Row]:
    thing = _load(arguments.object)
    kind = arguments.kind or kind_of_thing(thing)
    given = _given_data(arguments, kind)
    for data in [given] if given else _made_data(thing, kind):
        if kind == "loss":
            rows = check_loss(thing, *data, ignored=_whole(arguments.ignored))
        else:
            rows = (check_step if kind == "step" else check_training)(thing, *data)
        if _is_observed(rows):
            break
    return rows


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and value % 1 == 0 else value


def _is_observed(rows: Sequence[Row]) -> bool:
    return any(row["observed"] != NOT_OBSERVED for row in rows if row["property"] in (ZERO, TWO, OWN))


def _load(name: str) -> Any:
    """What a name like `module:object` names; a function without arguments is called."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise CannotBeDriven("write module:object, as in my_module:my_loss.")
    sys.path.insert(0, "")
    try:
        found = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    finally:
        sys.path.remove("")
    makes = inspect.isclass(found) or (inspect.isfunction(found) and not inspect.signature(found).parameters)
    return found() if makes else found


def _given_data(arguments: argparse.Namespace, kind: str) -> tuple[Any, Any] | None:
    if arguments.data:
        data = _load(arguments.data)
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise CannotBeDriven(f"--data must be a pair, {NAMES[kind]}, or a function that makes it.")
        return tuple(data)
    module = import_module(arguments.object.partition(":")[0])
    data = [getattr(module, name, None) for name in NAMES[kind]]
    return (
        None if any(part is None or (callable(part) and not hasattr(part, "shape")) for part in data) else tuple(data)
    )


def _made_data(thing: Any, kind: str) -> Iterator[tuple[Any, Any]]:
    """Data that the object takes without an error."""
    driven = {"loss": as_loss, "step": as_step, "training": as_training}[kind](thing)
    problem, fits = "", False
    for data in {"loss": _loss_data, "step": _step_data, "training": _training_data}[kind](thing):
        try:
            _run(driven, kind, *data)
        except CannotBeDriven:
            raise
        except Exception as error:
            problem = problem or message_of(error)
            continue
        fits = True
        yield data
    if not fits and kind == "loss":
        yield next(_loss_data(thing))  # other shapes of weights are tried, and the error says which
    elif not fits:
        raise CannotBeDriven(f"no made-up data fit, give your own with --data. The first was refused: {problem}")


def _run(driven: Callable, kind: str, first: Any, second: Any) -> None:
    n = len(first)
    if kind == "loss":
        driven(first, second, like(np.ones(n), first))
    elif kind == "step":
        driven([(first[:9], second[:9], like(np.ones(9), first))])
    else:
        predict = driven(first, second, np.ones(n, np.float32))
        getattr(predict, "predict", predict)(first)


def _loss_data(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Probabilities of classes, which are logits too, and classes; then chances and events; then one-hot classes."""
    rng, n = np.random.default_rng(0), 12
    p = rng.dirichlet(np.ones(3), n).astype(np.float32)
    labels = rng.permutation(np.arange(n) % 3)
    chance, event = rng.uniform(0.1, 0.9, n).astype(np.float32), (labels > 0).astype(np.float32)
    kind = backend_of(thing, p)
    pairs = [(p, labels), (chance, event), (chance[:, None], event[:, None]), (p, np.eye(3, dtype=np.float32)[labels])]
    if any(cls.__module__.startswith("keras.") for cls in type(thing).__mro__):
        del pairs[1]  # Keras takes the mean over the last axis, and needs two
    sequences = (rng.dirichlet(np.ones(3), (n, 5)).astype(np.float32), rng.integers(0, 3, (n, 5)))
    yield from ((to_kind(outputs, kind), to_kind(targets, kind)) for outputs, targets in [*pairs, sequences])


def _step_data(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Features and a number, a column of numbers, or a class; as tensors of torch too, if it is loaded."""
    for kind in ("numpy", "torch") if "torch" in sys.modules else ("numpy",):
        for x, y in _features_and_targets():
            yield to_kind(x, kind), to_kind(y, kind)


def _training_data(thing: Any) -> Iterator[tuple[Any, Any]]:
    labels_first = hasattr(thing, "predict_proba") or "Classifier" in type(thing).__name__
    pairs = list(_features_and_targets())
    yield from sorted(pairs, key=lambda pair: (pair[1].dtype.kind == "f") == labels_first)


def _features_and_targets() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    for d in FEATURES:
        x = rng.normal(size=(ROWS, d)).astype(np.float32)
        score = x @ np.linspace(1, -0.5, d) + rng.normal(size=ROWS)
        number = (score / score.std()).astype(np.float32)
        yield from ((x, number), (x, number[:, None]), (x, (score > 0).astype(np.int64)))
