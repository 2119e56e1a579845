"""Each page on its own: quiet, small, and readable without a network, without scripts and on a phone."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_rules
import nbformat
import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
# As a server sends them: compressed, which fonts are already.
MAX_BYTES = 450_000
# The page of the search brings the text of the whole book, so that it can search from disk.
MAX_BYTES_OF_THE_SEARCH = 760_000
# 10.5 points at 110 dots per inch, and the least that can be read.
SMALLEST_POINTS, DPI, LEGIBLE_PX = 10.5, 110, 8

# A backslash before a letter or a bracket, or text between dollars: formulas that nobody rendered.
RAW_TEX = re.compile(r"\\[a-zA-Z(\[{]|\$\$|\$[^$\n]{1,80}\$")
VISIBLE_PROSE = """() => {
  const code = "pre, code, script, style, textarea";
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const lines = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest(code) && parent.checkVisibility()) lines.push(walker.currentNode.data);
  }
  return lines.join(" ");
}"""
FORMULAS = """() => [...document.querySelectorAll(".math")].map((box) => {
  const drawn = box.querySelector("math");
  const { width, height } = drawn?.getBoundingClientRect() ?? { width: 0, height: 0 };
  return { tex: box.textContent.trim().slice(0, 60), width, height };
})"""
# The room that is left behind the name of a function, as a share of the height of letters.
GAPS = """() => [...document.querySelectorAll("math mo")].filter((mo) => mo.textContent === "\u2061").map((mo) => {
  const [before, after] = [mo.previousElementSibling, mo.nextElementSibling].map((box) => box.getBoundingClientRect());
  return (after.left - before.right) / parseFloat(getComputedStyle(mo).fontSize);
})"""
# What sticks out on the right, and is not inside something that scrolls, nor in a sidebar that waits outside.
STICKS_OUT = """() => {
  const scrolls = (element) => {
    for (let box = element.parentElement; box; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible" && box !== document.body && box !== document.documentElement)
        return true;
    return false;
  };
  const out = [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .filter((element) => element.checkVisibility() && !element.closest("[class*='bd-sidebar-']") && !scrolls(element));
  const names = out.slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
  return [document.scrollingElement.scrollWidth - innerWidth, names];
}"""


def test_a_page_asks_nobody_and_complains_about_nothing(shown, path):
    # Scroll to the end, for whatever waits until it is seen, and give late requests a moment.
    shown.keyboard.press("End")
    shown.wait_for_timeout(100)
    _assert_quiet(shown.record)


@pytest.mark.parametrize("path", ["book/index.html", "book/cluster_bias.html", "book/claims.html"])
def test_nor_does_it_in_the_dark(open_page, path):
    page = open_page(path, color_scheme="dark")
    _assert_quiet(page.record)
    assert page.locator("html").get_attribute("data-theme") == "dark"


def _assert_quiet(record) -> None:
    assert record.requests
    assert record.foreign == [], "asked another host"
    assert record.failed == [], "asked for a file that is not there"
    assert record.console == []
    assert record.errors == []


def test_a_request_abroad_would_be_seen(open_page, site):
    page = open_page("book/glossary.html")
    page.evaluate("""() => new Promise((done) => {
      const image = new Image();
      image.onerror = done;
      image.src = "https://example.org/pixel.png";
    })""")
    with page.expect_event("console"), page.expect_event("pageerror"):
        page.evaluate("console.warn('a warning'); setTimeout(() => { throw new Error('an error') })")
    with page.expect_event("requestfailed"):
        page.evaluate("new Image().src = 'missing.png'")
    assert page.record.foreign == ["https://example.org/pixel.png"]
    assert any("a warning" in line for line in page.record.console)
    assert page.record.errors == ["an error"]
    assert [line.split(": ")[0] for line in page.record.failed] == [f"{site.as_uri()}/book/missing.png"]


def test_a_page_weighs_little_without_its_figures(shown, site, path, request):
    shown.evaluate("document.fonts.ready.then(() => 0)")
    kinds = dict(shown.record.requests)
    bytes_of = {
        url: len(gzip.compress(Path(unquote(urlsplit(url).path)).read_bytes()))
        for url, kind in kinds.items()
        if url.startswith("file:") and kind != "image"
    }
    assert f"{site.as_uri()}/{path}" in bytes_of
    if path != "404.html":
        assert {"document", "stylesheet", "script"} <= set(kinds.values())
    weight = sum(bytes_of.values())
    request.node.user_properties.append(("weight in kB", f"{path} {weight / 1000:.0f}"))
    heaviest = sorted(bytes_of.items(), key=lambda item: -item[1])[:6]
    limit = MAX_BYTES_OF_THE_SEARCH if path == "search.html" else MAX_BYTES
    assert weight < limit, f"{path} weighs {weight:,} bytes: {heaviest}"


def test_formulas_are_drawn(shown, path):
    _assert_formulas(shown, path)


# One page of each kind: formulas are markup, so where they are drawn with scripts, they are without.
@pytest.mark.parametrize("path", ["book/index.html", "book/denominators.html", "book/claims.html", "search.html"])
def test_a_page_can_be_read_without_scripts(open_page, path):
    page = open_page(path, java_script_enabled=False)
    assert page.locator("main h1:visible").count() == 1
    _assert_formulas(page, path)
    if path == "search.html":
        assert "activate JavaScript" in page.locator("main").inner_text(), "does not say what it needs"
    else:
        assert len(page.locator("main").inner_text()) > 200


def _assert_formulas(page: Page, path: str) -> None:
    formulas = page.evaluate(FORMULAS)
    assert formulas or not _source_has_formulas(path), "the source has formulas, and the page has none"
    assert [formula for formula in formulas if not (formula["width"] > 2 and formula["height"] > 2)] == []
    assert all(0.1 < gap < 0.3 for gap in page.evaluate(GAPS))
    assert RAW_TEX.findall(page.evaluate(VISIBLE_PROSE)) == []


def _source_has_formulas(path: str) -> bool:
    """Whether the text of a page, without its code, has something between dollars."""
    text = ""
    if (ROOT / path).with_suffix(".md").exists():
        text = (ROOT / path).with_suffix(".md").read_text(encoding="utf-8")
    elif (ROOT / path).with_suffix(".ipynb").exists():
        cells = nbformat.read((ROOT / path).with_suffix(".ipynb"), as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return bool(re.search(r"\$[^$]+\$", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)))


@pytest.mark.parametrize("width", [1280, 768])
def test_nothing_sticks_out_of_the_window(shown, path, width):
    with _resized(shown, width):
        _assert_nothing_sticks_out(shown, path)


def test_on_a_phone_nothing_sticks_out_boxes_fit_and_figures_are_legible(shown, path):
    with _resized(shown, 420):
        _assert_nothing_sticks_out(shown, path)
        boxes = shown.locator(".verdict-box, .verdict-box dd")
        too_wide = boxes.evaluate_all("all => all.filter(box => box.scrollWidth > box.clientWidth).map(box => box.id)")
        images = shown.locator("article .cell_output img")
        sizes = images.evaluate_all("all => all.map((image) => [image.alt, image.naturalWidth, image.clientWidth])")
    assert too_wide == []
    for alt, natural, width in sizes:
        # A hidden one, in a tab or in a solution, has no width.
        if width:
            letters = SMALLEST_POINTS * DPI / 72 * width / natural
            assert round(letters, 1) >= LEGIBLE_PX, f"letters {letters:.1f} px high: {alt}"


def _assert_nothing_sticks_out(page: Page, path: str) -> None:
    too_wide, elements = page.evaluate(STICKS_OUT)
    assert too_wide <= 0, f"{path} is {too_wide} px wider than its window: {elements}"
    assert elements == []


def test_each_cell_of_code_can_be_copied_and_none_is_cut_on_paper(shown, path):
    notebook = (ROOT / path).with_suffix(".ipynb")
    hidden = {"remove-input", "remove-cell"}
    sources = [
        cell.source.strip()
        for cell in (nbformat.read(notebook, as_version=4).cells if notebook.exists() else [])
        if cell.cell_type == "code" and not hidden & set(cell.metadata.get("tags", []))
    ]
    assert [code.strip() for code in shown.locator(".cell_input pre").all_text_contents()] == sources
    assert shown.locator(".cell_input button.copybtn").count() == len(sources)
    cut = "blocks => blocks.filter(pre => pre.scrollWidth > pre.clientWidth).map(pre => pre.textContent)"
    with _resized(shown, 720):  # A4 without its margins
        shown.emulate_media(media="print")
        assert shown.locator("article pre:visible").count() > 0 or not sources
        too_long = shown.locator("article pre:visible").evaluate_all(cut)
        shown.emulate_media(media="screen")
    assert too_long == []


# The last test of a page that is open: it opens all that is closed.
def test_axe_finds_nothing(shown, path, seen):
    axe_rules.open_everything(shown)
    found = axe_rules.in_shape_and_colours(shown, seen)
    assert not found, f"{path}:\n" + "\n".join(found)


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The kinds of text whose colours were judged on the pages before."""
    return set()


@contextmanager
def _resized(page: Page, width: int) -> Iterator[None]:
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 800})
    yield
    page.set_viewport_size(before)


def test_no_figure_asks_for_smaller_letters(chapter):
    source = (ROOT / chapter).with_suffix(".ipynb").read_text(encoding="utf-8")
    source += (ROOT / "helpers/plots.py").read_text(encoding="utf-8")
    sizes = [float(size) for size in re.findall(r"(?:font|label)size\W+([\d.]+)", source)]
    assert sizes and min(sizes) >= SMALLEST_POINTS
