"""What weights do in the frameworks that are installed here, found by small experiments.

Run it as a program, or call `observe`::

    python -m helpers.semantics [--format table|markdown|json] [--only keras|torch]

Nothing is looked up in a table of versions. Keras runs on the backend that `KERAS_BACKEND` names.

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

`run_eagerly=True` saves a second for each model. It changes no meaning: Keras turns class weights into row weights and
splits off validation rows before a step is traced, and a traced step does what the same code does eagerly. A test
compares the two.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module

import numpy as np
from numpy.typing import ArrayLike

import helpers
from helpers._start import quiet
from helpers.reductions import REDUCTIONS, reduce_losses
from helpers.weights import check_sample_weights, class_to_sample_weights

__all__ = ["KEYS", "SECTIONS", "denominator", "main", "observe", "render"]

#: The kinds of experiments, as explained above.
SECTIONS = ("effects", "denominators", "inputs", "bad_inputs")
#: What each row of `observe` says.
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
                same = (section, framework, *_identity(framework))
                rows += [dict(zip(KEYS, (*same, *row), strict=True)) for row in experiments()]
    return rows


def denominator(value: float, losses: ArrayLike, weights: ArrayLike) -> str:
    """Which of `REDUCTIONS` makes this value of these losses and weights, or "none of these".

    Args:
        value: the number that was found, of float32 precision.
        losses: without weights, shape (n, ...).
        weights: the losses' shape, or one per row.

    Raises:
        ValueError: two reductions make this value, so that nothing follows from it; or what `reduce_losses` refuses.
    """
    found = [name for name, candidate in _candidates(losses, weights).items() if np.isclose(value, candidate, 1e-4)]
    if len(found) > 1:
        raise ValueError(f"{' and '.join(found)} both give {value:.4g}: take weights that tell them apart.")
    return found[0] if found else NONE_OF_THESE


def render(rows: Sequence[dict[str, str]], format: str = "table") -> str:
    """The rows as text: a "table" for the terminal, "markdown", or "json".

    The section `effects` is shown as a matrix, case by target; the others as one line for each row.

    Args:
        rows: what `observe` returned, or some of it.
        format: "table", "markdown" or "json".

    Raises:
        ValueError: an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}.")
    if format == "json":
        return json.dumps(rows, indent=2)
    named = {_name(row): None for row in rows}
    parts = [", ".join(named)]
    for section in SECTIONS:
        chosen = [row for row in rows if row["section"] == section]
        if chosen:
            parts.append(f"**{section}**" if format == "markdown" else section.upper())
            parts.append(_grid(_matrix(chosen) if section == "effects" else _list(chosen), format == "markdown"))
            lost = [r for r in chosen if r["observed"] == NOT_OBSERVED and section == "effects"]
            parts += [f"not observed: {row['case']}, {row['target']}: {row['detail']}" for row in lost]
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line `python -m helpers.semantics`, which prints what `observe` found.

    Args:
        argv: its arguments. None: those that were typed.

    Returns:
        The exit status, which is 1 if something could not be observed, else 0.
    """
    parser = argparse.ArgumentParser("python -m helpers.semantics", description="What weights do, found by experiment.")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--only", choices=FRAMEWORKS, help="only the rows of this framework")
    arguments = parser.parse_args(argv)
    rows = observe(only=arguments.only)
    print(render(rows, arguments.format))
    return int(any(row["observed"] == NOT_OBSERVED for row in rows))


# Rendering.


def _name(row: dict[str, str]) -> str:
    return f"{row['framework']} {row['version']}" + (f" on {row['backend']}" if row["backend"] else "")


def _matrix(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    observed = {(row["case"], row["target"]): row["observed"] for row in rows}
    cases, targets = ({row[key]: None for row in rows} for key in ("case", "target"))
    return [["case", *targets], *([case, *(observed.get((case, target), "") for target in targets)] for case in cases)]


def _list(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    keys = ["framework", "case", "target", "observed", "detail"]
    return [keys, *([row[key] for key in keys] for row in rows)]


def _grid(cells: list[list[str]], markdown: bool) -> str:
    if markdown:
        cells = [[cell.replace("|", "\\|") for cell in line] for line in cells]
        cells.insert(1, ["---"] * len(cells[0]))
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


# What all experiments share.


def _identity(framework: str) -> tuple[str, str]:
    """Version and backend; empty where the framework cannot be imported, which the rows then say."""
    try:
        if framework == "keras":
            keras = _keras()
            return keras.__version__, keras.backend.backend()
        return str(helpers.__version__ if framework == "helpers" else _torch().__version__), ""
    except Exception:
        return "", ""


def _keras():
    return import_module("helpers.keras").keras  # imported quietly


def _tensorflow():
    with quiet():
        return import_module("tensorflow")


def _torch():
    return import_module("torch")


def _attempt(cases: Iterable[Case], control: Callable = lambda: None) -> Iterator[Row]:
    """Run each experiment. One that fails is reported, and does not stop the others.

    Where the control fails, an error of the cases could not be blamed on their weights: none is observed then.
    """
    problem = _error(control)
    for case, target, experiment in cases:
        try:
            yield case, target, *((NOT_OBSERVED, f"the control failed: {problem}") if problem else experiment())
        except Exception as error:
            yield case, target, NOT_OBSERVED, _message(error)


def _error(call: Callable) -> str:
    """What a call raises, "" if nothing."""
    try:
        call()
    except Exception as error:
        return _message(error)
    return ""


def _message(error: Exception) -> str:
    """The first line of an error, without what changes from one run or machine to the next."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*|0x[0-9a-fA-F]+|'?/[\w./-]*/[\w./-]+'?", "", str(error)).strip()
    first = text.splitlines()[0] if text else ""
    return textwrap.shorten(f"{type(error).__name__}: {first}", 160, placeholder=" ...")


