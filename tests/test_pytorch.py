"""Tests of helpers.pytorch: `fit` does what Keras' `model.fit` does, step by step, and refuses what it should."""

from __future__ import annotations

import copy
import io
import sys
import warnings
from functools import partial
from itertools import chain

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.utils.data import DataLoader

from helpers.pytorch import KerasRMSprop, fit, get_weights, predict, set_weights
from helpers.reductions import REDUCTIONS, reduce_losses
from helpers.weights import class_to_sample_weights

BATCH = 8
CLASS_WEIGHT = {0: 1.0, 1: 2.5, 2: 0.5}
KERAS_REDUCTIONS = {"sum": "sum", "mean": "sum_over_batch_size", "weighted_mean": "mean_with_sample_weight"}
per_example = partial(cross_entropy, reduction="none")
squared_error = partial(mse_loss, reduction="none")


# 22 rows in batches of 8: the last one has 6. 9 rows to validate on: the last batch has 1.


def make_data(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype("float32")
    labels = (x[:, 0] + rng.normal(size=n) > 0.3).astype("int64") + (x[:, 1] > 0.8)
    return x, labels, rng.uniform(0, 3, n).astype("float32")


X, Y, W = make_data(22, seed=0)
X_VAL, Y_VAL, W_VAL = make_data(9, seed=1)


def torch_net(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))


def keras_net(like):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])
    model.set_weights(get_weights(like))
    return model


def fit_both(optimizer, keras_optimizer, reduction="mean", callbacks=(), **arguments):
    """Train a net in both frameworks from the same start. The arguments are those that both `fit` have."""
    ours = torch_net()
    theirs = keras_net(ours)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=KERAS_REDUCTIONS[reduction])
    theirs.compile(keras_optimizer, loss)
    common = {"epochs": 3, "batch_size": BATCH, "shuffle": False, "verbose": 0} | arguments
    early_stopping = {key: common.pop(key) for key in ("patience", "restore_best_weights") if key in common}
    our_history = fit(
        ours, X, Y, loss=per_example, reduction=reduction, optimizer=optimizer, **common, **early_stopping
    )
    their_history = theirs.fit(X, Y, callbacks=list(callbacks), **common)
    return ours, our_history, theirs, their_history


