"""The four reductions on Keras tensors, on any backend. Importing this module imports Keras, quietly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers._start import import_tensorflow, quiet
from helpers.reductions import check_denominator, check_reduction, fitting_shape
from helpers.weights import check_exact_weight_values, check_weight_values

with quiet():
    import keras
    from keras import KerasTensor, ops

if keras.backend.backend() == "tensorflow":
    tf = import_tensorflow()

__all__ = ["exact_train_step", "reduce_losses", "step_denominator"]

Tensor = Any  # a tensor of the backend, or what it can make one of


def reduce_losses(
    losses: Tensor, weights: Tensor | None = None, reduction: str = "mean", *, denominator: Tensor | None = None
) -> Tensor:
    """Reduce weighted losses to one number; differentiable.

    The rules, arguments and errors of `helpers.reductions.reduce_losses`. A weight of 0 adds exactly 0 to the value
    and to the gradient with respect to the losses, even where the loss is NaN or infinite. Inside a traced function
    (`tf.function`, `jax.jit`, and so a compiled `fit`) values cannot be looked at: there only shapes are checked.

    Where these losses are only a part of one step (a micro-batch, a replica's share), their own denominator is the
    wrong one. Then give the step's, from `step_denominator`, and get Σ w l / denominator.

    Args:
        losses: shape (n, ...), one or more per row: your loss with `reduction=None`.
        weights: the losses' shape, or one per row, (n,) or (n, 1, ...). None: all 1.
        reduction: one of `helpers.reductions.REDUCTIONS`. Not used where a denominator is given.
        denominator: what to divide by; 0, a step without weight, counts as 1. It needs one weight per loss.

    Returns:
        A tensor of shape (), with the losses' type.

    Raises:
        ValueError: an unknown reduction, shapes that do not fit, a negative, NaN or infinite weight or denominator.
    """
    check_reduction(reduction)
    losses = ops.convert_to_tensor(losses)
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(losses.dtype)):
        losses = ops.cast(losses, keras.config.floatx())
    if weights is None:
        weights = ops.ones_like(losses)
    weights = ops.convert_to_tensor(weights)
    if denominator is not None:
        denominator = ops.convert_to_tensor(denominator)
        known = 1.0 if _is_traced(denominator) else float(denominator)
        check_denominator(known, tuple(losses.shape), tuple(weights.shape))
    shape = fitting_shape(tuple(losses.shape), tuple(weights.shape))
    wide = keras.backend.result_type(losses.dtype, "float32")
    _check_values(weights, wide)
    # Half precision holds no sum of many losses, and no large number of them: add up and divide in float32.
    elements, weights = ops.cast(losses, wide), ops.cast(weights, wide)
    if shape != tuple(weights.shape):
        weights = ops.reshape(weights, shape)
    weights = ops.broadcast_to(weights, ops.shape(losses))
    if reduction == "weighted_mean" and denominator is None:
        weights = _at_a_safe_scale(weights)
    # 0 * NaN is NaN: such a loss is masked before the product. Others are not: the gradient with respect to a weight
    # of 0 is its loss.
    hidden = ops.logical_and(weights == 0, ops.logical_not(ops.isfinite(elements)))
    total = ops.sum(ops.where(hidden, ops.zeros_like(elements), elements) * weights)
    denominator = _denominator(weights, reduction) if denominator is None else ops.cast(denominator, wide)
    # No weight at all: the total is 0, and 0 / 1 is 0.
    mean = total / ops.where(denominator == 0, ops.ones_like(denominator), denominator)
    return ops.cast(mean, losses.dtype)


def step_denominator(weights: Tensor | list[Tensor], reduction: str = "mean") -> Tensor:
    """What to divide the losses of one optimiser step by: over all its micro-batches, and over all replicas.

    `sum` gives 1, `mean` N, `weighted_mean` Σ w and `nonzero_mean` #{w ≠ 0}, each over the whole step. There is no
    factor for the number of replicas, as there is in `helpers.pytorch`: Keras' optimisers ADD the gradients of the
    replicas. (Keras' own losses divide by the number of replicas first. A scalar of your own is taken as it is.)

    It works in the replica context of a `tf.distribute` strategy, so in `compute_loss` of a model that `fit` trains::

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            losses = keras.losses.binary_crossentropy(y, y_pred)
            if sample_weight is None:  # `evaluate` without weights
                sample_weight = keras.ops.ones_like(losses)
            denominator = step_denominator(sample_weight, "weighted_mean")
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            # What the layers add, such as L2, is whole in each replica, and the replicas are added.
            return reduce_losses(losses, sample_weight, denominator=denominator) + sum(self.losses) / replicas

    Without a strategy, and on other backends, the sums run over the weights given.

    Args:
        weights: one weight per loss; for several micro-batches, a list with one tensor for each.
        reduction: one of `helpers.reductions.REDUCTIONS`.

    Returns:
        A tensor of shape (), in Keras' float type.

    Raises:
        ValueError: an unknown reduction, no weights at all, or a negative, NaN or infinite weight.
    """
    check_reduction(reduction)
    batches = [ops.convert_to_tensor(w) for w in (weights if isinstance(weights, list | tuple) else [weights])]
    if not batches:
        raise ValueError("weights must hold at least one micro-batch. A replica without rows gives an empty tensor.")
    for batch in batches:
        _check_values(batch, keras.config.floatx())
    batches = [ops.cast(batch, keras.config.floatx()) for batch in batches]
    if reduction == "sum":
        return ops.ones((), dtype=keras.config.floatx())
    total = sum(_denominator(batch, reduction) for batch in batches)
    if keras.backend.backend() == "tensorflow":
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            total = replica.all_reduce(tf.distribute.ReduceOp.SUM, total)
    return total


def exact_train_step(
    model: keras.Model,
    data: tuple,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    reduction: str = "mean",
    micro_batches: int = 1,
    max_norm: float | None = None,
) -> dict[str, Tensor]:
    """The `train_step` of a model whose gradient is that of all rows of the step in one batch.

    The counterpart of `helpers.pytorch.exact_step`. The batch is computed in micro-batches, to save memory. All of
    them, on all replicas, are divided by the denominator of the step, and clipping comes after the sum over replicas::

        from functools import partial
        import keras
        from helpers.keras import exact_train_step

        class Model(keras.Sequential):
            def train_step(self, data):
                loss = partial(keras.losses.binary_crossentropy, from_logits=True)
                return exact_train_step(self, data, loss, reduction="weighted_mean", micro_batches=4)

        model = Model([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam")
        x, y = keras.random.normal((64, 3)), keras.ops.ones((64, 1))
        model.fit(x, y, sample_weight=keras.random.uniform((64,)), verbose=0)

    Two things of Keras' own are not exact, and not needed here. `gradient_accumulation_steps` takes the mean of the
    batches' means. `clipnorm` cuts the gradient of each replica, before they are added.

    Args:
        model: a compiled model, on the backend TensorFlow; under a `tf.distribute` strategy, or without one.
        data: what `train_step` gets: rows, targets, weights. The weights have the shape of the losses, or (n,).
        loss: `loss(y, y_pred)` gives one loss per row or more, unreduced.
        reduction: one of `helpers.reductions.REDUCTIONS`.
        micro_batches: into how many the batch of each replica is cut. Some may be empty.
        max_norm: clips the gradient of the step to this norm. None: does not.

    Returns:
        The metrics, as `train_step` returns them. "loss" is the loss of the step.

    Raises:
        ValueError: an unknown reduction, another backend, fewer than one micro-batch, or shapes that do not fit.
    """
    if keras.backend.backend() != "tensorflow" or micro_batches < 1:
        raise ValueError(
            "exact_train_step needs the backend tensorflow and at least one micro-batch, got "
            f"{keras.backend.backend()} and {micro_batches}."
        )
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    rows = tf.shape(keras.tree.flatten(x)[0])[0]
    weights = tf.ones([rows]) if weights is None else weights
    denominator = step_denominator(weights, reduction)
    replica = tf.distribute.get_replica_context()
    variables, replicas = model.trainable_variables, replica.num_replicas_in_sync
    total, outputs = 0.0, []
    sums = [tf.zeros_like(variable) for variable in variables]
    for part in range(micro_batches):
        some = slice(part * rows // micro_batches, (part + 1) * rows // micro_batches)
        x_part, y_part, w_part = keras.tree.map_structure(lambda a, some=some: a[some], (x, y, weights))
        with tf.GradientTape() as tape:
            outputs.append(model(x_part, training=True))
            value = reduce_losses(loss(y_part, outputs[-1]), w_part, denominator=denominator)
            # What the layers add, such as L2, is whole in each micro-batch and each replica, and all are added.
            value += sum(model.losses) / (micro_batches * replicas)
            scaled = model.optimizer.scale_loss(value)
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        sums = [a + b for a, b in zip(sums, gradients, strict=True)]
        total += value
    if max_norm is not None:
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        sums, _ = tf.clip_by_global_norm(sums, model.optimizer.scale_loss(max_norm))
        sums = [a / replicas for a in sums]  # which the optimiser adds
    model.optimizer.apply(sums, variables)
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(total * replicas, sample_weight=rows)  # it takes the mean over the replicas
    y_pred = keras.tree.map_structure(lambda *parts: tf.concat(parts, 0), *outputs)
    return model.compute_metrics(x, y, y_pred, sample_weight=weights)


def _denominator(weights: Tensor, reduction: str) -> Tensor:
    """What a reduction divides by, for one weight per loss."""
    return {
        "sum": lambda: ops.ones((), dtype=weights.dtype),
        "mean": lambda: ops.sum(ops.ones_like(weights)),
        "weighted_mean": lambda: ops.sum(weights),
        "nonzero_mean": lambda: ops.sum(ops.cast(weights != 0, weights.dtype)),
    }[reduction]()


def _check_values(weights: Tensor, dtype: str) -> None:
    """Refuse weights that none may be, and those that `dtype` cannot hold, where there are values to look at."""
    if _is_traced(weights):
        return
    if keras.backend.standardize_dtype(weights.dtype) == "bfloat16":  # which NumPy does not know as a number
        weights = ops.cast(weights, "float32")
    check = check_exact_weight_values if dtype == "float64" else check_weight_values
    check(ops.convert_to_numpy(weights))


def _at_a_safe_scale(weights: Tensor) -> Tensor:
    """Tiny weights times 1e30, huge ones times 1e-30: a weighted mean stays the same, and its sums stay finite."""
    largest = ops.stop_gradient(ops.max(weights, initial=0))
    tiny, huge = ops.logical_and(largest > 0, largest < 1e-30), largest > 1e30
    return weights * ops.cast(ops.where(tiny, 1e30, ops.where(huge, 1e-30, 1.0)), weights.dtype)


def _is_traced(tensor: Tensor) -> bool:
    """Whether a tensor has no values yet."""
    if isinstance(tensor, KerasTensor):
        return True
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return tf.is_symbolic_tensor(tensor)
    if backend == "jax":
        import jax

        return isinstance(tensor, jax.core.Tracer)
    return False
