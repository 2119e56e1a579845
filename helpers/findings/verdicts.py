"""Verdicts on claims: computed from effects and from a criterion that was stated before the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from helpers.findings.sizes import Effect


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim, with the figure that each framework gave.

    Attributes:
        claim: its name in `claims.md`, for instance "C1".
        verdict: "holds", "holds if ..." or "does not hold", with a reason where one is needed.
        figures: framework -> the figure the verdict rests on, as text.
        criterion: what was asked of it, in words.
        scope: to what the experiments are limited.
        document: the document's own number.
    """

    claim: str
    verdict: str
    figures: Mapping[str, str]
    criterion: str | None = None
    scope: str | None = None
    document: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.claim}: {self.verdict}"]
        lines += [f"    {framework}: {figure}" for framework, figure in self.figures.items()]
        notes = {"asked": self.criterion, "document": self.document, "scope": self.scope}
        return "\n".join(lines + [f"    {name}: {text}" for name, text in notes.items() if text])

    def items(self) -> list[tuple[str, str]]:
        """Key and text of all that the ledger pastes: C1_verdict, C1_pytorch, C1_keras, and what else is known."""
        figures = [(f"{self.claim}_{framework.lower()}", figure) for framework, figure in self.figures.items()]
        notes = {"criterion": self.criterion, "document": self.document, "scope": self.scope}
        more = [(f"{self.claim}_{name}", text) for name, text in notes.items() if text]
        return [(f"{self.claim}_verdict", self.verdict), *figures, *more]


@dataclass(frozen=True)
class Criterion:
    """What an effect must show, stated before the experiment: its whole interval lies from `at_least` to `at_most`.

    Attributes:
        text: the same in words.
        at_least: lower bound.
        at_most: upper bound.
    """

    text: str
    at_least: float = -inf
    at_most: float = inf

    def __post_init__(self) -> None:
        if self.at_least == -inf and self.at_most == inf:
            raise ValueError(f"the criterion {self.text!r} has no bound: nothing could fail it.")

    def met(self, effect: Effect) -> bool:
        """Whether the effect lies between the bounds, with all of its interval."""
        return self.at_least <= effect.low and effect.high <= self.at_most


@dataclass(frozen=True)
class Condition:
    """Without which a claim fails, with the counterexample that shows it.

    Attributes:
        text: what follows "holds if".
        counterexample: framework -> the claim's effect without the condition. It must not meet the claim's criterion.
    """

    text: str
    counterexample: Mapping[str, Effect]


@dataclass(frozen=True)
class Reason:
    """Why a claim fails, or what must be said beside it, with the measurement that shows it.

    Attributes:
        text: what follows "does not hold:" or "holds, but".
        measured: framework -> effect.
        criterion: what the effects must meet.
    """

    text: str
    measured: Mapping[str, Effect]
    criterion: Criterion


def judge(
    claim: str,
    effects: Mapping[str, Effect],
    criterion: Criterion,
    *,
    only_if: Condition | None = None,
    but: Reason | None = None,
    because: Reason | None = None,
    scope: str | None = None,
    document: str | None = None,
) -> Finding:
    """Compute the verdict on a claim. No condition and no reason is printed that was not measured.

    Args:
        claim: its name in `claims.md`.
        effects: framework -> what was measured.
        criterion: what it must show. The claim holds where the whole interval meets it.
        only_if: a condition, if the claim holds in both.
        but: what must be said beside a claim that holds.
        because: why it fails, if it does. Needed then.
        scope: to what the experiments are limited.
        document: the document's own number.

    Raises:
        ValueError: a counterexample that meets the criterion, a reason whose measurement does not meet its own, other
            frameworks than in `effects`, or a claim that fails without a reason.
    """
    failed = [framework for framework, effect in effects.items() if not criterion.met(effect)]
    figures = {framework: effect.text for framework, effect in effects.items()}
    words, shown = "holds", None
    if failed:
        if because is None:
            given = ", ".join(f"{framework}: {effects[framework]}" for framework in failed)
            raise ValueError(f"{claim} fails ({criterion.text}; {given}) and no reason was measured: give because=.")
        where = "" if len(failed) == len(effects) else f" in {' and '.join(failed)}"
        words, shown = f"does not hold{where}: {because.text}", because
    elif only_if:
        met = [framework for framework, effect in only_if.counterexample.items() if criterion.met(effect)]
        if met:
            raise ValueError(f"{claim}: the counterexample to {only_if.text!r} meets the criterion in {met}.")
        words = f"holds if {only_if.text}"
        figures = _beside(claim, figures, only_if.counterexample, "otherwise")
    if but and not failed:
        words, shown = f"{words}, but {but.text}", but
    if shown:
        wrong = [framework for framework, effect in shown.measured.items() if not shown.criterion.met(effect)]
        if wrong:
            raise ValueError(f"{claim}: {shown.text!r} is not what was measured in {wrong}: {shown.criterion.text}.")
        figures = _beside(claim, figures, shown.measured, shown.criterion.text)
    return Finding(claim, words, figures, criterion.text, scope, document)


def _beside(claim: str, figures: dict[str, str], more: Mapping[str, Effect], words: str) -> dict[str, str]:
    if set(more) != set(figures):
        raise ValueError(f"{claim}: measured in {sorted(figures)}, and {words!r} in {sorted(more)}.")
    return {framework: f"{text}; {words}: {more[framework]}" for framework, text in figures.items()}
