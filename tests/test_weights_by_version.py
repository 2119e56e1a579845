"""The page of weights by version: its tables, its data, and what the build refuses."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from sphinx_project import EXTENSIONS, Project

CLAIMS = {"1.14.0": {"K1": "yes", "K4": "yes"}, "2.0.4": {"K1": "no: val_loss", "K4": "no"}}
STAYS, CHANGES = "effects | class_weight | val_loss", "inputs | PyDataset | class_weight"
BOTH = "outputs | list | sample_weight"
QUESTIONS = {
    "tensorflow": {
        STAYS: [["3.0.5", "3.9.2", "no", "a"]],
        BOTH: [["3.0.5", "3.5.0", "refused", "a"], ["3.6.0", "3.9.2", "accepted", "b"]],
    },
    "torch": {
        STAYS: [["3.0.5", "3.9.2", "no", "a"]],
        CHANGES: [["3.5.0", "3.5.0", "accepted", "a"], ["3.6.0", "3.7.0", "silently other", "b"]],
        BOTH: [["3.0.5", "3.5.0", "refused", "c"], ["3.6.0", "3.9.2", "accepted", "d"]],
    },
}
RUNS = {"tensorflow": ["3.0.5", "3.9.2"], "torch": ["3.0.5", "3.5.0", "3.6.0", "3.7.0", "3.9.2"]}
ALL = {"versions_of_claims": CLAIMS, "versions_of_questions": QUESTIONS, "versions_of_runs": RUNS}


def pastes(values: dict) -> nbformat.NotebookNode:
    outputs = [
        new_output(
            "display_data",
            {"application/papermill.record/text/plain": repr(json.dumps(value))},
            metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
        )
        for name, value in values.items()
    ]
    return new_code_cell("paste()", outputs=outputs, execution_count=1)


def page_of(*parts: str, chapter: str = "chapter.ipynb") -> str:
    return "# Page\n\n" + "\n\n".join(f"```{{weights-by-version}} {part} {chapter}\n```" for part in parts) + "\n"


@pytest.fixture
def build(tmp_path):
    def build(page: str, values: dict = ALL) -> Project:
        files = {"index.md": page, "chapter.ipynb": [new_markdown_cell("# Chapter"), pastes(values)]}
        static = [str(EXTENSIONS.parent / "static")]
        project = Project(tmp_path, ["weights_by_version"], files, nitpicky=True, html_static_path=static)
        project.build()
        return project

    return build


def cells(table) -> list[list[str]]:
    return [[cell.get_text("|", strip=True) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


def test_each_part_is_a_table(build):
    project = build(page_of("changes", "claims", "questions"))
    changes, claims, questions = project.page("index.html").find_all("table")
    assert cells(changes)[1:] == [
        ["inputs: PyDataset, class_weight", "PyTorch", "accepted, up to 3.5.0", "silently other, from 3.6.0"],
        ["outputs: list, sample_weight", "PyTorch, TensorFlow", "refused, up to 3.5.0", "accepted, from 3.6.0"],
    ]
    assert cells(claims) == [
        ["TensorFlow", "K1", "K4"],
        ["1.14.0", "yes", "yes"],
        ["2.0.4", "no: val_loss", "no"],
    ]
    assert cells(questions) == [
        ["question", "PyTorch", "TensorFlow"],
        ["effects: class_weight, val_loss", "3.0.5 to 3.9.2|: no", "3.0.5 to 3.9.2|: no"],
        ["inputs: PyDataset, class_weight", "3.5.0|: accepted|3.6.0 to 3.7.0|: silently other", ""],
        ["outputs: list, sample_weight", *["3.0.5 to 3.5.0|: refused|3.6.0 to 3.9.2|: accepted"] * 2],
    ]


def test_all_of_it_is_data_too(build):
    project = build(page_of("questions"))
    link = project.page("index.html").find("a", string="weights_by_version.json")["href"]
    data = json.loads((project.html / link).read_text(encoding="utf-8"))
    assert data == {"claims": CLAIMS, "questions": QUESTIONS, "runs": RUNS}


def test_the_script_is_on_its_page_only(build):
    project = build(page_of("claims"))
    scripts = {page: "weights_by_version.js" in str(project.page(page)) for page in ("index.html", "chapter.html")}
    assert scripts == {"index.html": True, "chapter.html": False}


@pytest.mark.parametrize(
    ("page", "values", "said"),
    [
        (page_of("answers"), ALL, "expected one of changes, claims, questions, got 'answers'"),
        (page_of("claims", chapter="none.ipynb"), ALL, "there is no chapter none.ipynb"),
        (page_of("claims"), {"versions_of_claims": CLAIMS}, "pastes nothing under the name versions_of_questions"),
    ],
)
def test_a_page_that_asks_for_what_is_not_there_is_a_warning(build, page, values, said):
    assert said in build(page, values).warnings