def _numbers(values: ArrayLike) -> str:
    values = np.asarray(values)
    if values.ndim < 2:
        return ", ".join(f"{value + 0.0:.4g}" for value in np.atleast_1d(values))
    if np.allclose(values, values[:, :1], equal_nan=True):
        return _numbers(values[:, 0])
    if np.allclose(values, values[0]):
        return f"{_numbers(values[0])} along each row"
    return "; ".join(map(_numbers, values))


def _judge(run: Callable[[], Outcome], meant: np.ndarray | None, rows: str = "rows") -> Result:
    """Accepted, refused or silently other? `meant` None: no weights could honour this request."""
    try:
        found, loss, weighted_loss = run()
    except Exception as error:
        return REFUSED, _message(error)
    honoured = meant is not None and found.shape == meant.shape and np.allclose(found, meant, rtol=1e-5)
    said = f"{rows} have the weights {_numbers(found)}"
    if np.isnan(found).all():
        said = "every parameter becomes nan"
    if meant is not None and not honoured:
        said += f", meant were {_numbers(meant)}"
    if not np.isfinite(loss):
        honoured, said = False, f"{said}; the loss is {loss}"
    elif not np.isclose(loss, weighted_loss, rtol=1e-5):
        honoured, said = False, f"{said}; the loss is {loss:.4g}, with these weights it would be {weighted_loss:.4g}"
    return (ACCEPTED if honoured else SILENT), said


# Effects: which quantities of Keras change when weights are given?

TARGETS = ("gradient", "loss", "metrics", "weighted_metrics", "val_loss", "val_metrics", "val_weighted_metrics")
LOGS = dict(zip(("loss", "plain", "weighted", "val_loss", "val_plain", "val_weighted"), TARGETS[1:], strict=True))
ALL_X = np.eye(2 * N, dtype=np.float32)
ALL_Y = np.array([*LABELS, 0, 2, 1, 0], np.float32)
ALL_WEIGHTS = np.array([*ROW_WEIGHTS, 0.75, 3.0, 0.25, 1.5], np.float32)
TRAIN, VALIDATION = slice(N), slice(N, None)
START = np.array([[0.25], [1.5], [0.5], [1.0], [0.75], [0.5], [2.0], [1.25]], np.float32)


def _effect_model(unpack: Callable | None = None):
    """The probe, with a loss and a metric that weights can change; `unpack`: with a train_step of its own."""
    keras = _keras()

    class Custom(keras.Model):
        def train_step(self, data):
            x, y, weights = unpack(data)
            return _custom_step(self, x, y, weights)

    x = keras.Input((2 * N,))
    model = (Custom if unpack else keras.Model)(x, keras.layers.Dense(1, use_bias=False)(x))
    plain, weighted = (keras.metrics.MeanAbsoluteError(name=name) for name in ("plain", "weighted"))
    optimizer = keras.optimizers.SGD(1.0)
    model.compile(optimizer, "mse", metrics=[plain], weighted_metrics=[weighted], run_eagerly=True)
    model.set_weights([START])
    return model


