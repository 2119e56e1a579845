"""Print the website as one PDF, with contents and page numbers: what `make pdf` does after `make book`.

    python -m tools.pdf [OUTPUT]

The pages of `_toc.yml` become one page, whose links lead to each other, and an installed Chromium prints it. It runs no
script, so everything stands there that a reader without scripts sees: both frameworks, every solution, and of a figure
with sliders the first frame. Folded code stays folded. It is printed twice: the first time says on which sheet each
chapter starts, and the second has those numbers in its contents.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Playwright, sync_playwright

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
OUTPUT = ROOT / "_build" / "example-weighting.pdf"
CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"]
NO_BROWSER = "no browser found: install chromium or google-chrome, or run `playwright install chromium`"
# Attributes that name another element of the page.
NAMES = ("id", "for", "name", "aria-labelledby", "aria-describedby", "aria-controls")
STYLE = """
body { background: white; }
.pdf-page, .pdf-contents { max-width: none; padding: 0; break-before: page; }
.pdf-title { break-before: auto; padding-top: 30vh; text-align: center; }
h1 { font-size: 1.7rem; }
.pdf-contents h2 { margin: 0.8rem 0 0.2rem; font-size: 1.1rem; }
.pdf-contents li { display: flex; justify-content: space-between; list-style: none; }
.headerlink, .copybtn { display: none !important; }
"""
FILL = "(html) => { document.querySelector('.pdf-contents').innerHTML = html; }"
FOOTER = '<div style="width: 100%; font-size: 9px; text-align: center"><span class="pageNumber"></span></div>'
PAPER = {
    "format": "A4",
    "margin": {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
    "scale": 0.8,
    "print_background": True,
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": FOOTER,
}


@dataclass
class Chapter:
    """One page of the website, ready to stand beside the others."""

    name: str
    """As links name it: `book/claims`."""
    title: str
    part: str
    """The caption above it in the contents, or "" for the first page."""
    article: Tag


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium: the installed one, or else Playwright's own. Raises `FileNotFoundError` without either."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found and not Path(playwright.chromium.executable_path).exists():
        raise FileNotFoundError(NO_BROWSER)
    return playwright.chromium.launch(executable_path=found)


def listed(toc: dict[str, Any]) -> list[tuple[str, str]]:
    """Each page of the contents with the caption of its part, in order."""
    chapters = [(c["file"], part["caption"]) for part in toc.get("parts", []) for c in part["chapters"]]
    return [(toc["root"], ""), *chapters]


def chapters(html: Path, pages: Sequence[tuple[str, str]]) -> list[Chapter]:
    """Read pages of the website.

    Args:
        html: the folder of the website.
        pages: the name and the part of each page, as `listed` gives them.

    Returns:
        The chapters, with the names of their elements and their links changed so that they can share one page.

    Raises:
        FileNotFoundError: a page has not been built.
    """
    made, names = [], {name for name, _ in pages}
    for name, part in pages:
        path = html / f"{name}.html"
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}: build the website first, with `make book`")
        article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
        for element in article.select("script"):
            element.decompose()
        # Nobody can open what is closed on paper. Hidden cells stay closed.
        for details in article.select("details:not(.hide)"):
            details["open"] = ""
        rename(article, name, html, names)
        heading = article.h1.get_text().strip().rstrip("#")
        made.append(Chapter(name, heading, part, article))
    return made


def anchor(page: str, fragment: str = "") -> str:
    """The name of a place on the page of all pages."""
    return f"{page}--{fragment}" if fragment else page


def rename(article: Tag, page: str, html: Path, pages: set[str]) -> None:
    """Give all elements names that no other page has, and lead links there; files are named by their full address."""
    address = (html / f"{page}.html").as_uri()
    for element in article.find_all(True):
        for attribute in NAMES:
            if attribute in element.attrs:
                whole = element[attribute]
                parts = whole if isinstance(whole, list) else whole.split()
                element[attribute] = " ".join(anchor(page, part) for part in parts)
        if "src" in element.attrs:
            element["src"] = urljoin(address, element["src"])
        if "href" in element.attrs:
            target = urlsplit(urljoin(address, element["href"]))
            relative = target.path.removeprefix(urlsplit(html.as_uri()).path + "/").removesuffix(".html")
            if target.scheme == "file" and relative in pages:
                element["href"] = f"#{anchor(relative, target.fragment)}"
            elif target.scheme == "file":
                del element["href"]  # the index, or a file to download: not on paper


def contents(found: Sequence[Chapter], starts: Sequence[int]) -> str:
    """The contents: a link to each chapter, with the number of its first page."""
    lines, part = [], ""
    for chapter, start in zip(found, starts, strict=True):
        if chapter.part != part:
            part = chapter.part
            lines.append(f"</ul><h2>{escape(part)}</h2><ul>")
        lines.append(f'<li><a href="#{chapter.name}">{escape(chapter.title)}</a><span>{start}</span></li>')
    return f"<h1>Contents</h1><ul>{''.join(lines)}</ul>"


def one_page(html: Path, title: str, found: Sequence[Chapter]) -> str:
    """All pages as one: the title, a place for the contents, the chapters. Styled as every page that it holds."""
    styles: dict[str, None] = {}
    for chapter in found:
        path = html / f"{chapter.name}.html"
        head = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").head
        styles |= dict.fromkeys(urljoin(path.as_uri(), link["href"]) for link in head.select("link[rel~=stylesheet]"))
    links = "".join(f'<link rel="stylesheet" href="{address}">' for address in styles)
    bodies = "".join(
        f'<div class="pdf-page bd-article" id="{chapter.name}">{chapter.article.decode_contents()}</div>'
        for chapter in found
    )
    return f"""<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{escape(title)}</title>{links}<style>{STYLE}</style></head>
