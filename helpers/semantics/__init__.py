"""What weights do in the frameworks that are installed here, found by small experiments.

Run it as a program, or call `observe`::

    python -m helpers.semantics [--format table|markdown|json] [--only keras|torch] [--compare]

Nothing is looked up in a table of versions. Keras runs on the backend that `KERAS_BACKEND` names: TensorFlow, torch or
JAX. `--compare` prints, instead of the rows of Keras, where they differ from those that were stored for the nearest
version: the same one, or the newest before it.

The method. Keras trains a probe: the input of row i is the i-th unit vector and the model is one matrix, so that each
row has parameters of its own. One step of plain SGD with learning rate 1 moves the parameters of row i by the gradient
of row i, and no others. There is one batch and one epoch. What `fit` reports of the training rows was computed before
that step, and the parameters of the validation rows are not moved by it: all reported numbers belong to a model that
stands still. They are compared with those of a twin that is given no weights.

- `effects`: which quantities change when weights are given? The loss is the squared error, the metric the absolute one.
- `denominators`: by what is the sum of the weighted losses divided? The value is compared with the four candidates.
- `inputs` and `bad_inputs`: what weight has each row? In Keras the loss of a row IS its output here, and the losses are
  summed, so that the step of row i is its weight. In torch a row's weight is its weighted loss over its unweighted one,
  or the gradient with respect to its loss. `accepted`: each row has the weight that was meant, and the loss is the
  finite number that these weights make. `refused`: an error. `silently other`: anything else. A control comes first,
  data without weights or with good ones: where that fails, an error says nothing about the weights.
- `shapes`: the same question for each pixel of an image and each step of a sequence, with the stock losses. A pixel's
  weight is the step of its parameters with the weights over that without.
- `masks`: steps are left out of the loss in the ways that one meets. Divided by what, and with class weights? What if
  all are left out? Is a NaN under the mask harmless?
- `outputs`: the same for a model with two outputs, whose losses, rows and classes are weighted by order or by name.
- `precision`: the same for weights of several dtypes, on another device, under mixed precision, and too large.

`run_eagerly=True` saves a second for each model. It changes no meaning: Keras turns class weights into row weights and
splits off validation rows before a step is traced, and a traced step does what the same code does eagerly. A test
compares the two.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from functools import partial

from helpers.semantics import masks, outputs, precision, probe, shapes
from helpers.semantics.denominators import denominator, keras_rows, torch_rows
from helpers.semantics.effects import effect_rows
from helpers.semantics.inputs import (
    bad_input_rows,
    helpers_by_class,
    helpers_by_row,
    input_rows,
    keras_by_class,
    keras_by_row,
    torch_by_class,
    torch_by_row,
)
from helpers.semantics.probe import FORMATS, FRAMEWORKS, NOT_OBSERVED, identity_of
from helpers.semantics.report import render
from helpers.semantics.stored import compare

__all__ = ["KEYS", "SECTIONS", "denominator", "main", "observe", "render"]


#: The kinds of experiments, as explained above.
SECTIONS = probe.SECTIONS
#: What each row of `observe` says.
KEYS = probe.KEYS


def observe(sections: Sequence[str] = SECTIONS, only: str | None = None) -> list[dict[str, str]]:
    """Run the experiments.

    Args:
        sections: which of `SECTIONS`.
        only: "keras" or "torch": only the rows of this framework; the other is imported only where it is needed as
            a source of data. None: both, and the rows of `helpers`.

    Returns:
        Rows with the keys `KEYS`, all strings, in a fixed order. `observed` is "not observed" where an experiment
        failed; `detail` then says why.

    Raises:
        ValueError: an unknown section or framework.
    """
    for name, allowed in [*((s, SECTIONS) for s in sections), *([(only, FRAMEWORKS)] if only is not None else [])]:
        if name not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {name!r}.")
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for section, framework, experiments in _PARTS:
            if section in sections and only in (None, framework):
                same = (section, framework, *identity_of(framework))
                rows += [dict(zip(KEYS, (*same, *row), strict=True)) for row in experiments()]
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command line `python -m helpers.semantics`, which prints what `observe` found.

    Args:
        argv: its arguments. None: those that were typed.

    Returns:
        The exit status, which is 1 if something could not be observed, or cannot be compared, else 0.
    """
    parser = argparse.ArgumentParser("python -m helpers.semantics", description="What weights do, found by experiment.")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--only", choices=FRAMEWORKS, help="only the rows of this framework")
    parser.add_argument("--compare", action="store_true", help="print where Keras differs from the stored versions")
    arguments = parser.parse_args(argv)
    if arguments.compare:
        if (arguments.only, arguments.format) not in ((None, "table"), ("keras", "table")):
            parser.error("--compare is about Keras, and prints lines: it goes without --format and --only torch.")
        try:
            print(*compare(observe(only="keras")), sep="\n")
        except (FileNotFoundError, ValueError) as error:
            print(f"--compare: {error}", file=sys.stderr)
            return 1
        return 0
    rows = observe(only=arguments.only)
    print(render(rows, arguments.format))
    return int(any(row["observed"] == NOT_OBSERVED for row in rows))


_PARTS = (
    ("effects", "keras", effect_rows),
    ("denominators", "torch", torch_rows),
    ("denominators", "keras", keras_rows),
    ("inputs", "keras", input_rows),
    ("bad_inputs", "keras", partial(bad_input_rows, keras_by_class, keras_by_row)),
    ("bad_inputs", "torch", partial(bad_input_rows, torch_by_class, torch_by_row)),
    ("bad_inputs", "helpers", partial(bad_input_rows, helpers_by_class, helpers_by_row)),
    ("shapes", "keras", shapes.keras_rows),
    ("shapes", "torch", shapes.torch_rows),
    ("masks", "keras", masks.keras_rows),
    ("masks", "torch", masks.torch_rows),
    ("outputs", "keras", outputs.keras_rows),
    ("outputs", "torch", outputs.torch_rows),
    ("precision", "keras", precision.keras_rows),
    ("precision", "torch", precision.torch_rows),
)
