"""A figure of a chapter on another page: the same picture, with the chapter's text for it."""

from __future__ import annotations

from base64 import b64encode

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from sphinx_project import Project

PICTURE = b64encode(b"any bytes").decode()
ALT = "A line that rises."


def build(folder, name="rise", alt=ALT) -> Project:
    """A start page that shows the figure `name` of a chapter, which glued `rise`."""
    start = f"# T\n\n```{{glued-figure}} chapter.ipynb::{name}\nIt *rises*.\n```\n\n```{{toctree}}\nchapter\n```\n"
    glued = new_output(
        "display_data", {"image/png": PICTURE, "text/plain": "<Figure>"}, metadata={"scrapbook": {"name": "rise"}}
    )
    cell = new_code_cell("glue('rise', figure)", outputs=[glued], metadata={"mystnb": {"image": {"alt": alt}}})
    project = Project(folder, ["glued_figure"], {"index.md": start, "chapter.ipynb": [new_markdown_cell("# C"), cell]})
    project.build()
    return project


def test_the_figure_is_the_chapters_with_its_text_and_a_caption_of_its_own(tmp_path):
    project = build(tmp_path)
    figure, there = project.page("index.html").figure, project.page("chapter.html").img
    assert (figure.img["src"], figure.img["alt"]) == (there["src"], ALT)
    assert (project.html / figure.img["src"]).read_bytes() == b"any bytes"
    assert figure.figcaption.em.text == "rises"
    assert "cell_output" in figure["class"]
    assert project.warnings == ""


@pytest.mark.parametrize("edit", [{"name": "fall"}, {"alt": ""}], ids=["no such figure", "no alt text"])
def test_what_is_missing_is_a_warning(tmp_path, edit):
    project = build(tmp_path, **edit)
    assert f"chapter.ipynb glues no figure {edit.get('name', 'rise')!r} with an alt text" in project.warnings
