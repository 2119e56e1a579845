"""Verdicts cannot be printed without a measurement, in the helper and in the chapters."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers.findings import Condition, Criterion, Reason, exact, judge, mean, paired

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(3, 1, 20), RNG.normal(2, 1, 20)
BOTH = ("PyTorch", "Keras")
LARGE = Criterion("at least 1", at_least=1)
SMALL = Criterion("below 1", at_most=1)


def everywhere(effect):
    return dict.fromkeys(BOTH, effect)


def test_a_criterion_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="nothing could fail it"):
        Criterion("good")


def test_a_claim_holds_if_the_whole_interval_meets_the_criterion():
    assert judge("A1", everywhere(paired(FIRST + 3, SECOND)), LARGE).verdict == "holds"
    noisy = mean([0.0, 3.0])
    assert noisy.value > 1 > noisy.low
    with pytest.raises(ValueError, match=r"A1 fails .*at least 1.* and no reason was measured"):
        judge("A1", everywhere(noisy), LARGE)


def test_a_verdict_prints_size_condition_counterexample_and_the_documents_number():
    found = judge(
        "A1",
        everywhere(exact(2)),
        LARGE,
        only_if=Condition("trained long", everywhere(exact(0.5))),
        document="1.7",
        scope="one data set",
    )
    assert str(found).splitlines() == [
        "A1: holds if trained long",
        "    PyTorch: 2; otherwise: 0.5",
        "    Keras: 2; otherwise: 0.5",
        "    asked: at least 1",
        "    document: 1.7",
        "    scope: one data set",
    ]
    keys = [key for key, _ in found.items()]
    assert keys == ["A1_verdict", "A1_pytorch", "A1_keras", "A1_criterion", "A1_document", "A1_scope"]


def test_a_condition_without_a_counterexample_is_refused():
    with pytest.raises(ValueError, match=r"the counterexample to .trained long. meets the criterion in"):
        judge(
            "A1",
            everywhere(exact(2)),
            LARGE,
            only_if=Condition("trained long", {"PyTorch": exact(0), "Keras": exact(3)}),
        )


def test_a_reason_must_have_been_measured():
    few = everywhere(exact(0))
    shown = judge("A1", few, LARGE, because=Reason("the rest is small", everywhere(exact(0.1)), SMALL))
    assert shown.verdict == "does not hold: the rest is small"
    assert shown.figures["Keras"] == "0; below 1: 0.1"
    with pytest.raises(ValueError, match=r"'the rest is small' is not what was measured in .*: below 1"):
        judge("A1", few, LARGE, because=Reason("the rest is small", everywhere(exact(5)), SMALL))


def test_but_needs_a_measurement_too_and_names_where_a_claim_fails():
    effects = {"PyTorch": exact(2), "Keras": exact(0)}
    reason = Reason("small there", everywhere(exact(0)), SMALL)
    assert judge("A1", effects, LARGE, because=reason).verdict == "does not hold in Keras: small there"
    assert judge("A1", everywhere(exact(2)), LARGE, but=reason).verdict == "holds, but small there"
    with pytest.raises(ValueError, match="is not what was measured"):
        judge("A1", everywhere(exact(2)), LARGE, but=Reason("small", everywhere(exact(2)), SMALL))


@pytest.mark.parametrize("more", [{"PyTorch": exact(0)}, {"PyTorch": exact(0), "JAX": exact(0)}])
def test_what_is_shown_must_be_measured_in_the_same_frameworks(more):
    with pytest.raises(ValueError, match="A1: measured in"):
        judge("A1", everywhere(exact(2)), LARGE, only_if=Condition("x", more))


# The chapters.

BOOK = Path(__file__).parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))


def glued(path: Path) -> dict[str, str]:
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    named = [output for output in outputs if "scrapbook" in output.get("metadata", {})]
    kind = "application/papermill.record/text/plain"
    return {o.metadata.scrapbook.name: literal_eval(o.data[kind]) for o in named if kind in o.data}  # no figures


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_verdict_of_a_chapter_was_measured(path):
    """It has the criterion that was asked, and a number in each framework that it is about. Only `judge` gives both."""
    texts = glued(path)
    for claim in (name.removesuffix("_verdict") for name in texts if name.endswith("_verdict")):
        assert texts.get(f"{claim}_criterion"), claim
        found = {framework: texts[f"{claim}_{framework.lower()}"] for framework in ("PyTorch", "Keras")}
        silent = [framework for framework, text in found.items() if not re.search(r"\d", text)]
        assert len(silent) < 2, claim
        assert [found[framework] for framework in silent] == [f"the claim is not about {f}" for f in silent], claim
    code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    assert "findings.Finding(" not in code
