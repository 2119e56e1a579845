"""Tests with the real trainers of Hugging Face and Lightning, on tiny random models: what is exact, and what is not."""

from __future__ import annotations

import inspect
import re
import textwrap

import lightning
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from helpers.check import CannotBeDriven, as_step, assert_honours_weights, check_step, forked_ranks
from helpers.check.drive import kind_of_thing
from helpers.check.rows import FAILS, HOLDS
from helpers.pytorch import ExactModuleMixin, ExactTrainerMixin, exact_step, reduce_losses
from helpers.reductions import REDUCTIONS

MICRO, OWN, DENOMINATOR = "micro-batches of one step", "each row has its own weight", "denominator"
RNG = torch.Generator().manual_seed(0)
IDS = torch.randint(0, 11, (12, 7), generator=RNG)
LABELS = IDS.masked_fill(torch.arange(7) < torch.arange(12)[:, None] % 5, -100)  # prompts of several lengths
X, Y = torch.randn(12, 3, generator=RNG), torch.randn(12, generator=RNG)


def observed(rows):
    return {row["property"]: row["observed"] for row in rows}


# Hugging Face.


def token_losses(outputs, labels):
    return cross_entropy(outputs.logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")


class Exact(ExactTrainerMixin, Trainer):
    """A weight for each sequence, on each of its answer's tokens."""

    def losses(self, outputs, batch):
        return token_losses(outputs, batch["labels"])

    def weights(self, batch):
        return batch["sample_weight"][:, None] * (batch["labels"][:, 1:] != -100)


class OwnLoss(Trainer):
    """As many write it: the weighted mean of each micro-batch."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        weights = Exact.weights(self, inputs)
        return reduce_losses(token_losses(model(inputs["input_ids"]), inputs["labels"]), weights, "weighted_mean")


def trainer_of(kind, tmp_path, **attributes):
    torch.manual_seed(0)
    sizes = {"vocab_size": 11, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, initializer_range=0.3))
    quiet = {"use_cpu": True, "report_to": "none", "save_strategy": "no", "remove_unused_columns": False}
    trainer = kind(model, TrainingArguments(str(tmp_path), **quiet))
    vars(trainer).update(attributes)
    return trainer


@pytest.mark.parametrize("reduction", ["sum", "weighted_mean"])
def test_the_exact_trainer_honours_weights(reduction, tmp_path):
    trainer = trainer_of(Exact, tmp_path, reduction=reduction)
    assert_honours_weights(check_step(trainer, IDS, LABELS), denominator=reduction if reduction == "sum" else None)


def test_a_trainer_with_an_own_loss_does_not_accumulate_and_one_without_has_no_weights(tmp_path):
    rows = check_step(trainer_of(OwnLoss, tmp_path), IDS, LABELS)
    assert observed(rows)[OWN] == HOLDS
    assert observed(rows)[MICRO] == FAILS
    rows = check_step(trainer_of(Trainer, tmp_path), IDS, LABELS)
    assert observed(rows)[OWN] == FAILS
    assert observed(rows)[MICRO] == HOLDS


def test_a_trainer_is_left_as_it_was(tmp_path):
    trainer = trainer_of(Exact, tmp_path)
    before = dict(vars(trainer)), {**vars(trainer.args)}, trainer.callback_handler.callbacks
    weights = [p.detach().clone() for p in trainer.model.parameters()]
    as_step(trainer)([(IDS[:5], LABELS[:5], torch.ones(5)), (IDS[5:], LABELS[5:], torch.ones(7))])
    changed = {"state", "control", "is_in_train", "_train_batch_size", "_created_lr_scheduler", "current_flos"}
    changed.add("_mixed_mesh_grads")
    now = {name: value for name, value in vars(trainer).items() if name in before[0] and name not in changed}
    assert [name for name, value in now.items() if value is not before[0][name] and value != before[0][name]] == []
    assert ({**vars(trainer.args)}, trainer.callback_handler.callbacks) == before[1:]
    assert all(torch.equal(a, b) for a, b in zip(weights, trainer.model.parameters(), strict=True))


def test_the_exact_trainer_trains_and_evaluates(tmp_path):
    trainer = trainer_of(Exact, tmp_path, reduction="weighted_mean")
    trainer.train_dataset = [
        {"input_ids": i, "labels": label, "sample_weight": 1.0} for i, label in zip(IDS, LABELS, strict=True)
    ]
    for name, value in {"max_steps": 12, "learning_rate": 0.1, "gradient_accumulation_steps": 2}.items():
        setattr(trainer.args, name, value)
    trainer.args.disable_tqdm, trainer.args.logging_strategy, trainer.log = True, "no", lambda *_, **__: None
    before = trainer.evaluate(trainer.train_dataset)
    trainer.train()
    assert trainer.evaluate(trainer.train_dataset)["eval_loss"] < before["eval_loss"] - 0.5


def test_two_ranks_have_the_gradient_of_one(tmp_path):
    weights = torch.linspace(0, 3, 12)
    parts = [(IDS[part], LABELS[part], weights[part]) for part in (slice(0, 2), slice(2, 5), slice(5, 12))]
    right = as_step(trainer_of(Exact, tmp_path, reduction="weighted_mean"))([(IDS, LABELS, weights)])

    def step(share):
        trainer = trainer_of(Exact, tmp_path, reduction="weighted_mean")
        assert trainer.accelerator.num_processes == 2
        return as_step(trainer)(share)

    for gradient in forked_ranks(step, [parts[:2], parts[2:]], seconds=100):
        np.testing.assert_allclose(gradient, right, atol=1e-6 * np.linalg.norm(right))


# Lightning.


class Module(lightning.LightningModule):
    """As the manual writes it: a loss of each micro-batch."""

    reduction = "weighted_mean"

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Linear(3, 1)

    def training_step(self, batch):
        x, y, w = batch
        return self.weighted_loss(mse_loss(self.net(x)[:, 0], y, reduction="none"), w)

    def weighted_loss(self, losses, weights):
        return reduce_losses(losses, weights, self.reduction)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class ExactModule(ExactModuleMixin, Module):
    reduction = "weighted_mean"


def test_lightning_takes_the_mean_of_the_micro_batches_and_the_mixin_does_not():
    assert observed(check_step(Module(), X, Y))[MICRO] == FAILS
    assert_honours_weights(check_step(ExactModule(), X, Y), denominator="weighted_mean")


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_lightning_clips_the_divided_gradient(reduction):
    module, limit = ExactModule(), 0.01
    module.reduction = reduction
    start, weights = [p.detach().clone() for p in module.parameters()], torch.linspace(0, 3, 12)
    losses = mse_loss(module.net(X)[:, 0], Y, reduction="none")
    right = torch.autograd.grad(reduce_losses(losses, weights, reduction), list(module.parameters()))
    norm = torch.cat([g.ravel() for g in right]).norm()
    batches = [(X[part], Y[part], weights[part]) for part in (slice(0, 2), slice(2, 5), slice(5, 12))]
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = lightning.Trainer(
        max_epochs=1, accumulate_grad_batches=3, gradient_clip_val=limit, accelerator="cpu", **quiet
    )
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    for before, after, gradient in zip(start, module.parameters(), right, strict=True):
        torch.testing.assert_close(before - after, gradient * limit / norm, rtol=1e-3, atol=1e-6)


class Dealt(torch.utils.data.IterableDataset):
    """Micro-batches for each of two ranks, as unequal as they may be."""

    weights = torch.linspace(0, 3, 12)
    parts = [slice(0, 1), slice(1, 3)], [slice(3, 9), slice(9, 12)]

    def __iter__(self):
        for part in self.parts[torch.distributed.get_rank()]:
            yield X[part], Y[part], self.weights[part]


def step_on_two_ranks(module):
    """What one optimiser step of Lightning subtracts from the parameters: the gradient, for its rate is 1."""
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = lightning.Trainer(
        max_epochs=1, accumulate_grad_batches=2, accelerator="cpu", strategy="ddp_fork", devices=2, **quiet
    )
    start = torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()
    trainer.fit(module, torch.utils.data.DataLoader(Dealt(), batch_size=None))
    return start - torch.nn.utils.parameters_to_vector(module.parameters()).detach()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_lightning_on_two_ranks(reduction):
    errors = []
    for kind in ExactModule, Module:
        module = kind()
        module.reduction = reduction
        losses = mse_loss(module.net(X)[:, 0], Y, reduction="none")
        right = torch.autograd.grad(reduce_losses(losses, Dealt.weights, reduction), list(module.parameters()))
        right = torch.cat([gradient.ravel() for gradient in right])
        errors.append(((step_on_two_ranks(module) - right).norm() / right.norm()).item())
    assert errors[0] < 1e-6
    assert errors[1] > 0.1


# The examples of the docstrings.


@pytest.mark.parametrize("thing", [ExactTrainerMixin, ExactModuleMixin, as_step, exact_step])
def test_the_example_of_the_docstring_runs(thing, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(thing))
    exec(compile(textwrap.dedent(example), thing.__name__, "exec"), {"__name__": "example"})
    assert "Error" not in capsys.readouterr().err


# What they are for the check.


def test_both_are_steps_and_nothing_else(tmp_path):
    assert kind_of_thing(Module()) == kind_of_thing(trainer_of(Exact, tmp_path)) == "step"


def test_a_model_that_refuses_weights_says_so(tmp_path):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def forward(self, x, labels):
            return {"loss": ((self.net(x)[:, 0] - labels) ** 2).mean()}

    trainer = trainer_of(Exact, tmp_path)
    plain = Trainer(Plain(), trainer.args)
    with pytest.raises(CannotBeDriven, match=r"refuses the column 'sample_weight'.*ExactTrainerMixin"):
        check_step(plain, X, Y)
