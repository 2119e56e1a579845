"""On a phone: what a finger must hit is large enough, and what goes on beyond the edge shows that it does."""

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


@pytest.mark.parametrize("kind", ["pre", ".pst-scrollable-table-container"])
def test_what_goes_on_beyond_the_edge_fades_out_until_its_end(open_page, kind):
    page = open_page("book/cluster_bias.html", width=420)
    wide = page.locator(f"{kind}[data-more]:visible").first
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
