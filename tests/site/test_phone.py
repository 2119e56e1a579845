"""On a phone: a finger hits what it must, numbers stand within the edge, and what goes beyond it shows that it does."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

# Links within a line of text have its height; the boxes of tabs are hit by their labels; a skip link is for keyboards.
TOO_SMALL = """() => [...document.querySelectorAll("a[href], button, summary, input, select, label.sd-tab-label")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }))
  .filter((element) => !element.matches(".sd-tab-set > input, .skip-link a, .headerlink"))
  .filter((element) => element.tagName !== "A" || getComputedStyle(element).display !== "inline")
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, { width, height }]) => width && (width < 44 || height < 44))
  .map(([element, { width, height }]) => `${width} x ${height}: ${element.outerHTML.slice(0, 120)}`)"""
# The numbers in outputs and tables of which a part lies beyond the edge of the window or of a box that scrolls.
CUT_NUMBERS = r"""() => {
  const cut = [];
  for (const box of document.querySelectorAll(".bd-article :is(.cell_output pre, table)")) {
    let edge = innerWidth;
    for (let outer = box; outer !== document.body; outer = outer.parentElement)
      if (getComputedStyle(outer).overflowX !== "visible")
        edge = Math.min(edge, outer.getBoundingClientRect().left + outer.clientLeft + outer.clientWidth);
    const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (texts.nextNode())
      for (const { index, 0: number } of texts.currentNode.data.matchAll(/[-+]?\d[\d.,%]*/g)) {
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + number.length);
        const { width, right } = range.getBoundingClientRect();
        if (width && right > edge + 1) cut.push(`${number} in ${box.textContent.trim().slice(0, 60)}`);
      }
  }
  return cut;
}"""
OPEN_ALL = """() => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const button of document.querySelectorAll("button.toggle-button.toggle-button-hidden")) button.click();
  dispatchEvent(new Event("resize"));
}"""
# One page of each kind: with tabs, sliders and verdicts, with filters, with folds, and without anything of it.
PAGES = ["book/cluster_bias.html", "book/claims.html", "book/cheat_sheet.html", "search.html"]


@pytest.mark.parametrize("path", PAGES)
def test_a_finger_hits_what_can_be_pressed(open_page, path):
    assert open_page(path, width=420).evaluate(TOO_SMALL) == []


@pytest.mark.parametrize("toggle", ["primary-toggle", "secondary-toggle"])
def test_a_finger_hits_the_links_of_the_menus(open_page, toggle):
    page = open_page("book/cluster_bias.html", width=420)
    page.locator(f".bd-header-article .{toggle}").click()
    expect(page.locator("dialog[open] a").last).to_be_visible()
    assert page.evaluate(TOO_SMALL) == []


def test_no_number_of_an_output_or_a_table_is_cut(open_page, path):
    page = open_page(f"{path}?framework=both", width=420)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(CUT_NUMBERS) == []
    smallest = ".bd-article .cell_output pre"
    sizes = page.locator(smallest).evaluate_all("all => all.map((box) => parseFloat(getComputedStyle(box).fontSize))")
    assert min(sizes, default=8) >= 8


def test_a_number_that_is_cut_would_be_seen(open_page):
    page = open_page("book/cluster_bias.html", width=420)
    page.add_style_tag(content=".bd-article .cell_output pre { white-space: pre !important; }")
    page.locator(".cell_output pre").first.evaluate("box => { box.textContent = ' '.repeat(99) + '0.5'; }")
    assert "0.5 in 0.5" in page.evaluate(CUT_NUMBERS)


def test_a_wide_table_becomes_a_list_that_names_its_columns(open_page):
    page = open_page("book/cluster_bias.html", width=420)
    cell = page.locator("table.stacked td", has_text="which sum to 1").first
    expect(cell).to_be_visible()
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"predicted: "'
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("table.stacked")).to_have_count(0)


def test_an_output_is_copied_as_it_was_printed(open_page):
    wraps = open_page("book/keras_weights.html", width=420).locator(".cell_output pre.wraps:visible").first
    assert wraps.inner_text().splitlines() == wraps.text_content().splitlines()


def test_a_title_does_not_keep_the_columns_of_its_table_apart(open_page):
    table = open_page("book/many_devices.html", width=420).locator(".cell_output pre", has_text="wrong form: error")
    expect(table.first).to_contain_text("weighted_mean")
    assert table.evaluate_all("all => all.map((box) => box.classList.contains('wraps'))") == [False, False]


def test_printed_code_keeps_its_indentation(open_page):
    printed = open_page("book/many_devices.html", width=420).locator(".cell_output pre", has_text="def step(").first
    lines = printed.text_content().splitlines()
    assert [line.index(line.strip()) for line in lines[:2]] == [0, 4]
    assert any(line.startswith("        with ") for line in lines)


def test_a_row_that_is_too_wide_is_a_name_with_its_cells_below(open_page):
    page = open_page("book/when_to_weight.html", width=420)
    table = page.locator(".cell_output pre", has_text="PyTorch, no drift").first
    lines = "all => all.map((span) => span.getClientRects()[0].height / parseFloat(getComputedStyle(span).fontSize))"
    cells = table.locator("span.cells")
    assert cells.count() == 13
    assert max(cells.evaluate_all(lines)) < 2, "a row of cells is broken"
    assert table.locator("span.name").first.text_content().strip() == "half-life 3.5"
    assert table.inner_text() == table.text_content()
    assert open_page("book/when_to_weight.html", width=1280).locator("pre.named-rows").count() == 0


def test_what_a_cell_prints_besides_a_verdict_fits_too(open_page):
    for chapter in ("cluster_bias", "fine_print", "masks"):
        printed = open_page(f"book/{chapter}.html", width=420).locator(".cell > .highlight-none pre")
        assert printed.count()
        cut = "all => all.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.textContent)"
        assert printed.evaluate_all(cut) == []


FORMULAS = ["many_devices", "tokens", "probabilities", "denominators", "sampling"]


@pytest.mark.parametrize("chapter", FORMULAS)
def test_the_formulas_of_a_prediction_fit_a_phone(open_page, chapter):
    formulas = open_page(f"book/{chapter}.html", width=420).locator("math[display=block]")
    assert formulas.count()
    cut = "all => all.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent)"
    assert formulas.evaluate_all(cut) == []


def test_what_goes_on_beyond_the_edge_fades_out_until_its_end(open_page):
    page = open_page("book/cluster_bias.html", width=420)
    wide = page.locator("pre[data-more]:visible").first
    expect(wide).to_be_visible()
    assert wide.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert "gradient" in wide.evaluate("(box) => getComputedStyle(box).maskImage")
    box = wide.element_handle()
    box.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    page.wait_for_function("(box) => getComputedStyle(box).maskImage === 'none'", arg=box)


def test_what_fits_does_not_fade(open_page):
    page = open_page("book/cluster_bias.html", width=1280)
    assert page.locator("[data-more]").evaluate_all("all => all.filter(b => b.scrollWidth <= b.clientWidth)") == []


def test_the_denominators_fit_a_phone(open_page):
    """The table that everybody needs, on the start page."""
    table = open_page("book/index.html", width=420).locator("table", has_text="weighted_mean")
    assert table.first.evaluate("(table) => table.parentElement.scrollWidth <= table.parentElement.clientWidth")