def _custom_step(model, x, y, weights):
    """A train_step as Keras' guides write it for the two backends."""
    variables = model.trainable_variables
    if _keras().backend.backend() == "tensorflow":
        with _tensorflow().GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    else:
        model.zero_grad()
        y_pred = model(x, training=True)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        loss.backward()
        with _torch().no_grad():
            model.optimizer.apply([variable.value.grad for variable in variables], variables)
    next(metric for metric in model.metrics if metric.name == "loss").update_state(loss)
    return model.compute_metrics(x, y, y_pred, sample_weight=weights)


def _ignore_weights(data):
    return data[0], data[1], None


def _use_weights(data):
    return _keras().utils.unpack_x_y_sample_weight(data)


def _expect_two(data):
    x, y = data
    return x, y, None


def _fit(model, rows: slice = TRAIN, **arguments) -> dict[str, float]:
    arguments = {"validation_data": (ALL_X[VALIDATION], ALL_Y[VALIDATION])} | arguments
    history = model.fit(ALL_X[rows], ALL_Y[rows], batch_size=2 * N, shuffle=False, verbose=0, **arguments)
    return {name: values[0] for name, values in history.history.items()}


def _fit_split(model, **weights) -> dict[str, float]:
    return _fit(model, slice(None), validation_data=None, validation_split=0.5, **weights)


def _evaluate(model, **weights) -> dict[str, float]:
    return model.evaluate(ALL_X[TRAIN], ALL_Y[TRAIN], verbose=0, return_dict=True, **weights)


def _train_on_batch(model, **weights) -> dict[str, float]:
    return model.train_on_batch(ALL_X[TRAIN], ALL_Y[TRAIN], return_dict=True, **weights)


# For each case: the call, and the weights that it is given.
WEIGHTED_VALIDATION = (ALL_X[VALIDATION], ALL_Y[VALIDATION], ALL_WEIGHTS[VALIDATION])
EFFECTS = {
    "class_weight": (_fit, {"class_weight": CLASS_WEIGHT}),
    "sample_weight": (_fit, {"sample_weight": ROW_WEIGHTS}),
    "validation_weights": (_fit, {"validation_data": WEIGHTED_VALIDATION}),
    "validation_split+sample_weight": (_fit_split, {"sample_weight": ALL_WEIGHTS}),
    "evaluate+sample_weight": (_evaluate, {"sample_weight": ROW_WEIGHTS}),
    "train_on_batch+sample_weight": (_train_on_batch, {"sample_weight": ROW_WEIGHTS}),
    "custom_train_step+sample_weight": (_fit, {"sample_weight": ROW_WEIGHTS}),
}


def _effects() -> Iterator[Row]:
    twins = {}
    for case, (call, weights) in EFFECTS.items():
        twin = call, _ignore_weights if case.startswith("custom") else None
        try:
            if twin not in twins:
                twins[twin] = _quantities(*twin)
            weighted, plain = _quantities(*twin, **weights), twins[twin]
            results = {target: _changes(target, weighted.get(target), plain.get(target)) for target in TARGETS}
            also = _also(case, weights, plain)
        except Exception as error:
            results, also = dict.fromkeys(TARGETS, (NOT_OBSERVED, _message(error))), {}
        for target, (observed, said) in results.items():
            yield case, target, observed, said + also.get(target, "")


def _quantities(call: Callable, unpack: Callable | None = None, **weights) -> Quantities:
    """The targets by name, as far as the call has them, for a new model."""
    model = _effect_model(unpack)
    logs = {LOGS[name]: np.asarray(value, np.float64) for name, value in call(model, **weights).items()}
    return {"gradient": (START - model.get_weights()[0])[:, 0], **logs}


