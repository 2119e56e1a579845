"""The table for teachers says what the chapters say, in the order of the contents."""

from __future__ import annotations

from pathlib import Path

from nbformat.v4 import new_markdown_cell
from sphinx_project import Project

ROOT = Path(__file__).parents[1]
FIRST = "# One\n\n**What you will learn.** To\n*add*.\n\n**What you need.** A pen.\n\n**Time.** 5 minutes."
TOC = "root: index\nparts:\n  - chapters:\n      - file: second\n      - file: first\n      - file: words\n"


def build(folder: Path, second: str = FIRST.replace("One", "Two")) -> Project:
    """A start page with the table, a page without a row, and two chapters."""
    start = "# T\n\n```{chapter-table}\n```\n\n```{toctree}\nfirst\nsecond\nwords\n```\n"
    chapters = {"first.ipynb": [new_markdown_cell(FIRST)], "second.ipynb": [new_markdown_cell(second)]}
    files = {"index.md": start, "words.md": "# Words\n", "_toc.yml": TOC, **chapters}
    project = Project(folder, ["chapter_table"], files)
    project.build()
    return project


def test_a_row_is_what_the_chapter_begins_with_in_the_order_of_the_contents(tmp_path):
    project = build(tmp_path)
    rows = project.page("index.html").table.tbody("tr")
    assert [[cell.get_text(strip=True) for cell in row(["th", "td"])] for row in rows] == [
        ["Two", "5 minutes.", "A pen.", "Toadd."],
        ["One", "5 minutes.", "A pen.", "Toadd."],
    ]
    assert (rows[0].a["href"], rows[0].em.text) == ("second.html", "add")
    assert project.warnings == ""


def test_a_chapter_that_does_not_say_how_long_it_takes_is_a_warning(tmp_path):
    project = build(tmp_path, FIRST.replace("**Time.** ", ""))
    assert "second does not begin with **Time.**" in project.warnings
    assert "What you need" not in project.warnings
