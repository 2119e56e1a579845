"""What the search knows: every part of a page with its address, one list of synonyms, pages not built again."""

from __future__ import annotations

import json

import pytest
from nbformat.v4 import new_markdown_cell, new_output
from sphinx_project import EXTENSIONS, Project, code

from site_search import SYNONYMS, synonyms  # isort: skip

TEMPLATES = {"templates_path": [str(EXTENSIONS.parent / "templates")], "html_theme": "sphinx_book_theme"}
INDEX = """
# The book

First words, with $p > 1/2$ and $\\frac{1}{2}$.

## A *part*

Its own words.

### Below it

Other words.

```{glossary}
mask
  Weights of 0 and 1.
```

```{toctree}
:hidden:
chapter
```
"""


def texts(project):
    script = (project.html / "_static" / "search_texts.js").read_text()
    return json.loads(script.removeprefix("const SEARCH = ").removesuffix(";\n"))


def build(folder, **files):
    shown = code("1 + 1", output="ValueError: given 3\n")
    html = "<style>p {}</style><b>a</b><i>sample_<wbr>weight</i>"
    shown.outputs.append(new_output("display_data", {"text/html": html}))
    chapter = [new_markdown_cell("# Chapter\n\nWhat."), shown]
    project = Project(folder, ["site_search"], {"index.md": INDEX, "chapter.ipynb": chapter, **files}, **TEMPLATES)
    project.build()
    assert project.warnings == ""
    return project


def test_each_part_of_a_page_has_its_address_and_its_own_words(tmp_path):
    title, parts = texts(build(tmp_path))["pages"]["index"]
    assert title == "The book"
    assert parts == [
        ["the-book", "The book", "First words, with p > 1/2 and …."],
        ["a-part", "A part", "Its own words."],
        ["below-it", "Below it", "Other words."],
        ["term-mask", "mask", "Weights of 0 and 1."],
    ]


def test_code_and_what_it_printed_can_be_found_without_tags(tmp_path):
    title, [[anchor, heading, text]] = texts(build(tmp_path))["pages"]["chapter"]
    assert (title, anchor, heading) == ("Chapter", "chapter", "Chapter")
    assert text == "What. 1 + 1 ValueError: given 3 a sample_weight"


def test_a_page_that_is_not_built_again_is_still_found_and_one_that_is_gone_is_not(tmp_path):
    build(tmp_path, **{"old.md": "---\norphan: true\n---\n# Old\n\nWords."})
    project = build(tmp_path, **{"new.md": "---\norphan: true\n---\n# New\n\nWords."})
    (project.source / "old.md").unlink()
    project.build()
    assert sorted(texts(project)["pages"]) == ["chapter", "index", "new"]


def test_the_page_of_the_search_loads_our_scripts_and_nothing_of_sphinx(tmp_path):
    project = build(tmp_path)
    scripts = [tag["src"].split("?")[0] for tag in project.page("search.html").find_all("script", src=True)]
    ours = [f"_static/{name}.js" for name in ("minisearch", "search_texts", "search")]
    assert [name for name in scripts if name in ours] == ours, "the library first, then the texts"
    assert not [name for name in scripts if "searchtools" in name or "searchindex" in name]
    assert not (project.html / "searchindex.js").exists()
    assert "search_texts" not in (project.html / "chapter.html").read_text()


def test_the_books_own_list_can_be_read_and_has_the_words_that_people_search():
    groups = synonyms(SYNONYMS.read_text(encoding="utf-8"))
    words = {word for group in groups for word in group}
    assert {"oversampling", "over-sampling", "resample", "imbalanced", "unbalanced", "multi-label", "multilabel",
            "time step", "timestep", "sampler", "segmentation"} <= words  # fmt: skip


@pytest.mark.parametrize(
    "text, fault",
    [("a, b\nc, b", "'b' stands in 'a, b' and in 'c, b'"), ("a, A", "'a' stands in"), ("alone", "not 'alone'"),
     ("a,, b", "not 'a,, b'")],
)  # fmt: skip
def test_a_list_that_is_not_clear_is_refused(text, fault):
    with pytest.raises(ValueError, match=fault):
        synonyms(f"# A remark\n\n{text}\n")


def test_synonyms_are_read_without_case_and_blanks():
    assert synonyms("# A, remark\n\nOne , the  other\n") == [["one", "the  other"]]
