"""What a reader does: search, change the scheme, print, copy code, take a notebook home, read with the keyboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]


def _scheme(page: Page) -> tuple[str | None, str]:
    """The chosen scheme, and whether the page is light or dark to the eye."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) / 3
    return page.locator("html").get_attribute("data-mode"), "light" if brightness > 128 else "dark"


def test_search_finds_chapters_from_disk(open_page, site):
    page = open_page("search.html?q=recall")
    results = page.locator("#search-results li a")
    expect(page.locator("#search-results")).to_contain_text("Search finished")
    assert "book/cluster_bias.html" in [
        link.get_attribute("href").split("?")[0].split("#")[0] for link in results.all()
    ]
    page.locator("#search-results li a[href^='book/cluster_bias.html']").first.click()
    page.wait_for_url("**/cluster_bias.html*")
    assert page.record.console == page.record.errors == page.record.failed == []


def test_search_says_when_it_finds_nothing(open_page):
    page = open_page("search.html?q=zyzzyvas")
    expect(page.locator("#search-results")).to_contain_text("did not match")
    assert page.locator("#search-results li").count() == 0


def test_search_opens_from_the_keyboard(open_page):
    page = open_page("book/cluster_bias.html")
    page.keyboard.press("Control+k")
    expect(page.locator("#pst-search-dialog input")).to_be_focused()
    page.keyboard.type("denominator")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=denominator")
    expect(page.locator("#search-results")).to_contain_text("The denominator decides")
    assert page.record.console == page.record.errors == page.record.failed == []


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_scheme_follows_the_system_until_one_is_chosen(open_page, system):
    page = open_page("book/cluster_bias.html", color_scheme=system)
    assert _scheme(page) == ("auto", system)
    other = {"light": "dark", "dark": "light"}[system]
    page.emulate_media(color_scheme=other)
    expect(page.locator("html")).to_have_attribute("data-theme", other)


@pytest.mark.parametrize("width", [420, 1280])
def test_a_chosen_scheme_is_kept_across_pages_and_visits(open_page, wait_until_stored, width):
    page = open_page("book/cluster_bias.html", width=width)
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        if _scheme(page)[0] == "dark":
            break
    assert _scheme(page) == ("dark", "dark")
    wait_until_stored(page, "mode", "dark")
    page.reload()
    assert _scheme(page) == ("dark", "dark")
    another = open_page("book/claims.html", context=page.context)
    assert _scheme(another) == ("dark", "dark")


def _next_page(page: Page, leave) -> str:
    """The address that a click or a key asks for. The browser is kept from going there."""
    page.route("**/*.html*", lambda route: route.abort())
    with page.expect_request("**/*.html*") as asked:
        leave()
    return asked.value.url


@pytest.mark.parametrize("leave", ["link", "search"])
def test_from_disk_the_choices_go_along_where_each_page_has_a_storage_of_its_own(open_page, site, leave):
    """So it is in Firefox. Here another visitor stands for the next page: nothing else is known to them."""
    page = open_page("book/cluster_bias.html?framework=keras")
    page.evaluate("localStorage.setItem('mode', 'dark')")
    if leave == "link":
        asked = _next_page(page, page.locator("a.right-next").click)
    else:
        page.keyboard.press("Control+k")
        page.keyboard.type("recall")
        asked = _next_page(page, lambda: page.keyboard.press("Enter"))
    following = open_page(asked.removeprefix(f"{site.as_uri()}/"))
    assert _scheme(following) == ("dark", "dark")
    following.wait_for_function("!location.search.includes('chosen')")
    assert following.evaluate("localStorage['sphinx-design-tab-id-framework']") == "keras"
    assert following.record.errors == following.record.console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_print_shows_the_text_and_nothing_around_it(open_page, scheme):
    page = open_page("book/cluster_bias.html", color_scheme=scheme)
    around = [
        ".bd-sidebar-primary",
        ".bd-sidebar-secondary",
        ".bd-header-article",
        ".prev-next-footer",
        ".sd-tab-set > label",
    ]
    visible = {name: page.locator(f"{name}:visible").count() for name in around}
    assert all(visible.values()), f"nothing to hide any more: {visible}"
    page.emulate_media(media="print", color_scheme=scheme)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert {name: page.locator(f"{name}:visible").count() for name in around} == dict.fromkeys(around, 0)
    assert page.locator("article p:visible").count() > 10
    assert page.locator("article .cell_output img:visible").count() > 1
    # Paper is white, whatever the screen was.
    text = page.locator("article p:visible").first.evaluate("(p) => getComputedStyle(p).color")
    assert max(int(part) for part in re.findall(r"\d+", text)[:3]) < 128, f"the text is printed in {text}"