<body class="bd-content"><div class="pdf-title"><h1>{escape(title)}</h1></div>
<div class="pdf-contents"></div>{bodies}</body></html>"""


def count_pages(pdf: bytes) -> int:
    """How many sheets a PDF of Chromium has. What holds it together is written without compression."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def starts(pdf: bytes, found: Sequence[Chapter]) -> list[int]:
    """The sheet on which each chapter starts, read from the places to which the links of the contents lead."""
    sheets = re.findall(rb"(\d+) 0 obj\s*<<\s*/Type\s*/Page\b", pdf)
    places = dict(re.findall(rb"/([^\s/\[]+)\s*\[(\d+) 0 R /XYZ", pdf))
    return [sheets.index(places[chapter.name.replace("/", "#2F").encode()]) + 1 for chapter in found]


def print_book(html: Path, output: Path, title: str, pages: Sequence[tuple[str, str]]) -> int:
    """Write the PDF of some pages of the website, and return the number of its sheets.

    Raises:
        FileNotFoundError: a page or a browser is missing.
        RuntimeError: the two prints differ in where the chapters start.
    """
    found = chapters(html, pages)
    output.parent.mkdir(parents=True, exist_ok=True)
    whole = output.with_suffix(".html")
    whole.write_text(one_page(html, title, found), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(600_000)  # milliseconds; hundreds of sheets at once
        page.goto(whole.as_uri())
        page.evaluate(FILL, contents(found, [0] * len(found)))
        first = starts(page.pdf(**PAPER, outline=True, tagged=True), found)
        # Anew: Chromium would write the headings twice into the outline.
        page.goto(whole.as_uri())
        page.evaluate(FILL, contents(found, first))
        pdf = page.pdf(**PAPER, outline=True, tagged=True)
        browser.close()
    whole.unlink()
    if starts(pdf, found) != first:
        raise RuntimeError("the numbers moved the pages: the contents would name others than they stand on")
    output.write_bytes(pdf)
    return count_pages(pdf)


def main(arguments: Sequence[str]) -> int:
    """Print the whole book; 1 if there is no website or no browser."""
    output = Path(arguments[0]).resolve() if arguments else OUTPUT
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    try:
        sheets = print_book(HTML, output, title, listed(toc))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{sheets} pages: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