def _changes(target: str, weighted: np.ndarray | None, plain: np.ndarray | None) -> Result:
    if weighted is None or plain is None:
        return "no", f"this call returns no {target}"
    if target == "gradient" and not (weighted.any() or plain.any()):
        return "no", "this call takes no step"
    # The twins add the same numbers in the same order. 1e-5 is there for devices with an order of their own: float32
    # carries 7 digits. What the weights touch, they change by 1 % and more.
    said = f"without weights {_numbers(plain)}, "
    if np.allclose(weighted, plain, rtol=1e-5, atol=1e-7):
        return "no", said + "with them the same"
    return "yes", said + f"with them {_numbers(weighted)}"


def _also(case: str, weights: dict, plain: Quantities) -> dict[str, str]:
    """What else there is to say of a case, by target."""
    if case == "class_weight":
        error = _error(lambda: _quantities(_fit, sample_weight=ROW_WEIGHTS, **weights))
        return dict.fromkeys(TARGETS, f". With sample_weight as well: {error or 'no error'}")
    if not case.startswith("custom"):
        return {}
    said = f"`x, y = data`: {_error(lambda: _quantities(_fit, _expect_two, **weights)) or 'no error'}"
    aware = _quantities(_fit, _use_weights, **weights)
    answers = {target: _changes(target, aware.get(target), plain.get(target))[0] for target in TARGETS}
    return {target: f". If train_step uses the weights: {answer}. {said}" for target, answer in answers.items()}


# Denominators: by what is the sum of the weighted losses divided?

LOGITS = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [0.0, 1.0, -2.0], [-1.0, 0.5, 0.75]], np.float32)
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]
MULTI_HOT = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], np.float32)
TRUTH, GUESS = np.array([[1, 0.5, 2, 0.75], [0.25, 1.5, -0.5, 3]], np.float32)
CHANCE, EVENT = np.array([[0.25, 0.5, 0.75, 0.125], [1, 0, 0, 1]], np.float32)
# A weight of 0 sets nonzero_mean apart from mean.
CLASS_W, ROW_W = np.array([0.5, 0, 3.5], np.float32), np.array([1.5, 0, 3, 0.75], np.float32)
COLUMN_W = np.broadcast_to(CLASS_W, MULTI_HOT.shape)
# What pos_weight makes of an element of target 1; one of target 0 keeps the weight 1.
POSITIVE_W = np.where(MULTI_HOT == 1, COLUMN_W, 1)

CE, BCE = ("class index", "cross_entropy"), ("binary", "BCEWithLogitsLoss")
# Case, kind of target, name in torch, data, weight of each loss. One-hot probabilities name the same classes as the
# index, so that each row has the weight of one class there too.
TORCH_LOSSES = (
    ("F.cross_entropy(logits, index, weight=w)", *CE, (LOGITS, LABELS), CLASS_W[LABELS]),
    ("F.cross_entropy(logits, probabilities, weight=w)", "probabilities", CE[1], (LOGITS, ONE_HOT), CLASS_W[LABELS]),
    ("F.nll_loss(log_p, index, weight=w)", "class index", "nll_loss", (LOG_P, LABELS), CLASS_W[LABELS]),
    ("F.binary_cross_entropy(p, target, weight=w)", "binary", "binary_cross_entropy", (CHANCE, EVENT), ROW_W),
    ("nn.BCEWithLogitsLoss(weight=w)(logits, target)", *BCE, (LOGITS, MULTI_HOT), COLUMN_W),
    ("nn.BCEWithLogitsLoss(pos_weight=w)(logits, target)", *BCE, (LOGITS, MULTI_HOT), POSITIVE_W),
    ("F.mse_loss(prediction, target, weight=w)", "regression", "mse_loss", (GUESS, TRUTH), ROW_W),
    ("F.l1_loss(prediction, target, weight=w)", "regression", "l1_loss", (GUESS, TRUTH), ROW_W),
    ("F.huber_loss(prediction, target, weight=w)", "regression", "huber_loss", (GUESS, TRUTH), ROW_W),
)


def _candidates(losses: ArrayLike, weights: ArrayLike) -> dict[str, float]:
    return {reduction: reduce_losses(losses, weights, reduction) for reduction in REDUCTIONS}


def _divided(value: float, losses: ArrayLike, weights: ArrayLike) -> Result:
    said = ", ".join(f"{name} {number:.4g}" for name, number in _candidates(losses, weights).items())
    return denominator(value, losses, weights), f"the value is {value:.4g}; candidates: {said}"


def _torch_denominators() -> Iterator[Row]:
    return _attempt((case, target, partial(_torch_denominator, case, *how)) for case, target, *how in TORCH_LOSSES)


