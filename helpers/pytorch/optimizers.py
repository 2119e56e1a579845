"""Keras' rules for optimisers that torch has under the same name with another rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop by Keras' rule: v = rho v + (1 - rho) g², then p -= lr g / sqrt(v + eps).

    `torch.optim.RMSprop` has alpha = 0.99 for rho, and adds eps = 1e-8 outside the root. No choice of its arguments
    gives Keras' steps where gradients are small. Use this class to port a Keras experiment, as in
    `fit(..., optimizer=KerasRMSprop)`.

    Args:
        params: the parameters.
        lr: learning rate.
        rho: share of the old average of squares that is kept.
        eps: inside the root.

    Source: `keras.optimizers.RMSprop` with momentum 0, not centred.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 1e-3, rho: float = 0.9, eps: float = 1e-7):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change the parameters by one step.

        Args:
            closure: computes the loss and its gradients once more, and returns the loss.

        Returns:
            What the closure returned.
        """
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "v" not in state:
                    state["v"] = torch.zeros_like(p)
                v = state["v"]
                v.mul_(group["rho"]).addcmul_(p.grad, p.grad, value=1 - group["rho"])
                p.addcdiv_(p.grad, (v + group["eps"]).sqrt_(), value=-group["lr"])
        return value
