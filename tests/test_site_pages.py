"""What one setting, the repository's address, brings, and what the pages are without it."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_markdown_cell
from sphinx_project import EXTENSIONS, Project, code

FILES = {
    "index.md": '# The book\n\nWhat *is* `"x" < 1`.\n\n```{toctree}\nchapter\n```\n',
    "chapter.ipynb": [new_markdown_cell("# Chapter one\n\nFirst words."), code("1 + 1")],
}
TEMPLATES = {"templates_path": [str(EXTENSIONS.parent / "templates")]}
BUTTONS = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}


def build(folder, repository="", **settings):
    theme = {"repository_url": repository, "launch_buttons": BUTTONS}
    project = Project(
        folder, ["site_pages"], FILES, html_theme="sphinx_book_theme", html_theme_options=theme, html_title="The book",
        **TEMPLATES, **settings,
    )  # fmt: skip
    project.build()
    assert project.warnings == ""
    return project


def tags(page):
    return {tag["property"]: tag["content"] for tag in page.find_all("meta", property=True)}


def launchers(page):
    return [link["href"] for link in page.find_all("a", href=True) if link["href"].startswith(tuple(BUTTONS.values()))]


def test_without_an_address_there_are_no_addresses(tmp_path):
    page = build(tmp_path).page("chapter.html")
    assert tags(page) == {
        "og:type": "article", "og:site_name": "The book", "og:title": "Chapter one", "og:description": "First words.",
    }  # fmt: skip
    assert launchers(page) == [] and "Colab" not in page.text


def test_with_an_address_come_buttons_cards_and_the_note(tmp_path):
    page = build(tmp_path, "https://github.com/Someone/a-book").page("chapter.html")
    assert tags(page)["og:url"] == "https://someone.github.io/a-book/chapter.html"
    assert tags(page)["og:image"] == "https://someone.github.io/a-book/_static/card.png"
    binder, colab = launchers(page)
    assert binder.startswith("https://mybinder.org/v2/gh/Someone/a-book/") and binder.endswith("chapter.ipynb")
    assert colab.startswith("https://colab.research.google.com/github/Someone/a-book/") and colab.endswith(
        "chapter.ipynb"
    )
    assert "%pip install git+https://github.com/Someone/a-book" in page.text


@pytest.mark.parametrize("repository", ["https://example.org/Someone/a-book", "https://github.com/Someone"])
def test_an_address_that_is_no_repository_on_github_gives_no_site_address(repository):
    from site_pages import published_at

    assert published_at(repository) == ""


def test_a_site_address_that_is_set_is_kept(tmp_path):
    page = build(tmp_path, "https://github.com/Someone/a-book", html_baseurl="https://example.org/").page(
        "chapter.html"
    )
    assert tags(page)["og:url"] == "https://example.org/chapter.html"


def test_the_description_is_the_first_paragraph_and_safe_to_quote(tmp_path):
    page = build(tmp_path).page("index.html")
    assert page.find("meta", attrs={"name": "description"})["content"] == 'What is "x" < 1.'


def test_the_page_for_a_wrong_address_names_every_page_and_needs_no_file(tmp_path):
    page = build(tmp_path).page("404.html")
    links = {link["href"]: link.text for link in page.find_all("a")}
    assert links == {"index.html": "The book", "chapter.html": "Chapter one"}
    assert not page.find_all("script") and page.find("link")["href"].startswith("data:")
    assert page.find("form")["action"] == "search.html" and page.find("input")["name"] == "q"


def test_the_page_for_a_wrong_address_works_at_any_depth_once_the_address_is_known(tmp_path):
    page = build(tmp_path, "https://github.com/Someone/a-book").page("404.html")
    assert {link["href"] for link in page.find_all("a")} == {
        f"https://someone.github.io/a-book/{name}.html" for name in ("index", "chapter")
    }


def test_no_page_loads_the_script_of_all_icons(tmp_path):
    project = build(tmp_path)
    assert "fontawesome.js" not in (project.html / "chapter.html").read_text()
    assert "bootstrap.js" in (project.html / "chapter.html").read_text()


def test_the_shared_address_carries_the_card_and_leads_to_the_first_page(tmp_path):
    files = {"start.md": "# The book\n\nWhat it is about."}
    project = Project(tmp_path, ["site_pages"], files, root_doc="start", html_title="The book", **TEMPLATES)
    project.build()
    page = project.page("index.html")
    assert page.title.text == "The book" and page.find("a")["href"] == "start.html"
    assert page.find("meta", attrs={"http-equiv": "refresh"})["content"] == "0; url=start.html"
    assert tags(page)["og:description"] == "What it is about."


def test_the_contents_of_two_exercises_have_different_ids(tmp_path):
    text = "# The book\n\n" + "".join(f":::{{exercise}}\n:label: e{n}\n\nAsk.\n:::\n\n" for n in (1, 2))
    project = Project(
        tmp_path, ["sphinx_exercise", "site_pages"], {"index.md": text}, html_title="The book", **TEMPLATES
    )
    project.build()
    ids = [section["id"] for section in project.page("index.html").select(".exercise section")]
    assert len(ids) == len(set(ids)) == 2


def test_citations_have_a_role_that_is_still_in_use(tmp_path):
    files = {"index.rst": "The book\n========\n\nSee [One]_.\n\n.. [One] A paper.\n"}
    project = Project(tmp_path, ["site_pages"], files, html_title="The book", **TEMPLATES)
    project.build()
    assert [tag["role"] for tag in project.page("index.html").select(".citation")] == ["listitem"]
