"""The page of questions: each has an answer for both frameworks, with a cell of a chapter behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from myst_parser.mdit_to_docutils.base import default_slugify
from nbformat.v4 import new_markdown_cell, new_output
from sphinx_project import Project, code

# Once the folder of the extensions is known.
from building_blocks import read_notebook  # isort: skip
from printed import is_quoted, printed  # isort: skip

BOOK = Path(__file__).parents[1] / "book"
PAGE = (BOOK / "questions.md").read_text(encoding="utf-8")
AT_LEAST = 90

# An answer is read on a phone, standing.
MOST_WORDS = 75
LINK = re.compile(r"\]\((\w+\.ipynb)#([^)]+)\)")
QUOTE = re.compile(r"\{printed\}(`+)(\w+\.ipynb)::(.+?)\1(?!`)", re.DOTALL)
GLUED = re.compile(r"\{glue:text\}`(\w+\.ipynb)::(\w+):s`")
BOTH = re.compile(r"\b(both|either|neither|every|whichever) frameworks?\b", re.IGNORECASE)


@dataclass
class Question:
    """One question of the page."""

    group: str
    asked: str
    answer: str


def questions(page: str) -> list[Question]:
    """All questions: the headings of the third level, each in the group above it."""
    found, group = [], ""
    for part in re.split(r"^(?=#{2,3} )", page, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        if heading.startswith("## "):
            group = heading[3:]
        else:
            found.append(Question(group, heading[4:], text.strip()))
    return found


def sections(cells: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The cells of code below each heading of a chapter, with those of its subsections, by the address of the heading.

    A table that a section pastes with `{glue}` counts as the cell that made it.
    """
    glued = {
        output["metadata"]["scrapbook"]["name"]: cell
        for cell in cells
        for output in cell.get("outputs", ())
        if "scrapbook" in output.get("metadata", {})
    }
    found, above = {}, []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            for _, slug in above:
                found[slug].append(cell)
            continue
        fence = ""
        for line in source.splitlines():
            if fence:
                fence = "" if line.startswith(fence) else fence
            elif line.startswith(("```", ":::")):
                fence = line[:3]
                if pasted := re.match(r"```\{glue\} (\w+)", line):
                    for _, slug in above:
                        found[slug].append(glued[pasted[1]])
            elif heading := re.match(r"(#+) (.+)", line):
                depth, slug = len(heading[1]), default_slugify(heading[2].replace("`", ""))
                above = [(d, s) for d, s in above if d < depth] + [(depth, slug)]
                found[slug] = []
    return found


def troubles(question: Question, chapters) -> list[str]:
    """What is missing in an answer. `chapters` gives the sections of a chapter by its file name."""
    answer, found = question.answer, []
    links = LINK.findall(answer)
    if not answer:
        return ["has no answer"]
    if not links:
        return ["has no link to a section of a chapter"]
    cells = []
    for chapter, slug in links:
        if slug not in chapters(chapter):
            found.append(f"links to {chapter}#{slug}, which is no section")
        elif not any(cell.get("execution_count") for cell in chapters(chapter)[slug]):
            found.append(f"links to {chapter}#{slug}, where no cell was executed")
        else:
            cells += chapters(chapter)[slug]
    for _, chapter, quote in QUOTE.findall(answer):
        if cells and not is_quoted(quote, printed(cells)):
            found.append(f"quotes {quote!r} of {chapter}, which no cell of the sections that it links to prints")
    found += [f"pastes {key} of {chapter}, to which it does not link" for chapter, key in GLUED.findall(answer)
              if chapter not in dict(links)]  # fmt: skip
    prose = GLUED.sub("0", QUOTE.sub("0", answer))
    if not QUOTE.search(answer) and not GLUED.search(answer):
        found.append("shows no number and no message of a cell")
    # A ratio such as 1.7 : 1 is part of the question, and a version has two points.
    if typed := re.findall(r"(?<![\d.])\d+\.\d+(?!\d|\.\d| :)", re.sub(r"`[^`]*`|\$[^$]*\$", "", prose)):
        found.append(f"has the number {typed[0]} typed by hand")
    said = " ".join(f"{question.asked} {answer}".split())
    if not BOTH.search(said) and not ("PyTorch" in said and "Keras" in said):
        found.append("does not speak of both frameworks")
    if len(prose.split("→")[0].split()) > MOST_WORDS:
        found.append(f"has more than {MOST_WORDS} words")
    return found


@cache
def chapter(name: str) -> dict[str, list[dict[str, Any]]]:
    return sections(read_notebook(BOOK / name)["cells"])


QUESTIONS = questions(PAGE)


