"""The ledger of claims: its rows, the cells they lead to, and what the build refuses."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from sphinx_project import EXTENSIONS, Project, code

from helpers.findings import Finding

LEDGER = """# Ledger

```{claim-summary}
```

```{toctree}
:hidden:
:glob:
*
```

## 000: The first document

"""
SAME = {"PyTorch": "0.88", "Keras": "0.88"}
HOLDS = Finding("C1", "holds", SAME)
VERDICTS = [
    "holds",
    "holds if it is small",
    "holds if it is small, but slowly",
    "holds, but slowly",
    "does not hold: why",
]


def shows(*found: Finding) -> nbformat.NotebookNode:
    """A cell that prints what was found, however it was computed."""
    return code("print(*found, sep=chr(10))", output="\n".join(map(str, found)) + "\n")


def pastes(*found: Finding) -> nbformat.NotebookNode:
    """A cell in which what was found was given to `glue`, without a display."""
    outputs = [
        new_output(
            "display_data",
            {"application/papermill.record/text/plain": repr(text)},
            metadata={"scrapbook": {"name": key, "mime_prefix": "application/papermill.record/"}},
        )
        for finding in found
        for key, text in finding.items()
    ]
    return new_code_cell("paste(found)", outputs=outputs, execution_count=2)


def lines(*claims: str, document: str = "000", chapter: str = "chapter.ipynb") -> str:
    """The source of a table of claims."""
    rows = [f"{claim}: What {claim} says.\n→ The experiment" for claim in claims]
    return "\n".join([f"```{{claim-table}} {document} {chapter}", *rows, "```\n\n"])


@pytest.fixture
def build(tmp_path):
    """Build a ledger and its chapters. The last cell of each chapter pastes."""

    def build(ledger: str, *extensions: str, files=(), settings=(), **chapters: list) -> Project:
        start = "# The {}\n\n## The `experiment`"
        notebooks = {
            f"{name}.ipynb": [new_markdown_cell(start.format(name)), *cells] for name, cells in chapters.items()
        }
        project = Project(
            tmp_path,
            [*extensions, "claim_ledger"],
            {"index.md": LEDGER + ledger, **notebooks, **dict(files)},
            nitpicky=True,
            myst_heading_anchors=3,
            html_static_path=[str(EXTENSIONS.parent / "static")],
            **dict(settings),
        )
        project.build()
        return project

    return build


def linked_cell(project: Project, claim: str):
    """The cell that the verdict of a claim in the ledger leads to."""
    page, anchor = project.page("index.html").find(id=claim.lower()).select_one(".verdict a")["href"].split("#")
    target = project.page(page).find(id=anchor)
    return target if target.name == "div" else target.parent


CELLS = {
    "prints": ([shows(HOLDS), pastes(HOLDS)], 0),
    "prints first": ([shows(HOLDS), code("print(*found)", output=str(HOLDS)), pastes(HOLDS)], 0),
    "pastes": ([code("found", output="C1: what will it be?"), pastes(HOLDS)], 1),
}


@pytest.mark.parametrize(("cells", "place"), CELLS.values(), ids=CELLS)
def test_the_verdict_of_a_claim_leads_to_the_cell_that(build, cells, place):
    """And no other cell that names a claim, "F1" for instance, has anything to do with it."""
    others = [code('key = "F1"; before = f"C{1}"'), code('findings.judge("C1")', output="C1: holds up\nC2: holds")]
    project = build(lines("C1"), chapter=[*others, *cells])
    assert project.warnings == ""
    assert linked_cell(project, "C1").find(class_="cell_input").text.strip() == cells[place].source


def test_the_name_of_a_claim_leads_to_the_section_of_its_experiment(build):
    later = new_markdown_cell("## What was found")
    project = build(lines("C1"), chapter=[later, shows(HOLDS), pastes(HOLDS)])
    page, anchor = project.page("index.html").find(id="c1").th.a["href"].split("#")
    target = project.page(page).find(id=anchor)
    assert target.find(["h1", "h2", "h3"]).text.startswith("The experiment")
    assert target.find(class_="cell") is None, "the verdict stands in another section"


def test_two_claims_of_one_cell_lead_to_it(build):
    found = [Finding(claim, "holds", SAME) for claim in ("C1", "C2")]
    project = build(lines("C1", "C2"), chapter=[shows(*found), pastes(*found)])
    assert project.warnings == ""
    assert "C2: holds" in linked_cell(project, "C1").text
    assert linked_cell(project, "C1").text == linked_cell(project, "C2").text


IN_A_TAB = (["sphinx_design", "framework_tabs"], [code("x = 1", "framework-torch")], [], ".framework-keras")
IN_A_SOLUTION = (
    ["sphinx_exercise"],
    [
        new_markdown_cell("```{exercise} One\n:label: one\nDo it.\n```"),
        new_markdown_cell("```{solution-start} one\n```"),
    ],
    [new_markdown_cell("```{solution-end}\n```")],
    ".solution",
)


@pytest.mark.parametrize(("extensions", "before", "after", "place"), [IN_A_TAB, IN_A_SOLUTION], ids=["tab", "solution"])
def test_the_anchor_goes_where_the_cell_goes(build, extensions, before, after, place):
    cell = shows(HOLDS)
    cell.metadata.tags = ["framework-keras"]
    project = build(lines("C1"), *extensions, chapter=[*before, cell, *after, pastes(HOLDS)])
    assert project.warnings == ""
    assert [found["id"] for found in project.page("chapter.html").select(f"{place} .cell[id]")] == ["claim-c1"]
    assert "C1: holds" in linked_cell(project, "C1").text


def test_a_row_shows_the_verdict_and_the_figures_of_the_chapter(build):
    differ = {"PyTorch": "0.88", "Keras": "fit(...)"}
    found = [Finding("C1", 'holds if it is "small"', SAME), Finding("C2", "does not hold in Keras: why", differ)]
    project = build(lines("C1", "C2"), chapter=[pastes(*found)])
    page = project.page("index.html")
    assert page.find(class_="claims-of-chapter").p.text == "Computed in The chapter"
    rows = [[cell.text.strip() for cell in page.find(id=claim).find_all("td")] for claim in ("c1", "c2")]
    assert rows[0] == ["What C1 says.", 'holds if it is "small"', "Both: 0.88"]
    assert rows[1] == ["What C2 says.", "does not hold in Keras: why", "PyTorch: 0.88\nKeras: fit(...)"]
    assert [row["id"] for row in page.select("tr.claim")] == ["c2", "c1"], "what fails does not stand first"
    assert {"document-000", "holds-if"} < set(page.find(id="c1")["class"])
    assert {"document-000", "does-not-hold"} < set(page.find(id="c2")["class"])


def test_a_row_shows_what_was_asked_and_the_documents_own_number(build):
    found = Finding("C1", "holds", SAME, criterion="at least 0.5", scope="one data set", document="0.9")
    page = build(lines("C1"), chapter=[pastes(found)]).page("index.html")
    assert [note.text for note in page.find(id="c1").find_all(class_="note-of")] == [
        "Asked: at least 0.5",
        "The document: 0.9",
        "Tested on: one data set",
    ]


def test_what_other_versions_do_stands_beside_what_yours_do(build):
    then = new_output(
        "display_data",
        {"application/papermill.record/text/plain": "'2.0 to 2.1: no'"},
        metadata={"scrapbook": {"name": "C1_then", "mime_prefix": "application/papermill.record/"}},
    )
    both = {"chapter": [pastes(HOLDS)], "then_and_now": [new_code_cell("", outputs=[then], execution_count=1)]}
    project = build(lines("C1"), **both)
    [note] = project.page("index.html").find(id="c1").find_all(class_="note-of")
    assert note.text == "Then: 2.0 to 2.1: no"
    [record] = json.loads((project.html / "claims.json").read_text(encoding="utf-8"))
    assert record["then"] == "2.0 to 2.1: no"


def test_all_rows_are_data_too(build):
    differ = {"PyTorch": "0.88", "Keras": "0.89"}
    found = [Finding("C1", "holds if x", differ, criterion="at least 0.5"), Finding("D1", "holds", SAME)]
    ledger = lines("C1") + "## 001: The second\n\n" + lines("D1", document="001")
    project = build(ledger, chapter=[pastes(*found)])
    link = project.page("index.html").find("a", string="claims.json")["href"]
    first, second = json.loads((project.html / link).read_text(encoding="utf-8"))
    assert first == {
        "claim": "C1",
        "source": "000",
        "chapter": "chapter.ipynb",
        "section": "The experiment",
        "says": "What C1 says.",
        "verdict": "holds if x",
        "kind": "holds if",
        "figures": differ,
        "criterion": "at least 0.5",
        "document": None,
        "scope": None,
        "then": None,
    }
    assert (second["claim"], second["source"], second.keys()) == ("D1", "001", first.keys())


def test_what_a_claim_says_may_hold_code_and_formulas(build):
    ledger = "```{claim-table} 000 chapter.ipynb\nC1: A `weight` of $e^{-kx}$: [0, 1].\n→ The experiment\n```\n"
    page = build(ledger, chapter=[pastes(HOLDS)]).page("index.html")
    says = page.find(id="c1").td
    assert says.code.text == "weight" and says.find(class_="math") and says.text.startswith("A weight of ")


def test_what_a_chapter_found_may_hold_code(build):
    found = Finding("C1", "holds, but `fit` drops it", {"PyTorch": "`weight=` is off by 0.1", "Keras": "0.2"})
    row = build(lines("C1"), chapter=[pastes(found)]).page("index.html").find(id="c1")
    assert [code.text for code in row.find_all("code")] == ["fit", "weight="]
    assert "`" not in row.text


def test_a_row_can_name_its_source(build):
    """As the claims of the second part do, that are of no document of the book."""
    ledger = "## P: Public\n\n" + lines("P1", document="P").replace("says.", "says. {cite:p}`elkan2001`")
    references = {"bibtex_bibfiles": [str(EXTENSIONS.parent / "references.bib")]}
    found = pastes(Finding("P1", "holds", SAME))
    files = {"references.md": "# References\n```{bibliography}\n```\n"}
    project = build(ledger, "sphinxcontrib.bibtex", files=files, settings=references, chapter=[found])
    assert project.warnings == ""
    page = project.page("index.html")
    source = page.find(id="p1").td.find("a", class_="reference")
    assert source["href"].startswith("references.html#") and "document-P" in page.find(id="p1")["class"]
    assert [cell.text for cell in page.table.find_all("th")][6:] == ["P: Public", "all documents"]


def test_the_summary_counts_documents_and_verdicts(build):
    found = [Finding(f"C{i}", verdict, SAME) for i, verdict in enumerate(VERDICTS)]
    ledger = lines("C0", "C1", "C2", "C3") + "## 001: The second\n\n" + lines("C4", document="001")
    project = build(ledger, chapter=[pastes(*found)])
    assert project.warnings == ""
    page = project.page("index.html")
    summary = [[cell.text.strip() for cell in row.find_all(["th", "td"])] for row in page.table.find_all("tr")]
    assert summary == [
        ["document", "claims", "holds", "holds if", "holds, but", "does not hold"],
        ["000: The first document", "4", "1", "2", "1", "0"],
        ["001: The second", "1", "0", "0", "0", "1"],
        ["all documents", "5", "1", "2", "1", "1"],
    ]
    sections = [page.find(id=link["href"].removeprefix("#")) for link in page.table.find_all("a")]
    assert [section.h2.text[:3] for section in sections] == ["000", "001"]


def test_prose_can_link_to_a_row(build):
    prose = new_markdown_cell("See {claim}`C1`, and {claim}`C7`.")
    project = build(lines("C1"), chapter=[prose, pastes(HOLDS)])
    assert project.page("chapter.html").find("a", href="index.html#c1").text == "C1"
    assert "'claim' reference target not found: C7" in project.warnings and project.warnings.count("WARNING") == 1


REMOVED = shows(HOLDS)
REMOVED.metadata.tags = ["remove-cell"]
REFUSED = {
    "no cell pastes it": (lines("C1"), [shows(HOLDS)], "pastes nothing under the name C1_verdict"),
    "its cell is not on the page": (lines("C1"), [REMOVED, pastes(HOLDS)], "'claim-cell' reference target not found"),
    "two cells paste it": (lines("C1"), [pastes(HOLDS), pastes(HOLDS)], "duplicate claim-cell"),
    "it stands in two rows": (lines("C1", "C1"), [pastes(HOLDS)], "duplicate claim description of C1"),
    "it is not in the ledger": (
        lines("C1"), [pastes(HOLDS, Finding("C2", "holds", SAME))], "claim C2 is computed here",
    ),
    "one framework is missing": (
        lines("C1"), [pastes(Finding("C1", "holds", {"PyTorch": "1"}))], "under the name C1_keras",
    ),
    "there is no such chapter": (lines("C1", chapter="no.ipynb"), [pastes(HOLDS)], "no chapter no"),
    "the verdict is no verdict": (
        lines("C1"), [pastes(Finding("C1", "holds up", SAME))], "starts with none of",
    ),
    "the line has no claim": (lines("C1").replace("C1:", "claim:"), [pastes(HOLDS)], "expected lines such as"),
    "it names no section": (lines("C1").replace("→ The experiment\n", ""), [pastes(HOLDS)], "expected lines such as"),
    "there is no such section": (
        lines("C1").replace("→ The", "→ An"), [pastes(HOLDS)], "chapter.ipynb has no section 'An experiment'",
    ),
    "it leads to the title": (lines("C1").replace("experiment", "chapter"), [pastes(HOLDS)], "has no section"),
    "the text cannot be read": (lines("C1").replace("What", "{no}`role`"), [pastes(HOLDS)], "Unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("ledger", "cells", "warning"), REFUSED.values(), ids=REFUSED)
def test_the_build_warns_if(build, ledger, cells, warning):
    assert warning in build(ledger, chapter=cells).warnings


def test_the_build_warns_if_two_chapters_compute_a_claim(build):
    warnings = build(lines("C1"), chapter=[pastes(HOLDS)], other=[pastes(HOLDS)]).warnings
    assert "duplicate claim-cell description of C1, other instance in" in warnings


def test_a_chapter_that_was_executed_again_changes_the_ledger(build):
    project = build(lines("C1"), chapter=[pastes(HOLDS)])
    again = pastes(Finding("C1", "does not hold", SAME))
    project.write("chapter.ipynb", [new_markdown_cell("# T\n\n## The experiment"), again])
    project.build()
    assert project.page("index.html").find(id="c1").find(class_="verdict").text == "does not hold"


def test_pages_load_only_what_they_need(build):
    project = build(lines("C1"), chapter=[pastes(HOLDS)], other=[code("x = 1")])
    loaded = {
        name: {file for file in ("ledger.css", "ledger.js") if file in (project.html / f"{name}.html").read_text()}
        for name in ("index", "chapter", "other")
    }
    assert loaded == {"index": {"ledger.css", "ledger.js"}, "chapter": {"ledger.css"}, "other": set()}