def max_difference(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


# The same as Keras.


@pytest.mark.parametrize("reduction", KERAS_REDUCTIONS)
@pytest.mark.parametrize(
    "weights",
    [{}, {"sample_weight": W}, {"class_weight": CLASS_WEIGHT}, {"validation_data": (X_VAL, Y_VAL, W_VAL)}],
    ids=["no weights", "sample weights", "class weights", "validation weights"],
)
def test_sgd_goes_where_keras_goes(reduction, weights):
    ours, our_history, theirs, their_history = fit_both(
        partial(torch.optim.SGD, lr=0.03),
        keras.optimizers.SGD(0.03),
        reduction,
        **{"validation_data": (X_VAL, Y_VAL)} | weights,
    )
    assert max_difference(get_weights(ours), theirs.get_weights()) < 1e-6
    assert max_difference(get_weights(ours), get_weights(torch_net())) > 1e-3  # it did move
    for key in ("loss", "val_loss"):
        assert our_history.history[key] == pytest.approx(their_history.history[key], abs=1e-5)


def test_keras_rmsprop_goes_where_keras_goes():
    # 51 steps, of which none is like those of torch.optim.RMSprop: that one is more than 1e-2 away at the end.
    ours, _, theirs, _ = fit_both(KerasRMSprop, keras.optimizers.RMSprop(), epochs=17, sample_weight=W)
    assert max_difference(get_weights(ours), theirs.get_weights()) < 1e-5


def test_keras_rmsprop_by_hand():
    first, second, unused = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    first.grad = second.grad = torch.tensor([1e-5])
    KerasRMSprop([{"params": [first, unused]}, {"params": [second], "lr": 2.0, "eps": 1e-3}], lr=1.0).step()
    # v = 0.1 g² = 1e-11. Inside the root, eps is far above v; outside, it would be far below the root of v.
    assert first.item() == pytest.approx(-1e-5 / np.sqrt(1e-11 + 1e-7), rel=1e-4)
    assert second.item() == pytest.approx(-2e-5 / np.sqrt(1e-11 + 1e-3), rel=1e-4)
    assert unused.item() == 0


# Early stopping, with scripted validation losses: each epoch is one step, which adds 1 to the only parameter.


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.epochs_done = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps_seen", torch.zeros(1))  # such as the averages of a batch normalisation

    def forward(self, x):
        self.steps_seen += self.training
        return self.epochs_done.expand(len(x))


def fit_script(script, **arguments):
    """Train with these validation losses. The model ends with the number of epochs that its weights have seen."""
    model, script = Counter(), torch.tensor(script)

    def loss(outputs, y):
        # Gradient -1 in training; in validation (y = 1), what the script says of this epoch.
        return -outputs if not y.any() else script[outputs.long() - 1]

    data = {"x": torch.zeros(4, 1), "y": torch.zeros(4), "validation_data": (torch.zeros(4, 1), torch.ones(4))}
    optimizer = partial(torch.optim.SGD, lr=1.0)
    history = fit(model, **data, loss=loss, optimizer=optimizer, batch_size=4, epochs=len(script), **arguments)
    assert model.steps_seen == model.epochs_done
    return history, int(model.epochs_done.item())


class KerasCounter:
    """As much of a Keras model as `EarlyStopping` looks at."""

    epochs_done, stop_training = 0, False

    def get_weights(self):
        return self.epochs_done

    def set_weights(self, epochs_done):
        self.epochs_done = epochs_done


def keras_script(script, **arguments):
    model, callback = KerasCounter(), keras.callbacks.EarlyStopping("val_loss", **arguments)
    callback.set_model(model)
    callback.on_train_begin()
    epochs = 0
    for epoch, val_loss in enumerate(script):
        model.epochs_done = epochs = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": val_loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return epochs, model.epochs_done, callback.best_epoch


SCRIPTS = {
    "stops": [3.0, 2.0, 4.0, 5.0, 6.0, 7.0],
    "recovers within the patience": [3.0, 4.0, 2.0, 4.0, 1.0, 5.0],
    "ends before the patience": [5.0, 4.0, 3.0, 2.0, 1.0, 1.5],
    "never better than the first": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "equal is not better": [2.0, 2.0, 2.0, 2.0, 2.0, 2.0],
    "NaN is not better": [2.0, np.nan, 1.0, np.nan, np.nan, np.nan],
    "one epoch": [1.0],
    "NaN first": [np.nan, 2.0, 1.0, 3.0, 4.0, 5.0],
    "infinite throughout": [np.inf] * 6,
}


@pytest.mark.parametrize("restore", [False, True], ids=["as it ends", "restored"])
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_early_stopping_stops_and_restores_where_keras_does(script, patience, restore):
    history, epochs_done = fit_script(script, patience=patience, restore_best_weights=restore)
    assert history.history["val_loss"] == pytest.approx(script[: len(history.epoch)], nan_ok=True)
    ours = (len(history.epoch), epochs_done, history.best_epoch)
    assert ours == keras_script(script, patience=patience, restore_best_weights=restore)


def test_without_patience_nothing_stops_and_there_is_no_best_epoch():
    history, epochs_done = fit_script([1.0, 2.0, 3.0, 4.0])
    assert (epochs_done, history.best_epoch) == (4, None)


def test_early_stopping_of_a_real_net_ends_with_the_weights_of_keras():
    stop = {"patience": 2, "restore_best_weights": True}
    ours, our_history, theirs, their_history = fit_both(
        partial(torch.optim.SGD, lr=1.0),
        keras.optimizers.SGD(1.0),
        callbacks=[keras.callbacks.EarlyStopping("val_loss", **stop)],
        validation_data=(X_VAL, Y_VAL),
        epochs=30,
        **stop,
    )
    # The data were chosen so that training stops, and not at once.
    assert 3 < len(our_history.epoch) < 30
    assert our_history.epoch == their_history.epoch
    assert our_history.best_epoch == len(our_history.epoch) - 3
    assert max_difference(get_weights(ours), theirs.get_weights()) < 1e-5


# Weights.


def trained(model=None, x=X, y=Y, **arguments):
    """Train a fresh net and return its weights and the history."""
    model = model or torch_net()
    history = fit(model, x, y, **{"loss": per_example, "epochs": 2, "batch_size": BATCH, "seed": 3} | arguments)
    return get_weights(model), history.history


def equal(first, second):
    """Whether two results of `trained` are the same, bit for bit."""
    return first[1] == second[1] and all(np.array_equal(a, b) for a, b in zip(first[0], second[0], strict=True))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_class_weights_are_sample_weights_bit_for_bit(reduction):
    by_class = trained(class_weight=CLASS_WEIGHT, reduction=reduction)
    by_row = trained(sample_weight=class_to_sample_weights(Y, CLASS_WEIGHT), reduction=reduction)
    assert equal(by_class, by_row)
    assert equal(by_class, trained(y=Y.astype("uint8"), class_weight=CLASS_WEIGHT, reduction=reduction))
    assert not equal(by_class, trained(reduction=reduction))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_loss_of_an_epoch_is_the_mean_of_its_batches_by_rows(reduction):
    model = torch_net()
    losses = per_example(model(torch.as_tensor(X)), torch.as_tensor(Y)).detach().numpy()
    batches = [slice(0, 8), slice(8, 16), slice(16, 22)]
    expected = sum(reduce_losses(losses[b], W[b], reduction) * len(losses[b]) for b in batches) / 22
    still = {"optimizer": partial(torch.optim.SGD, lr=0.0), "epochs": 1, "shuffle": False}
    _, history = trained(model, sample_weight=W, reduction=reduction, **still)
    assert history["loss"] == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("shape", [(22, 1), (22, 3)], ids=["column", "shape of the losses"])
def test_sample_weights_may_be_a_column_or_have_the_shape_of_the_losses(shape):
    targets = np.eye(3, dtype="float32")[Y]
    weights = np.random.default_rng(0).uniform(0, 3, shape).astype("float32")
    model = torch_net()
    losses = (predict(model, X) - targets) ** 2
    still = {"optimizer": partial(torch.optim.SGD, lr=0.0), "epochs": 1, "batch_size": 22}
    _, history = trained(
        model, y=targets, sample_weight=weights, loss=squared_error, reduction="weighted_mean", **still
    )
    assert history["loss"] == pytest.approx([(losses * weights).sum() / (weights * np.ones((22, 3))).sum()], rel=1e-5)


def test_tensors_and_arrays_of_every_kind_give_the_same():
    validation = (X_VAL, Y_VAL, W_VAL)
    expected = trained(sample_weight=W, validation_data=validation)
    tensors = {"y": torch.as_tensor(Y), "sample_weight": torch.as_tensor(W, dtype=torch.float64)}
    read_only, backwards = X.copy(), X[::-1].copy()[::-1]
    read_only.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert equal(trained(**tensors, validation_data=tuple(map(torch.as_tensor, validation))), expected)
        for x in (torch.as_tensor(X), X.astype("float64"), read_only, backwards, X.tolist()):
            assert equal(trained(x=x, sample_weight=W, validation_data=validation), expected)
            outputs = predict(torch_net(), x)
            assert outputs.dtype == np.float32 and np.array_equal(outputs, predict(torch_net(), X))


# Order, seeds and modes.


class Recorder(nn.Module):
    """A linear model of the row's number that notes which rows came, in which mode, and whether with gradients."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.calls = []

    def forward(self, x):
        self.calls.append((x[:, 0].int().tolist(), self.training, torch.is_grad_enabled()))
        return self.linear(x)


def record(**arguments):
    model, x = Recorder().eval(), torch.arange(10.0)[:, None]
    fit(model, x, x, loss=squared_error, optimizer=partial(torch.optim.SGD, lr=0.0), batch_size=4, **arguments)
    return model.calls


def test_with_shuffling_each_epoch_has_each_row_once_in_a_new_order():
    rows = [rows for rows, *_ in record(epochs=2, seed=0)]
    assert [len(r) for r in rows] == [4, 4, 2, 4, 4, 2]
    first, second = list(chain(*rows[:3])), list(chain(*rows[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert len({tuple(first), tuple(second), tuple(range(10))}) == 3


def test_every_epoch_trains_in_training_mode_and_validates_in_evaluation_mode_without_gradients():
    x_val = torch.arange(6.0)[:, None]
    calls = record(shuffle=False, epochs=2, validation_data=(x_val, x_val))
    training = [([0, 1, 2, 3], True, True), ([4, 5, 6, 7], True, True), ([8, 9], True, True)]
    validation = [([0, 1, 2, 3], False, False), ([4, 5], False, False)]
    assert calls == [*training, *validation] * 2


def run(**arguments):
    model = torch_net(dropout=0.5)
    torch.manual_seed(arguments.pop("global_seed", 0))
    before = torch.get_rng_state()
    return trained(model, **arguments), torch.equal(before, torch.get_rng_state())


def test_a_seed_fixes_every_bit_and_the_global_generator_is_neither_read_nor_moved():
    (first, unmoved), (again, also_unmoved) = (run(seed=1, global_seed=seed) for seed in (1, 2))
    assert equal(first, again) and unmoved and also_unmoved
    assert not equal(first, run(seed=2)[0])
    # Without shuffling only the dropout masks differ.
    assert not equal(run(seed=1, shuffle=False)[0], run(seed=2, shuffle=False)[0])


def test_without_a_seed_the_global_generator_decides():
    first, again, other = (run(seed=None, global_seed=seed)[0] for seed in (1, 1, 2))
    assert equal(first, again) and not equal(first, other)


def test_every_module_is_left_in_its_former_mode_after_an_error_too():
    model = torch_net(dropout=0.5)
    model[2].eval()
    modes = [module.training for module in model.modules()]
    assert set(modes) == {True, False}
    trained(model, validation_data=(X_VAL, Y_VAL))
    assert [module.training for module in model.modules()] == modes
    predict(model, X)
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ValueError, match="one loss per example"):
        trained(model, loss=cross_entropy)
    assert [module.training for module in model.modules()] == modes


def test_the_default_optimizer_is_adam():
    assert equal(trained(), trained(optimizer=torch.optim.Adam))
    assert not equal(trained(), trained(optimizer=torch.optim.SGD))


@pytest.mark.parametrize(("verbose", "terminal"), [(0, True), (1, True), (1, False)])
def test_a_progress_bar_shows_on_a_terminal_and_only_if_asked_for(monkeypatch, verbose, terminal):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    trained(verbose=verbose)
    assert ("epoch" in stream.getvalue(), stream.getvalue() != "") == (verbose and terminal, verbose and terminal)


# Refusals.


REFUSED = {
    "fewer targets": ({"y": Y[:-1]}, r"x and y must have the same number of rows, at least one; got 22 and 21"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, "same number of rows, at least one; got 0 and 0"),
    "fewer validation targets": ({"validation_data": (X_VAL, Y_VAL[:-1])}, "same number of rows.*got 9 and 8"),
    "no validation rows": ({"validation_data": (X_VAL[:0], Y_VAL[:0])}, "at least one; got 0 and 0"),
    "both weights": ({"sample_weight": W, "class_weight": CLASS_WEIGHT}, "class_weight or sample_weight, not both"),
    "negative weight": ({"sample_weight": np.r_[W[:5], -1.0, -1.0, W[7:]]}, r"row 5 has -1\.0"),
    "NaN weight": ({"sample_weight": np.r_[np.nan, W[1:]]}, "row 0 has nan"),
    "infinite weight": ({"sample_weight": np.r_[W[1:], np.inf]}, "row 21 has inf"),
    "negative validation weight": ({"validation_data": (X_VAL, Y_VAL, -W_VAL)}, "row 0 has -"),
    "fewer weights": ({"sample_weight": W[:-1]}, r"one weight per row, shape \(22,\), got shape \(21,\)"),
    "more weights": ({"sample_weight": np.r_[W, W]}, r"shape \(22,\), got shape \(44,\)"),
    "one weight": ({"sample_weight": 1.0}, r"shape \(22,\), got shape \(\)"),
    "more rows of weights": ({"sample_weight": np.ones((44, 3))}, r"must have 22 rows, as x has; got shape \(44, 3\)"),
    "fewer rows of weights": ({"sample_weight": np.ones((21, 3))}, r"must have 22 rows, as x has; got shape \(21, 3\)"),
    "weights of another shape": (
        {"sample_weight": np.ones((22, 3))},
        r"weights of shape \(8, 3\) do not fit losses of shape \(8,\)",
    ),
    "fewer validation weights": ({"validation_data": (X_VAL, Y_VAL, W_VAL[:-1])}, r"shape \(9,\), got shape \(8,\)"),
    "class without weight": ({"class_weight": {0: 1.0, 1: 1.0}}, r"row \d+ has the label 2, which has no weight"),
    "negative class weight": ({"class_weight": {**CLASS_WEIGHT, 1: -1.0}}, r"weight of class 1 .* got -1\.0"),
    "one-hot with class weights": (
        {"y": np.eye(3, dtype="float32")[Y], "class_weight": CLASS_WEIGHT},
        r"one class per row.*got shape \(22, 3\)",
    ),
    "unknown reduction": ({"reduction": "average"}, "reduction must be one of .* got 'average'"),
    "no epochs": ({"epochs": 0}, "epochs and batch_size must be at least 1, got 0 and 8"),
    "no batch size": ({"batch_size": 0}, "epochs and batch_size must be at least 1, got 2 and 0"),
    "one part of validation data": ({"validation_data": (X_VAL,)}, r"\(x, y\) or \(x, y, sample_weight\), got 1 parts"),
    "four parts of validation data": ({"validation_data": (X_VAL, Y_VAL, W_VAL, W_VAL)}, "got 4 parts"),
    "no validation data at all": ({"validation_data": ()}, "got 0 parts"),
    "patience without validation": ({"patience": 2}, r"early stopping \(patience\) watches val_loss"),
    "restoring without patience": (
        {"restore_best_weights": True, "validation_data": (X_VAL, Y_VAL)},
        "restore_best_weights needs early stopping: give patience",
    ),
    "reduced loss": (
        {"loss": cross_entropy},
        r"one loss per example, 8 of them; it gave shape \(\)\. Use reduction='none'",
    ),
    "a column of targets for three outputs": (
        {"y": Y[:, None].astype("float32"), "loss": lambda outputs, y: (outputs - y) ** 2},
        r"outputs of shape \(8, 3\) and targets of shape \(8, 1\) gave losses of shape \(8, 3\): they were broadcast",
    ),
    "integer targets of binary cross-entropy": (
        {"y": np.eye(3, dtype=int)[Y], "loss": partial(binary_cross_entropy_with_logits, reduction="none")},
        r"y holds torch.int64, .* binary cross-entropy and squared errors need floats: pass y.astype\('float32'\)",
    ),
    "integer inputs": ({"x": X.astype(int)}, "x holds torch.int64, and a layer that multiplies needs floats"),
    "a dictionary": ({"x": {"x": X}}, "expected an array or a tensor with one row per example, got dict"),
    "a loader": ({"x": DataLoader(X)}, "expected an array or a tensor with one row per example, got DataLoader"),
    "a weight beyond float32": ({"sample_weight": np.array([1e39, *W[1:]])}, r"float32 can hold.*: row 0 has 1e\+39"),
    "as many outputs as rows": (
        {"x": X[:3], "y": np.zeros(3, "float32"), "loss": lambda outputs, y: (outputs - y) ** 2},
        r"outputs of shape \(3, 3\) and targets of shape \(3,\)",
    ),
    "loss per output": (
        {"loss": lambda outputs, y: per_example(outputs, y)[:3]},
        r"one loss per example, 8 of them; it gave shape \(3,\)",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_fit_refuses_before_the_first_step(arguments, message):
    model = torch_net()
    before = get_weights(model)
    with pytest.raises(ValueError, match=message):
        trained(model, **arguments)
    assert max_difference(before, get_weights(model)) == 0


@pytest.mark.parametrize(
    ("outputs", "targets"), [((22, 1), (22,)), ((22,), (22, 1))], ids=["column of outputs", "column of targets"]
)
def test_the_broadcast_trap_is_refused_with_both_shapes(outputs, targets):
    # mse_loss makes 8 x 8 losses of (8, 1) and (8,), with no more than a warning.
    model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0) if len(outputs) == 1 else nn.Identity())
    y = np.zeros(targets, "float32")
    message = (
        rf"outputs of shape \(8,{' 1' * (len(outputs) - 1)}\) and targets of shape \(8,{' 1' * (len(targets) - 1)}\)"
    )
    with pytest.warns(UserWarning, match="broadcasting"), pytest.raises(ValueError, match=message):
        fit(model, X, y, loss=squared_error, batch_size=8)


# Prediction, and weights between frameworks.


@pytest.mark.parametrize("batch_size", [1, 7, 22, 1000])
def test_predict_gives_the_outputs_in_evaluation_mode_whatever_the_batch_size(batch_size):
    model = torch_net(dropout=0.5).train()
    expected = copy.deepcopy(model).eval()(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(predict(model, X, batch_size), expected, rtol=0, atol=1e-6)


def test_predict_works_in_batches_without_gradients():
    model = Recorder()
    assert isinstance(predict(model, torch.arange(5.0)[:, None], batch_size=2), np.ndarray)
    assert model.calls == [([0, 1], False, False), ([2, 3], False, False), ([4], False, False)]


def test_weights_go_to_keras_and_back():
    ours = torch_net()
    theirs = keras_net(ours)
    np.testing.assert_allclose(predict(ours, X), theirs.predict(X, verbose=0), rtol=0, atol=1e-6)
    other = torch_net(seed=1)
    set_weights(other, theirs.get_weights())
    assert [w.shape for w in get_weights(other)] == [(4, 8), (8,), (8, 3), (3,)]
    assert np.array_equal(predict(other, X), predict(ours, X))


def test_get_weights_gives_copies():
    model = torch_net()
    before = predict(model, X)
    for values in get_weights(model):
        values += 1
    assert np.array_equal(predict(model, X), before)


@pytest.mark.parametrize(
    "change",
    [lambda w: w[:-1], lambda w: [*w, w[0]], lambda w: [v.T for v in w], lambda w: []],
    ids=["fewer", "more", "torch layout", "none"],
)
def test_set_weights_refuses_other_shapes_and_states_both(change):
    model = torch_net()
    before = get_weights(model)
    wrong = change(before)
    with pytest.raises(ValueError) as error:
        set_weights(model, wrong)
    assert "[(4, 8), (8,), (8, 3), (3,)] (Keras layout)" in str(error.value)
    assert f"got {[w.shape for w in wrong]}" in str(error.value)
    assert max_difference(before, get_weights(model)) == 0


def test_a_model_that_returns_two_things_is_refused():
    class Two(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    with pytest.raises(ValueError, match="the model must return one tensor, got tuple"):
        fit(Two(4, 3), X, Y, loss=per_example)


def test_an_error_that_has_nothing_to_do_with_integers_is_not_explained_by_them():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        trained(nn.Linear(5, 3))


def test_a_model_without_parameters_can_predict():
    assert predict(nn.Flatten(), X).tolist() == X.tolist()


def test_no_gradient_is_left_in_the_model():
    model = torch_net()
    trained(model)
    assert [p.grad for p in model.parameters()] == [None] * 4


def test_weights_and_parameters_in_float64_keep_their_digits():
    model = nn.Linear(1, 1, bias=False).double()
    third = np.array([[1 / 3]])
    set_weights(model, [third])
    assert get_weights(model)[0] == third
    x, y = torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    descent = partial(torch.optim.SGD, lr=0.5)
    fit(model, x, y, loss=squared_error, sample_weight=np.array([third[0, 0], 0.0]), optimizer=descent, shuffle=False)
    # The gradient is Σ w 2 p / 2.
    assert get_weights(model)[0].item() == pytest.approx(1 / 3 - 0.5 / 9, rel=1e-15)


def test_keras_rmsprop_keeps_its_averages_and_takes_a_closure():
    p = nn.Parameter(torch.ones(2))
    stepper = KerasRMSprop([p])

    def closure():
        stepper.zero_grad()
        value = (p**2).sum()
        value.backward()
        return value.item()

    assert stepper.step(closure) == 2
    averages = stepper.state[p]["v"]
    assert stepper.step(closure) < 2
    assert stepper.state[p]["v"] is averages
