"""`exact_step` inside the loops of other libraries: mixins for an HF `Trainer` and for a `LightningModule`.

Neither library is imported here: a mixin stands before the library's own class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from helpers.pytorch.losses import reduce_losses, step_denominator


class ExactTrainerMixin:
    """An HF `Trainer` whose step divides by the denominator of all its micro-batches, on all ranks.

    The Trainer gathers the micro-batches of a step before the first forward pass: their weights are added up there.
    Its own divisions, by `num_items_in_batch` and by the number of micro-batches, are switched off. For instance, class
    weights for a classifier::

        import torch
        from torch.nn.functional import cross_entropy
        from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
        from helpers.pytorch import ExactTrainerMixin

        class ExactTrainer(ExactTrainerMixin, Trainer):
            reduction = "weighted_mean"
            class_weights = torch.tensor([1.0, 5.0])

            def losses(self, outputs, batch):
                return cross_entropy(outputs.logits, batch["labels"], reduction="none")

            def weights(self, batch):
                return self.class_weights.to(batch["labels"].device)[batch["labels"]]

        small = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8}
        config = BertConfig(num_hidden_layers=1, num_attention_heads=1, num_labels=2, **small)
        rows = [{"input_ids": torch.tensor([i % 9, 1, 2]), "labels": i % 2} for i in range(12)]
        arguments = TrainingArguments("trained", per_device_train_batch_size=2, gradient_accumulation_steps=3,
                                      use_cpu=True, report_to="none", save_strategy="no")
        ExactTrainer(BertForSequenceClassification(config), arguments, train_dataset=rows).train()

    Weights that are a column of the data set need `remove_unused_columns=False` in the arguments. An evaluation divides
    each of its batches by the batch's own denominator.

    `reduction` is one of `helpers.reductions.REDUCTIONS`, "mean" if you say nothing; `not_for_the_model` names the
    columns of a batch that the model does not get.
    """

    reduction = "mean"
    not_for_the_model = ("labels", "sample_weight")
    loss_is_scaled_for_ga = True  # so that the Trainer does not divide once more

    def losses(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Yours: one loss per row or token, unreduced.

        Args:
            outputs: of the model.
            batch: all columns.
        """
        raise NotImplementedError("define losses(self, outputs, batch): one loss per row or token, unreduced.")

    def weights(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Yours, if the data have no column `sample_weight`: one weight per loss.

        Args:
            batch: all columns.
        """
        return batch["sample_weight"]

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list, float | None]:
        """The Trainer's: the micro-batches of a step, and what all of them are divided by.

        Args:
            epoch_iterator: gives batches.
            num_batches: how many.
            device: not used.
        """
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        weights = [torch.as_tensor(self.weights(batch)).to(device) for batch in batches]
        return batches, step_denominator(weights, self.reduction) if batches else None

    def compute_loss(
        self, model: Any, inputs: dict, return_outputs: bool = False, num_items_in_batch: float | None = None
    ) -> Tensor | tuple[Tensor, Any]:
        """The Trainer's: the weighted losses of a micro-batch over the denominator of the step.

        Args:
            model: as the Trainer wrapped it.
            inputs: the batch.
            return_outputs: whether the model's outputs are returned too.
            num_items_in_batch: the denominator, in training.
        """
        outputs = model(**{name: values for name, values in inputs.items() if name not in self.not_for_the_model})
        losses, weights = self.losses(outputs, inputs), self.weights(inputs)
        training = self.model.training and num_items_in_batch is not None
        loss = reduce_losses(losses, weights, self.reduction, denominator=num_items_in_batch if training else None)
        return (loss, {"loss": loss, **outputs}) if return_outputs else loss


class ExactModuleMixin:
    """A `LightningModule` whose step divides by the denominator of all its micro-batches, on all ranks.

    Lightning shows a module one micro-batch at a time, and divides its loss by `accumulate_grad_batches`. So the sums
    are accumulated, and the gradient is divided before it is clipped::

        import lightning
        import torch
        from torch.nn.functional import mse_loss
        from helpers.pytorch import ExactModuleMixin

        class Module(ExactModuleMixin, lightning.LightningModule):
            reduction = "weighted_mean"

            def __init__(self):
                super().__init__()
                self.net = torch.nn.Linear(3, 1)

            def training_step(self, batch):
                x, y, w = batch
                return self.weighted_loss(mse_loss(self.net(x)[:, 0], y, reduction="none"), w)

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        data = torch.utils.data.TensorDataset(torch.randn(20, 3), torch.randn(20), torch.rand(20))
        loader = torch.utils.data.DataLoader(data, batch_size=8)
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = lightning.Trainer(max_epochs=1, accumulate_grad_batches=2, accelerator="cpu", **quiet)
        trainer.fit(Module(), loader)

    The loss that Lightning shows is a sum. In half precision a sum of many losses may be too large: the scaler then
    takes a smaller scale. `reduction` is one of `helpers.reductions.REDUCTIONS`, "mean" if you say nothing.
    """

    reduction = "mean"

    def weighted_loss(self, losses: Tensor, weights: Tensor) -> Tensor:
        """What `training_step` returns: the sum of the weighted losses. Its weights are kept for the division.

        Args:
            losses: one per row or more, unreduced.
            weights: one per loss.
        """
        self.weights_of_step = [*getattr(self, "weights_of_step", ()), weights.detach()]
        # Lightning divides every loss by this number.
        return reduce_losses(losses, weights, denominator=1.0) * self.trainer.accumulate_grad_batches

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Lightning's: divide the gradient of the step. Clipping comes after it.

        Args:
            optimizer: whose gradients are complete, and unscaled.
        """
        weights: Sequence[Tensor] = self.weights_of_step
        denominator = step_denominator(weights, self.reduction)
        self.weights_of_step = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(denominator or 1)