def test_there_are_as_many_questions_as_agreed_and_none_twice():
    assert len(QUESTIONS) >= AT_LEAST
    plain = [re.sub(r"\W+", " ", question.asked).strip().lower() for question in QUESTIONS]
    assert [asked for asked in set(plain) if plain.count(asked) > 1] == []
    assert [question.asked for question in QUESTIONS if not question.group] == []


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: default_slugify(question.asked))
def test_an_answer_has_an_executed_cell_behind_it(question):
    assert troubles(question, chapter) == [], question.asked


# Break each, and see it found.

GOOD = "In both frameworks {printed}`a.ipynb::loss 0.5`.\n\n→ [](a.ipynb): [](a.ipynb#shown)"
CELLS = [
    {"cell_type": "markdown", "source": "# A\n\n## Shown"},
    {"cell_type": "code", "source": "", "execution_count": 1, "outputs": [{"text": ["loss   0.5\n"]}]},
    {"cell_type": "markdown", "source": "## Said\n\nWords.\n\n## Not run"},
    {"cell_type": "code", "source": "", "execution_count": None, "outputs": []},
]
BROKEN = {
    "": "has no answer",
    "In both frameworks {printed}`a.ipynb::loss 0.5`.": "has no link",
    GOOD.replace("#shown", ""): "has no link",
    GOOD.replace("#shown", "#gone"): "is no section",
    GOOD.replace("#shown", "#said"): "no cell was executed",
    GOOD.replace("#shown", "#not-run"): "no cell was executed",
    GOOD.replace("loss 0.5", "loss 0.7"): "no cell of the sections",
    GOOD.replace("loss 0.5", "loss 0"): "no cell of the sections",
    GOOD.replace("{printed}`a.ipynb::loss 0.5`", "0.5"): "typed by hand",
    GOOD.replace("{printed}`a.ipynb::loss 0.5`", "a loss"): "shows no number",
    GOOD.replace("both frameworks", "Keras"): "both frameworks",
    GOOD + " {glue:text}`b.ipynb::key:s`": "does not link",
    "word " * 90 + GOOD: "more than",
}


@pytest.mark.parametrize("answer", BROKEN, ids=[f"{n}-{fault}" for n, fault in enumerate(BROKEN.values())])
def test_a_bad_answer_is_found(answer):
    sections_of_a = {"a.ipynb": sections(CELLS), "b.ipynb": {}}.__getitem__
    assert troubles(Question("g", "q", GOOD), sections_of_a) == []
    found = troubles(Question("g", "q", answer), sections_of_a)
    assert any(BROKEN[answer] in trouble for trouble in found), found


def test_a_question_without_an_answer_is_seen():
    found = questions("# Page\n\n## Group\n\n### One?\n\n### Two?\n\nAn answer.\n")
    assert found == [Question("Group", "One?", ""), Question("Group", "Two?", "An answer.")]


def test_a_section_has_the_cells_of_its_subsections_and_the_tables_that_it_pastes():
    table = code("1")
    table.outputs = [new_output("display_data", {"text/html": "<b>x</b>"}, metadata={"scrapbook": {"name": "key"}})]
    cells = [new_markdown_cell("## A\n\n```{glue} key\n```\n### `b` c"), code("2"), new_markdown_cell("## D"), table]
    found = {slug: len(cells) for slug, cells in sections(cells).items()}
    assert found == {"a": 2, "b-c": 1, "d": 1}


def build(folder, text):
    chapter = [
        new_markdown_cell("# Chapter"),
        code("1", output="loss   0.5\nmask    2.25\n"),
        code("2"),
    ]
    chapter[2].outputs = [new_output("display_data", {"text/markdown": "| a | sample_<wbr>weight |\n| 1 | x &lt; 2 |"})]
    files = {"index.md": f"# Page\n\n{text}\n\n```{{toctree}}\nchapter\n```\n", "chapter.ipynb": chapter}
    project = Project(folder, ["printed"], files)
    project.build()
    return project


@pytest.mark.parametrize("quote", ["loss 0.5", "mask 2.25", "0.5 mask", "sample_weight | | 1 | x < 2"])
def test_a_quote_stands_on_the_page_as_it_was_printed(tmp_path, quote):
    project = build(tmp_path, "{printed}`chapter.ipynb::" + quote + "`")
    assert project.warnings == ""
    assert project.page("index.html").select_one("code.printed").text == quote


@pytest.mark.parametrize("quote", ["loss 0.6", "oss 0.5", "mask 2", "mask 2.2", "5", ""])
def test_a_quote_that_no_cell_printed_is_a_warning(tmp_path, quote):
    project = build(tmp_path, "{printed}`chapter.ipynb::" + quote + "`")
    assert f"no cell of chapter.ipynb prints {quote!r}" in project.warnings
