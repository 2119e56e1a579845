"""Effects: which quantities of Keras change when weights are given?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from helpers._start import import_tensorflow
from helpers.semantics.jax_step import jax_model
from helpers.semantics.probe import (
    CLASS_WEIGHT,
    LABELS,
    NOT_OBSERVED,
    ROW_WEIGHTS,
    N,
    Quantities,
    Result,
    Row,
    error_of,
    import_keras,
    import_torch,
    message_of,
    numbers_of,
)

TARGETS = ("gradient", "loss", "metrics", "weighted_metrics", "val_loss", "val_metrics", "val_weighted_metrics")
LOGS = dict(zip(("loss", "plain", "weighted", "val_loss", "val_plain", "val_weighted"), TARGETS[1:], strict=True))
ALL_X = np.eye(2 * N, dtype=np.float32)
ALL_Y = np.array([*LABELS, 0, 2, 1, 0], np.float32)
ALL_WEIGHTS = np.array([*ROW_WEIGHTS, 0.75, 3.0, 0.25, 1.5], np.float32)
TRAIN, VALIDATION = slice(N), slice(N, None)
START = np.array([[0.25], [1.5], [0.5], [1.0], [0.75], [0.5], [2.0], [1.25]], np.float32)


def effect_model(unpack: Callable | None = None):
    """The probe, with a loss and a metric that weights can change; `unpack`: with a train_step of its own."""
    keras = import_keras()

    class Custom(keras.Model):
        def train_step(self, data):
            x, y, weights = unpack(data)
            return _custom_step(self, x, y, weights)

    kind = keras.Model
    if unpack:
        kind = jax_model(unpack) if keras.backend.backend() == "jax" else Custom
    x = keras.Input((2 * N,))
    model = kind(x, keras.layers.Dense(1, use_bias=False)(x))
    plain, weighted = (keras.metrics.MeanAbsoluteError(name=name) for name in ("plain", "weighted"))
    optimizer = keras.optimizers.SGD(1.0)
    model.compile(optimizer, "mse", metrics=[plain], weighted_metrics=[weighted], run_eagerly=True)
    model.set_weights([START])
    return model


def _custom_step(model, x, y, weights):
    """A train_step as Keras' guides write it for TensorFlow and torch."""
    variables = model.trainable_variables
    if import_keras().backend.backend() == "tensorflow":
        with import_tensorflow().GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    else:
        model.zero_grad()
        y_pred = model(x, training=True)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        loss.backward()
        with import_torch().no_grad():
            model.optimizer.apply([variable.value.grad for variable in variables], variables)
    next(metric for metric in model.metrics if metric.name == "loss").update_state(loss)
    return model.compute_metrics(x, y, y_pred, sample_weight=weights)


def _ignore_weights(data):
    return data[0], data[1], None


def _use_weights(data):
    return import_keras().utils.unpack_x_y_sample_weight(data)


def _expect_two(data):
    x, y = data
    return x, y, None


def _fit(model, rows: slice = TRAIN, **arguments) -> dict[str, float]:
    arguments = {"validation_data": (ALL_X[VALIDATION], ALL_Y[VALIDATION])} | arguments
    history = model.fit(ALL_X[rows], ALL_Y[rows], batch_size=2 * N, shuffle=False, verbose=0, **arguments)
    return {name: values[0] for name, values in history.history.items()}


def _fit_split(model, **weights) -> dict[str, float]:
    return _fit(model, slice(None), validation_data=None, validation_split=0.5, **weights)


def evaluate(model, **weights) -> dict[str, float]:
    """What `evaluate` reports of the training rows."""
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
    "evaluate+sample_weight": (evaluate, {"sample_weight": ROW_WEIGHTS}),
    "train_on_batch+sample_weight": (_train_on_batch, {"sample_weight": ROW_WEIGHTS}),
    "custom_train_step+sample_weight": (_fit, {"sample_weight": ROW_WEIGHTS}),
}


def effect_rows() -> Iterator[Row]:
    """Every case by every target."""
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
            results, also = dict.fromkeys(TARGETS, (NOT_OBSERVED, message_of(error))), {}
        for target, (observed, said) in results.items():
            yield case, target, observed, said + also.get(target, "")


def _quantities(call: Callable, unpack: Callable | None = None, **weights) -> Quantities:
    """The targets by name, as far as the call has them, for a new model."""
    model = effect_model(unpack)
    logs = {LOGS[name]: np.asarray(value, np.float64) for name, value in call(model, **weights).items()}
    return {"gradient": (START - model.get_weights()[0])[:, 0], **logs}


def _changes(target: str, weighted: np.ndarray | None, plain: np.ndarray | None) -> Result:
    if weighted is None or plain is None:
        return "no", f"this call returns no {target}"
    if target == "gradient" and not (weighted.any() or plain.any()):
        return "no", "this call takes no step"
    # The twins add the same numbers in the same order. 1e-5 is there for devices with an order of their own: float32
    # carries 7 digits. What the weights touch, they change by 1 % and more.
    said = f"without weights {numbers_of(plain)}, "
    if np.allclose(weighted, plain, rtol=1e-5, atol=1e-7):
        return "no", said + "with them the same"
    return "yes", said + f"with them {numbers_of(weighted)}"


def _also(case: str, weights: dict, plain: Quantities) -> dict[str, str]:
    """What else there is to say of a case, by target."""
    if case == "class_weight":
        error = error_of(lambda: _quantities(_fit, sample_weight=ROW_WEIGHTS, **weights))
        return dict.fromkeys(TARGETS, f". With sample_weight as well: {error or 'no error'}")
    if not case.startswith("custom"):
        return {}
    said = f"`x, y = data`: {error_of(lambda: _quantities(_fit, _expect_two, **weights)) or 'no error'}"
    aware = _quantities(_fit, _use_weights, **weights)
    answers = {target: _changes(target, aware.get(target), plain.get(target))[0] for target in TARGETS}
    return {target: f". If train_step uses the weights: {answer}. {said}" for target, answer in answers.items()}
