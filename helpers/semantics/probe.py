"""What all experiments share: the data of the probe, the frameworks, and how a case is run and judged."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

import numpy as np
from numpy.typing import ArrayLike

import helpers

SECTIONS = ("effects", "denominators", "inputs", "bad_inputs", "shapes", "masks", "outputs", "precision")
KEYS = ("section", "framework", "version", "backend", "case", "target", "observed", "detail")
FORMATS = ("table", "markdown", "json")
FRAMEWORKS = ("keras", "torch")
NOT_OBSERVED, NONE_OF_THESE = "not observed", "none of these"
ACCEPTED, REFUSED, SILENT = "accepted", "refused", "silently other"

Result = tuple[str, str]  # observed, detail
Row = tuple[str, str, str, str]  # case, target, observed, detail
Case = tuple[str, str, Callable[[], Result]]
Quantities = dict[str, np.ndarray]
Outcome = tuple[np.ndarray, float, float]  # the weights that were found, the loss, the loss with these weights

# Short binary fractions: float32 holds them, their products and their sums exactly.
N, K = 4, 3
LABELS = np.array([2, 0, 1, 2])
CLASS_WEIGHT = {0: 0.5, 1: 2.5, 2: 3.5}
BY_CLASS = np.array(list(CLASS_WEIGHT.values()))
# The first and the last row have the same class and different weights: no class weights can do the same.
ROW_WEIGHTS = np.array([1.5, 0.25, 3.0, 0.75], np.float32)


def identity_of(framework: str) -> tuple[str, str]:
    """Version and backend; empty where the framework cannot be imported, which the rows then say."""
    try:
        if framework == "keras":
            keras = import_keras()
            return keras.__version__, keras.backend.backend()
        return str(helpers.__version__ if framework == "helpers" else import_torch().__version__), ""
    except Exception:
        return "", ""


def import_keras():
    """Keras, imported quietly."""
    return import_module("helpers.keras").keras  # imported quietly


def import_torch():
    """torch, imported only where it is asked for."""
    return import_module("torch")


def attempt(cases: Iterable[Case], control: Callable = lambda: None) -> Iterator[Row]:
    """Run each experiment. One that fails is reported, and does not stop the others.

    Where the control fails, an error of the cases could not be blamed on their weights: none is observed then.
    """
    problem = error_of(control)
    for case, target, experiment in cases:
        try:
            yield case, target, *((NOT_OBSERVED, f"the control failed: {problem}") if problem else experiment())
        except Exception as error:
            yield case, target, NOT_OBSERVED, message_of(error)


def error_of(call: Callable) -> str:
    """What a call raises, "" if nothing."""
    try:
        call()
    except Exception as error:
        return message_of(error)
    return ""


def message_of(error: Exception) -> str:
    """The first line of an error, without what changes from one run or machine to the next."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*|0x[0-9a-fA-F]+|(?<=Dataset):\d+|'?/[\w./-]*/[\w./-]+'?", "", str(error)).strip()
    first = text.splitlines()[0] if text else ""
    return textwrap.shorten(f"{type(error).__name__}: {first}", 160, placeholder=" ...")


def numbers_of(values: ArrayLike) -> str:
    """Numbers as a short text."""
    values = np.asarray(values)
    if values.ndim < 2:
        return ", ".join(f"{value + 0.0:.4g}" for value in np.atleast_1d(values))
    if np.allclose(values, values[:, :1], equal_nan=True):
        return numbers_of(values[:, 0])
    if np.allclose(values, values[0]):
        return f"{numbers_of(values[0])} along each row"
    return "; ".join(map(numbers_of, values))


def judge(run: Callable[[], Outcome], meant: np.ndarray | None, rows: str = "rows") -> Result:
    """Accepted, refused or silently other? `meant` None: no weights could honour this request."""
    try:
        found, loss, weighted_loss = run()
    except Exception as error:
        return REFUSED, message_of(error)
    honoured = meant is not None and found.shape == meant.shape and np.allclose(found, meant, rtol=1e-5)
    said = f"{rows} have the weights {numbers_of(found)}"
    if np.isnan(found).all():
        said = "every parameter becomes nan"
    if meant is not None and not honoured:
        said += f", meant were {numbers_of(meant)}"
    if not np.isfinite(loss):
        honoured, said = False, f"{said}; the loss is {loss}"
    elif not np.isclose(loss, weighted_loss, rtol=1e-5):
        honoured, said = False, f"{said}; the loss is {loss:.4g}, with these weights it would be {weighted_loss:.4g}"
    return (ACCEPTED if honoured else SILENT), said
