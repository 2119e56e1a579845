"""Cards with a question: what stands on the page without scripts, and what the build refuses."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from sphinx_project import Project

GLUED = {"rise": "0.57 ± 0.02 (n = 20)", "C1_verdict": "holds if it is small", "both": "as before", "loss": "-1e-6"}
RIGHT = """# C

:::{predict} rise
How *much*?
:::

:::{predict} loss
How small?
:::

:::{predict} C1_verdict
:choices: holds | holds if | does not hold
So?
:::
"""
WRONG = {
    "no such key": ("{predict} raise\nHow?", "chapter.ipynb pastes nothing under the name raise: is it executed?"),
    "a near key": ("{predict} C1_verdit\nSo?", "under the name C1_verdit: is it executed? It pastes C1_verdict."),
    "no such chapter": ("{predict} other.ipynb::rise\nHow?", "there is no chapter other.ipynb"),
    "no question": ("{predict} rise", "expected a question between"),
    "no number": (
        "{predict} both\nHow?",
        "both has to start with a number, or name its `:choices:`: it is 'as before'",
    ),
    "no right choice": (
        "{predict} both\n:choices: no | yes\nSo?",
        "with one of the choices, no | yes: it is 'as before'",
    ),
    "one choice": ("{predict} C1_verdict\n:choices: holds\nSo?", "expected two choices or more"),
}


def build(folder, chapter: str, start: str = "") -> Project:
    """A start page, and a chapter that glues `GLUED`."""
    outputs = [
        new_output(
            "display_data",
            {"application/papermill.record/text/plain": repr(text)},
            metadata={"scrapbook": {"name": key, "mime_prefix": "application/papermill.record/"}},
        )
        for key, text in GLUED.items()
    ]
    cells = [new_markdown_cell(chapter), new_code_cell("paste()", outputs=outputs, execution_count=1)]
    files = {
        "index.md": f"# T\n\n```{{toctree}}\nchapter\nplain\n```\n\n{start}",
        "chapter.ipynb": cells,
        "plain.md": "# P\n\nText.",
    }
    project = Project(folder, ["predict"], files)
    project.build()
    return project


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Project:
    """Cards as they should be, on the chapter's page and on another."""
    folder = tmp_path_factory.mktemp("right")
    return build(folder, RIGHT, ":::{predict} chapter.ipynb::rise\nAnd here?\n:::")


@pytest.fixture(scope="module")
def warnings(tmp_path_factory) -> str:
    """What the build says of all wrong cards."""
    cards = "\n\n".join(f":::{card}\n:::" for card, _ in WRONG.values())
    return build(tmp_path_factory.mktemp("wrong"), f"# C\n\n{cards}").warnings


def test_a_card_is_the_question_and_a_fold_with_the_answer(made):
    card = made.page("chapter.html").select_one("#predict-rise.predict")
    assert card.select_one(".predict-question").p.decode_contents() == "How <em>much</em>?"
    assert card.details.summary.text == "Show the answer"
    assert not card.details.has_attr("open")
    assert (card.details.data.text, card.details.data["value"]) == (GLUED["rise"], "0.57")
    assert card.select(".predict-choices") == []
    assert made.warnings == ""


def test_a_small_negative_number_is_read_whole(made):
    assert made.page("chapter.html").select_one("#predict-loss data")["value"] == "-1e-6"


def test_the_right_choice_is_the_longest_that_the_answer_starts_with(made):
    card = made.page("chapter.html").select_one("#predict-c1-verdict")
    assert [item.text for item in card.select(".predict-choices li")] == ["holds", "holds if", "does not hold"]
    assert (card.details.data.text, card.details.data["value"]) == ("holds if it is small", "holds if")


def test_the_key_may_be_that_of_another_chapter(made):
    assert made.page("index.html").select_one(".predict data")["value"] == "0.57"


@pytest.mark.parametrize("file", ["predict.js", "predict.css"])
def test_only_a_page_with_cards_loads_their_script_and_their_style(made, file):
    loaded = {name: file in str(made.page(f"{name}.html").head) for name in ("index", "chapter", "plain")}
    assert loaded == {"index": True, "chapter": True, "plain": False}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(warnings, what):
    assert WRONG[what][1] in warnings