def test_both_frameworks_are_printed(open_page):
    page = open_page("book/cluster_bias.html?framework=torch")
    page.emulate_media(media="print")
    assert page.locator(".framework-both:visible").count() == 0, "an empty box after each set"
    for framework in "torch", "keras":
        panels = page.locator(f".framework-{framework}")
        assert panels.count() > 0
        assert panels.first.is_visible(), framework


def test_the_first_chapter_begins_with_its_picture(open_page):
    page = open_page("book/regression_emphasis.html", width=1400, height=900)
    picture = page.locator("article figure img").first.bounding_box()
    assert picture["y"] + picture["height"] <= 900
    # Native code in both frameworks comes before the first line that computes with a helper of the book.
    codes = page.locator("article .cell_input pre:visible").all_text_contents()
    native = next(i for i, code in enumerate(codes) if "torch.nn.Linear" in code)
    assert native < next(i for i, code in enumerate(codes) if "weights.exponential_weights" in code)


@pytest.mark.parametrize("framework", ["torch", "keras", "both"])
def test_the_cheat_sheet_is_two_pages_on_paper(open_page, framework):
    page = open_page(f"book/cheat_sheet.html?framework={framework}")
    for size in "A4", "Letter":
        paper = page.pdf(format=size, margin=dict.fromkeys(("top", "right", "bottom", "left"), "12mm"))
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 2, size
    page.emulate_media(media="print")
    tables = {name: page.locator(f".framework-{name} table.sheet").is_visible() for name in ("torch", "keras")}
    assert tables == {name: name == framework for name in ("torch", "keras")}
    shared = page.locator("table.sheet.shared")
    assert shared.is_visible() == (framework == "both")
    assert shared.locator("thead th").all_text_contents() == ["I have", "Denominator", "PyTorch", "Keras"]
    row = shared.locator("tbody tr", has_text="no weights").first.locator("td").all_text_contents()
    assert row[2:] == ["F.cross_entropy(z, y)", "ce(y, z)"]


def test_the_machinery_of_the_cheat_sheet_is_closed_until_it_is_asked_for(open_page):
    page = open_page("book/cheat_sheet.html")
    cell = page.locator("#every-line-executed pre", has_text="class Drawn").first
    expect(cell).not_to_be_visible()
    page.locator("#what-is-behind-the-tables summary").first.click()
    expect(cell).to_be_visible()


def test_no_box_is_printed_empty(open_page):
    """What is opened fades in, and paper would show the start of that."""
    page = open_page("book/cheat_sheet.html")
    page.locator("details.hide").evaluate_all("all => all.forEach((details) => { details.open = true; })")
    shown = page.locator("details.hide[open] > summary ~ *")
    names = "all => [...new Set(all.map((box) => getComputedStyle(box).animationName))]"
    assert shown.evaluate_all(names) != ["none"], "nothing fades in any more"
    page.emulate_media(media="print")
    assert shown.evaluate_all(names) == ["none"]


def test_hidden_cells_are_not_printed_and_other_folds_are_open(open_page):
    page = open_page("book/mnist_9_vs_4.html")
    page.emulate_media(media="print")
    expect(page.locator(".predict details:not([open])")).to_have_count(0)
    assert page.locator("details.hide").count() > 0
    assert page.locator("details.hide:visible, details.hide[open]").count() == 0
    page.emulate_media(media="screen")
    expect(page.locator(".predict details[open]")).to_have_count(0)


