"""The PDF of the book: one page made of two small ones, its contents, and what is said when something is missing."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

from tools import pdf

PAGES = [("book/index", ""), ("book/second", "The part")]
FIRST = """<h1 id="start">First<a class="headerlink" href="#start">#</a></h1>
<p><a id="to-place" href="second.html#place">there</a> <a id="to-page" href="second.html">page</a>
<a id="away" href="https://example.org/">away</a> <a id="file" href="../genindex.html">index</a></p>
<img src="../_images/a.png" alt=""><script>1</script><details><summary>S</summary><p>Answer.</p></details>
<details class="admonition hide"><summary>Code</summary><p>Hidden.</p></details>"""
# Three sheets: a page break before each of two paragraphs.
SECOND = """<h1 id="start">Second</h1><p id="place" style="break-before: page">A.</p>
<p style="break-before: page">B.</p>"""


@pytest.fixture
def html(tmp_path):
    """A website of two pages."""
    for name, body in (("index", FIRST), ("second", SECOND)):
        path = tmp_path / "html" / "book" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        style = '<link rel="stylesheet" href="../_static/a.css">'
        path.write_text(f'<head>{style}</head><article class="bd-article">{body}</article>', encoding="utf-8")
    return tmp_path / "html"


def test_the_pages_are_those_of_the_contents_in_order():
    toc = {"root": "book/index", "parts": [{"caption": "The part", "chapters": [{"file": "book/second"}]}]}
    assert pdf.listed(toc) == PAGES


def test_links_lead_to_the_place_on_the_same_page(html):
    whole = BeautifulSoup(pdf.one_page(html, "Book", pdf.chapters(html, PAGES)), "html.parser")
    names = [element["id"] for element in whole.find_all(id=True)]
    assert len(names) == len(set(names)), "two elements have the same name"
    for link, text in (("to-place", "A."), ("to-page", "SecondA.")):
        target = whole.find(id=f"book/index--{link}")["href"].removeprefix("#")
        assert whole.find(id=target).get_text().startswith(text)
    assert whole.find(id="book/index--away")["href"] == "https://example.org/"
    assert "href" not in whole.find(id="book/index--file").attrs
    assert whole.img["src"] == (html / "_images/a.png").as_uri()
    assert [link["href"] for link in whole.select("link")] == [(html / "_static/a.css").as_uri()]


def test_what_can_be_opened_is_open_and_hidden_cells_are_not(html):
    first, _ = pdf.chapters(html, PAGES)
    assert [details.has_attr("open") for details in first.article.select("details")] == [True, False]
    assert first.article.script is None
    assert first.title == "First"


def test_the_contents_name_the_first_sheet_of_each_chapter(html, tmp_path, monkeypatch):
    """Title, contents and the first chapter have a sheet each, the second chapter has three."""
    texts = []
    monkeypatch.setattr(pdf, "contents", lambda *given, real=pdf.contents: texts.append(real(*given)) or texts[-1])
    output = tmp_path / "made" / "book.pdf"
    try:
        sheets = pdf.print_book(html, output, "Book", PAGES)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert sheets == 6
    assert output.read_bytes().startswith(b"%PDF")
    lines = BeautifulSoup(texts[-1], "html.parser").select("li")
    assert [line.get_text(" ") for line in lines] == ["First 3", "Second 4"]
    assert BeautifulSoup(texts[-1], "html.parser").h2.text == "The part"
    assert [path.name for path in output.parent.iterdir()] == ["book.pdf"]


def test_without_a_browser_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with (
        sync_playwright() as playwright,
        pytest.raises(FileNotFoundError, match="install chromium or google-chrome"),
    ):
        pdf.launch(playwright)


def test_without_a_website_it_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pdf, "HTML", tmp_path)
    assert pdf.main([str(tmp_path / "book.pdf")]) == 1
    assert "build the website first, with `make book`" in capsys.readouterr().err
