"""axe-core finds nothing on a phone either, and finds what is there. `test_pages` asks it about every page."""

from __future__ import annotations

import axe_rules
import pytest
from playwright.sync_api import Page, expect

# The pages whose layout differs most on a phone.
ON_A_PHONE = ["book/index.html", "book/cluster_bias.html", "book/cheat_sheet.html", "book/claims.html", "search.html"]


def look(open_page, path: str, width: int = 1280) -> Page:
    """Open a page, and all that is closed on it."""
    page = open_page(path, width=width)
    axe_rules.open_everything(page)
    return page


@pytest.mark.parametrize("path", ON_A_PHONE)
def test_axe_finds_nothing_on_a_phone(open_page, path):
    found = axe_rules.in_its_shape(look(open_page, path, width=420))
    assert not found, f"{path}, 420 px:\n" + "\n".join(found)


def test_axe_finds_nothing_in_the_open_menu_of_a_phone(open_page):
    page = look(open_page, "book/cluster_bias.html", width=420)
    page.locator(".bd-header-article .primary-toggle").click()
    expect(page.locator("#pst-primary-sidebar-modal")).to_be_visible()
    found = axe_rules.in_shape_and_colours(page, set())
    assert not found, "\n".join(found)


def test_axe_would_find_something(open_page):
    """The same calls, on a page with a flaw in its shape, a colour too pale for light, and one too dark for dark."""
    page = look(open_page, "book/glossary.html")
    page.evaluate("""() => {
      document.querySelector("article h1").style.color = "#222";
      document.querySelector("article p").style.color = "#eee";
      document.querySelector("article").insertAdjacentHTML("beforeend", "<img src='../_static/logo.svg'>");
    }""")
    found = [line.split("\n")[0] for line in axe_rules.in_shape_and_colours(page, set())]
    kinds = [line.split()[0] for line in found]
    assert (sorted(kinds[:2]), kinds[2:]) == (["color-contrast", "image-alt"], ["color-contrast"])
    assert "h1" in found[2]


def test_a_kind_of_text_that_was_seen_is_not_asked_about_again(open_page):
    page, seen = look(open_page, "book/glossary.html"), set()
    assert axe_rules.in_shape_and_colours(page, seen) == []
    assert not axe_rules.mark(page, "light", seen)