def test_the_copy_button_copies_the_code(open_page):
    page = open_page("book/cluster_bias.html")
    cell = page.locator(".cell_input:visible").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.evaluate("document.querySelector('article').insertAdjacentHTML('afterbegin', '<textarea id=here></textarea>')")
    page.locator("#here").focus()
    page.keyboard.press("Control+v")
    copied = page.locator("#here").input_value()
    assert copied.strip() == cell.locator("pre").inner_text().strip() != ""


def test_the_notebook_is_at_hand(open_page):
    """From disk a browser shows the file, from a server it saves it. test_links.py compares it with ours."""
    page = open_page("book/cluster_bias.html")
    page.locator(".dropdown-download-buttons > button").click()
    with page.expect_popup() as popup:
        page.locator("a.btn-download-source-button").click()
    notebook = json.loads(popup.value.locator("pre").inner_text())
    assert notebook == json.loads((ROOT / "book/cluster_bias.ipynb").read_text(encoding="utf-8"))


# One page of each layout: with and without a list of contents, and with cells.
@pytest.mark.parametrize("path", ["book/cluster_bias.html", "book/claims.html", "search.html"])
def test_the_first_key_leads_past_the_menu(open_page, path):
    page = open_page(path)
    page.keyboard.press("Tab")
    skip = page.locator("#pst-skip-link a")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.wait_for_url("**#main-content")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), "the next key is back in the menu"


def test_the_contents_open_on_a_phone(open_page):
    page = open_page("book/cluster_bias.html", width=420)
    page.locator(".bd-header-article .primary-toggle").click()
    link = page.locator("#pst-primary-sidebar-modal a", has_text="The denominator decides")
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#pst-primary-sidebar-modal")).to_be_hidden()
    page.locator(".bd-header-article .secondary-toggle").click()
    page.locator("#pst-secondary-sidebar-modal a", has_text="What would go wrong").click()
    expect(page.locator("#what-would-go-wrong h2")).to_be_in_viewport()
    expect(page.locator("#pst-secondary-sidebar-modal")).to_be_hidden()
    page.locator(".bd-header-article .primary-toggle").click()
    link.click()
    page.wait_for_url("**/denominators.html")


def test_the_contents_mark_what_is_read_after_a_jump_and_on_the_way_up(open_page):
    page = open_page("book/cluster_bias.html", width=1400)
    marked = page.locator(".bd-sidebar-secondary .page-toc a.active")
    names = page.locator(".bd-article h2").evaluate_all("all => all.map((h2) => h2.closest('section').id)")
    for name in [names[3], names[7], names[4], names[0]]:
        # The heading has just left the window, so the theme would not see it.
        page.locator(f"#{name} > h2").evaluate("(h2) => scrollBy(0, h2.getBoundingClientRect().bottom + 20)")
        expect(marked).to_have_count(1)
        expect(marked).to_have_attribute("href", f"#{name}")


def test_the_contents_can_be_put_away_on_a_laptop(open_page):
    page = open_page("book/cluster_bias.html")
    contents = page.locator("#pst-primary-sidebar")
    expect(contents).to_be_visible()
    page.locator(".bd-header-article .primary-toggle").click()
    expect(contents).to_be_hidden()
    page.locator(".bd-header-article .primary-toggle").click()
    expect(contents).to_be_visible()


def test_wide_code_in_a_hidden_tab_can_be_scrolled_from_the_keyboard_once_it_is_shown(open_page):
    page = open_page("book/cluster_bias.html?framework=torch", width=420)
    code = page.locator(".framework-keras pre").first
    expect(code).to_be_hidden()
    page.locator("label.sd-tab-label", has_text="Keras").first.click()
    assert code.evaluate("(pre) => pre.scrollWidth > pre.clientWidth")
    expect(code).to_have_attribute("tabindex", "0")
    code.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(pre) => pre.scrollLeft > 0", arg=code.element_handle())


def test_the_root_opens_the_book(open_page):
    page = open_page("index.html")
    page.wait_for_url("**/book/index.html")


def test_the_page_for_wrong_addresses_leads_back(open_page):
    page = open_page("404.html")
    page.locator("input[type=search]").fill("recall")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=recall")
    expect(page.locator("#search-results")).to_contain_text("Cluster bias")
