"""Verdicts as boxes: what they say, which cells they fold, and that a new ledger makes new boxes."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_markdown_cell
from sphinx_project import Project, code
from test_claim_ledger import LEDGER, lines, pastes, shows

from helpers.findings import Finding

C1 = Finding(
    "C1", "holds if it is *small*, but slowly", {"PyTorch": "0.88", "Keras": "0.90"}, "at most 1", document="0.9"
)
C2 = Finding("C2", "does not hold: `why`", {"PyTorch": "1 -- 2, `z`", "Keras": "1 -- 2, `z`"})
IMPORTS = "import json\n\njson.dumps(1)"
PRINTED = code("print(C1)", output=f"{C1}\n    formula: 0.89\n")


def files(ledger: str) -> dict:
    """A chapter that prints two verdicts in two cells and pastes both in a third."""
    cells = [
        new_markdown_cell("# Chapter\n\n## The experiment"),
        PRINTED,
        shows(C2),
        pastes(C1, C2),
        code("plain()", output="1\n"),
    ]
    cells += [code(IMPORTS), code("import json\njson.dumps(1)\nx = 1"), code("import this", output="Zen\n")]
    return {"index.md": LEDGER + ledger, "chapter.ipynb": cells}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The website of the chapter, with its ledger."""
    project = Project(
        tmp_path_factory.mktemp("boxes"),
        ["claim_ledger", "verdict_boxes"],
        files(lines("C1", "C2")),
        smartquotes=True,
        myst_heading_anchors=3,
    )
    project.build()
    return project


def told(box) -> list[tuple[str, str]]:
    """Label and text of each line of a box."""
    return [(term.text, term.find_next_sibling("dd").text.strip()) for term in box.select("dt")]


def test_a_box_says_what_the_row_of_the_ledger_says(project):
    page = project.page("chapter.html")
    first, second = page.select(".verdict-box")
    assert told(first) == [
        ("C1", "What C1 says."),
        ("Verdict", C1.verdict),
        ("PyTorch", "0.88"),
        ("Keras", "0.90"),
        ("Asked", "at most 1"),
        ("The document", "0.9"),
    ]
    assert told(second) == [("C2", "What C2 says."), ("Verdict", "does not hold: why"), ("Both", "1 -- 2, z")]
    assert [code.text for code in second.select("code")] == ["why", "z"]
    assert "holds-if" in first["class"]
    assert "does-not-hold" in second["class"]
    assert first.dt.a["href"] == "index.html#c1"
    assert project.warnings == ""


def test_the_cell_is_folded_below_its_box_and_the_ledger_leads_to_both(project):
    cell = project.page("chapter.html").select_one("#claim-c1.verdict-box").find_parent(class_="cell")
    assert [child.name for child in cell.find_all(recursive=False)][-1] == "details"
    assert cell.select_one(".verdict-box").find_parent("details") is None
    assert not cell.details.has_attr("open")
    assert cell.details.select_one(".cell_input").pre.text.strip() == "print(C1)"
    assert cell.details.select_one(".cell_output").text.strip().startswith(f"C1: {C1.verdict}")


def test_what_a_cell_prints_besides_stays_in_sight(project):
    cell = project.page("chapter.html").select_one("#claim-c1.verdict-box").find_parent(class_="cell")
    in_sight = [block.text.strip() for block in cell.select("pre") if block.find_parent("details") is None]
    assert in_sight == ["formula: 0.89"]


def test_cells_that_only_paste_or_import_are_folded_and_others_are_not(project):
    cells = project.page("chapter.html").select(".cell")
    state = {cell.select_one(".cell_input").text.strip(): cell.details is not None for cell in cells}
    folds = {"print(C1)", "print(*found, sep=chr(10))", "paste(found)", IMPORTS}
    assert {source for source, is_folded in state.items() if is_folded} == folds
    assert state.keys() - folds == {"plain()", "import json\njson.dumps(1)\nx = 1", "import this"}
    assert [cell.summary.text.strip() for cell in cells if "Show the imports" in cell.text] != []


def test_a_new_ledger_makes_new_boxes(project):
    project.write("index.md", LEDGER + lines("C1", "C2").replace("What C2 says.", "Something else."))
    project.build()
    assert told(project.page("chapter.html").select(".verdict-box")[1])[0] == ("C2", "Something else.")
