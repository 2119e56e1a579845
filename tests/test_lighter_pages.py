"""What is left out of the pages is what none of them shows."""

from __future__ import annotations

import re

import pytest
from fontTools.ttLib import TTFont
from sphinx_project import Project

CODE = 'def f(x):\n    return x + 1  # "why"'
FILES = {"index.md": f"# Title\n\n```python\n{CODE}\n```\n\n:::{{tip}}\nAn admonition has an icon.\n:::\n"}
STYLE = "_static/styles/pydata-sphinx-theme.css"
FONT = "_static/vendor/fontawesome/webfonts/fa-solid-900.woff"


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path, ["lighter_pages"], FILES, html_theme="sphinx_book_theme")
    project.build()
    assert project.warnings == ""
    return project


def icons(project):
    """Each icon of the page, and the character that the style sheet gives it."""
    css = (project.html / STYLE).read_text()
    names = set(
        re.findall(r'class="[^"]*?(fa-(?!solid|regular|brands|lg)[a-z-]+)', (project.html / "index.html").read_text())
    )
    return {name: re.search(rf'\.{name}:before[^{{]*\{{content:"\\([0-9a-f]+)"', css)[1] for name in names}


def test_code_loses_marks_and_no_letter(project):
    block = project.page("index.html").find(class_="highlight")
    assert block.text.strip() == CODE
    assert not block.find_all("span", class_=["n", "p", "w"])
    assert block.find("span", class_="k").text == "def"


def test_every_icon_of_the_page_is_in_the_font(project):
    glyphs = TTFont(project.html / FONT).getBestCmap()
    found = icons(project)
    assert "fa-bars" in found
    assert {name for name, character in found.items() if int(character, 16) not in glyphs} == set()


def test_so_are_the_icons_that_only_a_style_sheet_names(project):
    # The tip's, which has no class of its own.
    assert 0xF0EB in TTFont(project.html / FONT).getBestCmap()


def test_the_others_are_gone(project):
    css = (project.html / STYLE).read_text()
    assert ".fa-bars:before" in css and ".fa-hippo:before" not in css
    assert "fa-solid-900.woff)" in css and "fa-solid-900.woff2" not in css
    assert (project.html / FONT).stat().st_size < 10_000


def test_an_icon_that_a_page_begins_to_use_comes_back(project):
    project.write("index.md", FILES["index.md"] + '\n<i class="fa-solid fa-hippo"></i>\n')
    project.build()
    assert int(icons(project)["fa-hippo"], 16) in TTFont(project.html / FONT).getBestCmap()
