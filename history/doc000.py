"""Document 000: a net under weights, in PyTorch, Keras and a third implementation: scikit-learn.

The curve and the weights are those of the chapter Regression emphasis. All start from the same numbers and take the
same full-batch steps of plain gradient descent, in float64, so that only rounding may differ.
"""

import keras
import numpy as np
import sklearn.neural_network
import torch

ROWS, HIDDEN, STEPS, RATE = 200, (32, 32), 300, 0.05
X = np.linspace(-3, 3, ROWS)[:, None]
Y = np.exp(-(X[:, 0] ** 2))
ARMS = {name: np.exp(rate * X[:, 0]) for name, rate in (("unweighted", 0), ("left-heavy", -1), ("right-heavy", 1))}
# A mean of 1, so that the sum of the weights and the number of rows are the same divisor.
ARMS = {name: weights / weights.mean() for name, weights in ARMS.items()}


def observe():
    """By how much do the three differ, and by what does scikit-learn divide?"""
    return {
        "net": {arm: attempt(lambda w=weights: net(w)) for arm, weights in ARMS.items()},
        "MLPRegressor divides by": attempt(denominator),
        "MLPRegressor in batches of one row: the weights move a prediction by": attempt(one_row),
    }


def attempt(run):
    """The result of a call, or the kind of its error."""
    try:
        return run()
    except Exception as error:
        return "{}: {}".format(type(error).__name__, str(error).splitlines()[0][:100])


def net(weights):
    """Largest difference of a prediction from scikit-learn's; and how far the weights moved it, as a scale."""
    parameters = start()
    third = regressor().fit(X, Y, sample_weight=weights).predict(X)
    trained = {"PyTorch": by_torch, "Keras": by_keras}
    found = {name: float(abs(train(parameters, weights) - third).max()) for name, train in trained.items()}
    moved = abs(third - by_torch(parameters, np.ones(ROWS))).max()
    return dict(found, **{"moved by the weights": float(moved)})


def regressor(**given):
    """The net, stopped by nothing but the number of steps. Its loss is half the squared error: twice the rate."""
    how = dict(learning_rate_init=2 * RATE, max_iter=STEPS, batch_size=ROWS)
    how.update(given)
    return sklearn.neural_network.MLPRegressor(
        hidden_layer_sizes=HIDDEN, activation="tanh", solver="sgd", momentum=0, alpha=0, shuffle=False, tol=0,
        n_iter_no_change=STEPS + 1, random_state=0, **how)  # fmt: skip


def start():
    """What scikit-learn starts from, as kernel and bias of each layer: one step with no length shows it."""
    still = regressor(learning_rate_init=1e-300, max_iter=1).fit(X, Y)
    return [array for pair in zip(still.coefs_, still.intercepts_) for array in pair]


def by_torch(parameters, weights):
    """Predictions after `STEPS` steps."""
    made = [torch.tensor(array, requires_grad=True) for array in parameters]
    x, y, w = (torch.tensor(array) for array in (X, Y, weights))
    optimizer = torch.optim.SGD(made, RATE)
    for _ in range(STEPS):
        loss = (w * (forward(made, x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return forward(made, x).detach().numpy()


def forward(parameters, x):
    """The outputs of these layers, with tanh between them."""
    for kernel, bias in zip(parameters[::2], parameters[1::2]):
        x = x @ kernel + bias
        if kernel is not parameters[-2]:
            x = torch.tanh(x)
    return x[:, 0]


def by_keras(parameters, weights):
    """The same through `sample_weight`. One epoch holds all steps: the rows are repeated."""
    keras.config.set_floatx("float64")
    widths = [len(bias) for bias in parameters[1::2]]
    model = keras.Sequential(
        [keras.Input((1,))]
        + [keras.layers.Dense(width, "tanh") for width in widths[:-1]]
        + [keras.layers.Dense(widths[-1])]
    )
    model.compile(keras.optimizers.SGD(RATE), loss="mse")
    model.set_weights(parameters)
    x, y, w = np.tile(X, (STEPS, 1)), np.tile(Y, STEPS), np.tile(weights, STEPS)
    model.fit(x, y, sample_weight=w, batch_size=ROWS, shuffle=False, verbose=0)
    return model.predict(X, batch_size=ROWS, verbose=0)[:, 0]


def denominator():
    """The name of the divisor, from what one step does to the last bias."""
    weights = 7 * ARMS["left-heavy"]
    weights[:5] = 0
    begin = [torch.tensor(array) for array in start()]
    pull = (weights * (forward(begin, torch.tensor(X)).numpy() - Y)).sum()
    last = regressor(max_iter=1).fit(X, Y, sample_weight=weights).intercepts_[-1][0]
    number = -2 * RATE * pull / (last - float(begin[-1][0]))
    by = {"sum": 1, "mean": ROWS, "weighted_mean": weights.sum(), "nonzero_mean": (weights != 0).sum()}
    return " or ".join(name for name, divisor in by.items() if np.isclose(divisor, number)) or "none of these"


def one_row():
    """A batch of one row: a weight that is divided by itself does nothing."""
    given = {"batch_size": 1, "max_iter": 1, "learning_rate_init": 0.01}
    plain = regressor(**given).fit(X, Y)
    weighted = regressor(**given).fit(X, Y, sample_weight=ARMS["left-heavy"])
    return float(abs(weighted.predict(X) - plain.predict(X)).max())
