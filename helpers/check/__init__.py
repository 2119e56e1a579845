"""Does my loss, my step, my loop honour weights?

Weight 2 must be two copies, and weight 0 must be absence. scikit-learn asks this of all its estimators; here it is
asked of what you train with torch and Keras. Run it as a program, or call one of three functions::

    python -m helpers.check my_module:my_loss

- `check_loss`: of a function `loss(outputs, targets, weights)`, or of a Keras loss.
- `check_step`: of a function that makes the gradient of one step of the optimiser, of a compiled Keras model, of an HF
  `Trainer`, or of a `LightningModule`.
- `check_training`: of a function that trains and returns `predict`, or of a scikit-learn estimator.

Each returns rows with the keys `KEYS`. `denominator` names what divides the sum of the weighted losses, one of
`DENOMINATORS`. The other `PROPERTIES` are "holds", "fails" or "not observed". What fails is the DIRECTION of a
gradient, or a factor that the denominator does not explain. That a denominator depends on the batch is no failure.

In a test::

    import torch
    from torch.nn.functional import mse_loss
    from helpers.check import assert_honours_weights, check_loss
    from helpers.pytorch import reduce_losses

    def loss(outputs, targets, weights):
        return reduce_losses(mse_loss(outputs, targets, reduction="none"), weights, "weighted_mean")

    rows = check_loss(loss, torch.randn(12), torch.randn(12))
    assert_honours_weights(rows, denominator="weighted_mean")
"""

from __future__ import annotations

from helpers.check import rows
from helpers.check.command import main
from helpers.check.drive import as_step
from helpers.check.launchers import forked_ranks
from helpers.check.losses import check_loss
from helpers.check.rows import CannotBeDriven, assert_honours_weights, render
from helpers.check.steps import check_step
from helpers.check.trainings import check_training

__all__ = [
    "DENOMINATORS",
    "KEYS",
    "PROPERTIES",
    "CannotBeDriven",
    "as_step",
    "assert_honours_weights",
    "check_loss",
    "check_step",
    "check_training",
    "forked_ranks",
    "main",
    "render",
]

#: What each row says.
KEYS = rows.KEYS
#: What is asked of everything; a loss has rows about types and shapes as well.
PROPERTIES = rows.PROPERTIES
#: What can be found for the property `denominator`; `mask count` is the number of targets that are not ignored.
DENOMINATORS = rows.DENOMINATORS