def _torch_denominator(case: str, name: str, data: Sequence[np.ndarray], weights: np.ndarray) -> Result:
    argument = "pos_weight" if "pos_weight" in case else "weight"
    given = _torch().tensor(ROW_W if weights is ROW_W else CLASS_W)
    losses = _torch_loss(name, data, reduction="none")
    return _divided(_torch_loss(name, data, **{argument: given}).item(), losses, weights)


def _torch_loss(name: str, data: Sequence[np.ndarray], **arguments):
    torch = _torch()
    tensors = map(torch.tensor, data)
    if hasattr(torch.nn, name):
        return getattr(torch.nn, name)(**arguments)(*tensors)
    return getattr(torch.nn.functional, name)(*tensors, **arguments)


def _keras_denominators() -> Iterator[Row]:
    name = "MeanSquaredError(reduction={!r})(y, p, sample_weight=w)"
    reductions = ("sum", "sum_over_batch_size", "mean_with_sample_weight")
    losses = [(name.format(reduction), "regression", partial(_keras_loss, reduction)) for reduction in reductions]
    mean = ("metrics.Mean()(values, sample_weight=w)", "values", _keras_mean)
    return _attempt([*losses, mean, ("compile(weighted_metrics=[...])", "regression", _keras_weighted_metric)])


def _keras_loss(reduction: str) -> Result:
    # A Keras loss takes the mean over the last axis: one column leaves one loss per row.
    loss = _keras().losses.MeanSquaredError(reduction=reduction)(TRUTH[:, None], GUESS[:, None], sample_weight=ROW_W)
    return _divided(float(loss), (TRUTH - GUESS) ** 2, ROW_W)


def _keras_mean() -> Result:
    return _divided(float(_keras().metrics.Mean()(GUESS, sample_weight=ROW_W)), GUESS, ROW_W)


def _keras_weighted_metric() -> Result:
    value = _evaluate(_effect_model(), sample_weight=ROW_W)["weighted"]
    return _divided(float(value), abs(START[TRAIN, 0] - ALL_Y[TRAIN]), ROW_W)


# Inputs: which kinds of data may carry which weights?

FORMS = ("numpy", "tf.data", "PyDataset", "generator", "torch DataLoader")
UNIT_ROWS, OUTPUTS = np.eye(N, dtype=np.float32), np.array([[1], [2], [4], [8]], np.float32)


def _keras_run(feed: Sequence, columns: int = 1, per_row: bool = True, **weights) -> Outcome:
    """Train the probe on `UNIT_ROWS` and any targets: what weight has each output, shape (N, columns)?

    The loss of a row is the sum of its outputs, or each output is a loss of its own. The losses are summed, so that
    an output's parameter goes down by the weight of its loss.
    """
    keras = _keras()

    class Output(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.sum(y_pred, axis=-1) if per_row else y_pred

    start = np.repeat(OUTPUTS, columns, axis=1)
    # Names, because Keras' own are numbered through the process, and its errors cite them.
    x = keras.Input((N,), name="x")
    model = keras.Model(x, keras.layers.Dense(columns, use_bias=False, name="rows")(x), name="probe")
    model.compile(keras.optimizers.SGD(1.0), Output(reduction="sum"), run_eagerly=True)
    model.set_weights([start])
    loss = model.fit(*feed, shuffle=False, verbose=0, **weights).history["loss"][0]
    found = start - model.get_weights()[0]
    return found, float(loss), float((found * start).sum())


def _feed(form: str, *parts: np.ndarray) -> Sequence:
    """The positional arguments of `fit` for (x, y) or (x, y, weights): one batch, in the form of this name."""
    if form == "numpy":
        # fit(x, y); with weights fit((x, y, weights)), since a third argument would be the batch size.
        return parts if len(parts) == 2 else [parts]
    if form == "tf.data":
        return [_tensorflow().data.Dataset.from_tensors(parts)]
    if form == "generator":
        return [(batch for batch in [parts])]
    if form == "torch DataLoader":
        data = _torch().utils.data
        return [data.DataLoader(data.TensorDataset(*map(_torch().tensor, parts)), batch_size=N)]

    class OneBatch(_keras().utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return parts

    return [OneBatch()]


def _inputs() -> Iterator[Row]:
    cases = {
        "class_weight": ({"class_weight": CLASS_WEIGHT}, [], BY_CLASS[LABELS]),
        "sample_weight": ({"sample_weight": ROW_WEIGHTS}, [], ROW_WEIGHTS),
        "third element": ({}, [ROW_WEIGHTS], ROW_WEIGHTS),
    }
    for form in FORMS:
        experiments = (
            (form, target, partial(_judge, partial(_run_form, form, arguments, third), meant[:, None]))
            for target, (arguments, third, meant) in cases.items()
        )
        yield from _attempt(experiments, partial(_unweighted, form))


def _run_form(form: str, arguments: dict, third: Sequence[np.ndarray] = ()) -> Outcome:
    return _keras_run(_feed(form, UNIT_ROWS, LABELS.astype(np.float32), *third), **arguments)


def _unweighted(form: str) -> None:
    found = _run_form(form, {})[0]
    if not (found == 1).all():
        raise RuntimeError(f"without weights the rows have the weights {_numbers(found)}")


# Bad inputs: what happens to weights that do not fit?

STEPS = np.array([[0, 1, 2, 0], [2, 2, 1, 1], [1, 0, 0, 2], [0, 2, 1, 0]])
# For each case its variants: labels, class weights, and the weights that were meant; None where nothing could be.
CLASS_CASES = {
    "string keys": [(LABELS, {str(label): weight for label, weight in CLASS_WEIGHT.items()}, BY_CLASS[LABELS])],
    "a missing class": [(LABELS, {0: 0.5, 1: 2.5}, None)],
    "an unknown class": [(LABELS, CLASS_WEIGHT | {3: 9.0}, BY_CLASS[LABELS])],
    "a list": [(LABELS, BY_CLASS.tolist(), BY_CLASS[LABELS])],
    "negative": [(LABELS, CLASS_WEIGHT | {1: -2.5}, np.array([3.5, 0.5, -2.5, 3.5]))],
    "NaN": [(LABELS, CLASS_WEIGHT | {1: np.nan}, None)],
    "all zero": [(LABELS, dict.fromkeys(CLASS_WEIGHT, 0.0), np.zeros(N))],
    "labels 1..K": [(LABELS + 1, dict(enumerate(BY_CLASS.tolist())), BY_CLASS[LABELS])],
    "one-hot": [(ONE_HOT, CLASS_WEIGHT, BY_CLASS[LABELS])],
    "multi-hot": [(MULTI_HOT, CLASS_WEIGHT, np.tile(BY_CLASS, (N, 1)))],
    # Where N = T, weights of shape (N,) fit the time steps as well as the rows.
    "sequences (N, T)": [(steps, CLASS_WEIGHT, BY_CLASS[steps]) for steps in (STEPS[:, :3], STEPS)],
    "regression targets": [(np.array([0.25, 1.75, 0.75, 3.25], np.float32), CLASS_WEIGHT, None)],
}
COLUMN = ROW_WEIGHTS[:, None]
# For each case its variants: shape of the losses, row weights, and the weights that were meant.
ROW_CASES = {
    "a list": [((N,), ROW_WEIGHTS.tolist(), ROW_WEIGHTS)],
    "negative": [((N,), ROW_WEIGHTS * [1, -1, 1, 1], ROW_WEIGHTS * [1, -1, 1, 1])],
    "NaN": [((N,), ROW_WEIGHTS * [1, np.nan, 1, 1], None)],
    "all zero": [((N,), ROW_WEIGHTS * 0, ROW_WEIGHTS * 0)],
    "sequences (N, T)": [((N, steps), ROW_WEIGHTS, COLUMN.repeat(steps, axis=1)) for steps in (3, N)],
    "wrong length": [((N,), ROW_WEIGHTS[1:], None)],
    "(n,) against (n, 1)": [((N, 1), ROW_WEIGHTS, COLUMN), ((N,), COLUMN, ROW_WEIGHTS)],
}


def _bad_inputs(by_class: Callable, by_row: Callable) -> Iterator[Row]:
    """Every case, done with class weights and with row weights in a framework's own way; first with good weights."""
    ways = (
        ("class_weight", by_class, CLASS_CASES, LABELS, CLASS_WEIGHT),
        ("sample_weight", by_row, ROW_CASES, (N,), ROW_WEIGHTS),
    )
    for target, run, table, *good in ways:
        experiments = ((case, target, partial(_bad_input, run, variants)) for case, variants in table.items())
        yield from _attempt(experiments, partial(run, *good))


def _bad_input(run: Callable, variants: Sequence[tuple]) -> Result:
    """Judge the variants of a case. A silent surprise in one of them counts, whatever happens in the others."""
    results = {}
    for given, weights, meant in variants:
        name, rows = f"losses {given}, weights {np.shape(weights)}", "rows"
        if isinstance(given, np.ndarray):
            name = f"labels {given.shape}"
            rows = f"rows of class {_numbers(given)}" if given.ndim == 1 and given.dtype.kind == "i" else "rows"
        results[name] = _judge(partial(run, given, weights), meant, rows)
    if len(results) == 1:
        return results[name]
    worst = max((observed for observed, _ in results.values()), key=(ACCEPTED, REFUSED, SILENT).index)
    return worst, "; ".join(f"{name}: {observed}, {said.rstrip('.')}" for name, (observed, said) in results.items())


def _keras_by_class(labels: np.ndarray, class_weight) -> Outcome:
    """Integer labels of (N, T) have a loss for each time step, all others one loss per row."""
    columns = 1 if labels.ndim == 1 else labels.shape[1]
    per_row = labels.ndim == 1 or labels.dtype.kind == "f"
    found, *losses = _keras_run((UNIT_ROWS, labels), columns, per_row, class_weight=class_weight)
    return (found[:, 0] if labels.ndim == 1 or labels is ONE_HOT else found), *losses


def _keras_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    labels, columns = np.zeros(shape, np.float32), (*shape, 1)[1]
    found, *losses = _keras_run((UNIT_ROWS, labels), columns, len(shape) == 1, sample_weight=sample_weight)
    return found.reshape(shape), *losses


def _torch_by_class(labels: np.ndarray, class_weight) -> Outcome:
    """The loss for such labels, with the dict's values as a tensor. Weight: weighted loss over unweighted loss."""
    weight = class_weight
    if isinstance(class_weight, dict) and "0" not in class_weight:
        weight = _torch().tensor(list(class_weight.values()))
    per_step = labels.ndim == 2 and labels.dtype.kind == "i"
    data = (np.stack([LOGITS] * labels.shape[1], axis=2) if per_step else LOGITS), labels
    loss = partial(_torch_loss, "binary_cross_entropy_with_logits" if labels is MULTI_HOT else CE[1], data)
    found = loss(weight=weight, reduction="none") / loss(reduction="none")
    mean = loss(weight=weight).item()
    return found.numpy(), mean, mean


def _torch_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    """`(losses * weights).mean()`. Weight: N times the gradient with respect to the loss."""
    torch = _torch()
    losses = torch.ones(shape, requires_grad=True)
    weights = torch.tensor(sample_weight) if isinstance(sample_weight, np.ndarray) else sample_weight
    return _from_gradient(losses, (losses * weights).mean())


def _from_gradient(losses, loss) -> Outcome:
    loss.backward()
    found = losses.grad.numpy() * losses.numel()
    return found, loss.item(), found.mean()


def _helpers_by_class(labels: np.ndarray, class_weight) -> Outcome:
    weights = class_to_sample_weights(labels, class_weight)
    return weights, reduce_losses(np.ones(N), weights), weights.mean()


def _helpers_by_row(shape: tuple[int, ...], sample_weight) -> Outcome:
    from helpers import pytorch

    losses = _torch().ones(shape, requires_grad=True)
    weights = check_sample_weights(sample_weight, N) if len(shape) == 1 else sample_weight
    return _from_gradient(losses, pytorch.reduce_losses(losses, weights))


_PARTS = (
    ("effects", "keras", _effects),
    ("denominators", "torch", _torch_denominators),
    ("denominators", "keras", _keras_denominators),
    ("inputs", "keras", _inputs),
    ("bad_inputs", "keras", partial(_bad_inputs, _keras_by_class, _keras_by_row)),
    ("bad_inputs", "torch", partial(_bad_inputs, _torch_by_class, _torch_by_row)),
    ("bad_inputs", "helpers", partial(_bad_inputs, _helpers_by_class, _helpers_by_row)),
)

if __name__ == "__main__":
    sys.exit(main())
