"""axe-core, with all its default rules, finds nothing to complain about on any page."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

# Preloading would fetch the style sheets, which no page may do from disk.
OPTIONS = {"preload": False, "resultTypes": ["violations"]}
# All that a colour scheme can change, and a narrow window cannot.
COLOURS = ["color-contrast", "link-in-text-block"]
# On the pages whose layout differs most on a phone.
ON_A_PHONE = ["book/index.html", "book/cluster_bias.html", "book/cheat_sheet.html", "book/claims.html", "search.html"]

# axe looks only at what is shown: show what a click would show, at once.
OPEN_EVERYTHING = """
const style = document.createElement("style");
style.textContent = `* { transition: none !important; animation: none !important; }
                     .sd-tab-set > .sd-tab-content { display: block !important; }`;
document.head.append(style);
for (const details of document.querySelectorAll("details")) details.open = true;
for (const hidden of document.querySelectorAll(".toggle-hidden")) hidden.classList.remove("toggle-hidden");
// The theme then looks again for code that scrolls, 0.3 seconds after the frame in which all is open.
const frame = () => new Promise(requestAnimationFrame);
frame().then(frame).then(() => {
  dispatchEvent(new Event("resize"));
  return new Promise((done) => setTimeout(done, 400));
});
"""
# Thousands of coloured words of code take most of axe's time. One of each kind is enough to judge a colour.
ONE_WORD_OF_EACH_KIND = """
const seen = new Set();
for (const word of document.querySelectorAll(".highlight pre span[class]")) {
  const kind = word.closest(".highlight").parentElement.className + "/" + word.className;
  if (seen.has(kind)) word.replaceWith(...word.childNodes);
  seen.add(kind);
}
for (const code of document.querySelectorAll(".highlight pre")) code.normalize();
"""
# Colours take axe longer than all the rest. Of texts that look alike, around them too, one is enough to judge another,
# on this page and on the next: this marks one of each kind that is not among those seen before, and returns the kinds.
# An ancestor that paints nothing and changes no letter is left out.
MARK_ONE_OF_A_KIND = """(seen) => {
  const kinds = new Map([[null, ""]]), before = new Set(seen), found = [];
  function kind(element) {
    if (!kinds.has(element)) {
      const style = getComputedStyle(element), outer = kind(element.parentElement);
      const own = ["color", "background", "opacity", "font", "text-decoration", "text-shadow", "filter"];
      const look = own.map((name) => style.getPropertyValue(name)).join() + ";";
      const paints = style.backgroundColor !== "rgba(0, 0, 0, 0)" || style.opacity !== "1";
      kinds.set(element, outer.endsWith(look) && !paints ? outer : outer + look);
    }
    return kinds.get(element);
  }
  for (const element of document.querySelectorAll("body *")) {
    delete element.dataset.oneOfAKind;
    const texts = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!(texts || element.matches("input, select, textarea")) || before.has(kind(element))) continue;
    before.add(kind(element));
    found.push(kind(element));
    element.dataset.oneOfAKind = "";
  }
  return found;
}"""


def violations(page: Page, options: dict, where: str | None = None) -> list[str]:
    """What axe finds on an open page, or in a part of it: the rule, the element, and what to do about it."""
    found = Axe().run(page, where, OPTIONS | options).response["violations"]
    return [
        f"{rule['id']} ({rule['help']}): {node['target']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def in_its_shape(page: Page) -> list[str]:
    """What axe finds, but for colours."""
    return violations(page, {"rules": {rule: {"enabled": False} for rule in COLOURS}})


def in_its_colours(page: Page, scheme: str, seen: set[str]) -> list[str]:
    """What axe finds in the colours of a scheme, in one text of each kind that is not `seen`. Adds them to `seen`."""
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    kinds = page.evaluate(MARK_ONE_OF_A_KIND, list(seen))
    seen.update(kinds)
    return violations(page, {"runOnly": {"type": "rule", "values": COLOURS}}, "[data-one-of-a-kind]") if kinds else []


def look(open_page, path: str, width: int = 1280) -> Page:
    """Open a page, and all that is closed on it."""
    page = open_page(path, width=width)
    page.evaluate(OPEN_EVERYTHING)
    page.evaluate(ONE_WORD_OF_EACH_KIND)
    return page


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The kinds of text whose colours were judged on the pages before."""
    return set()


def test_axe_finds_nothing(open_page, path, seen):
    page = look(open_page, path)
    found = in_its_shape(page)
    assert not found, f"{path}:\n" + "\n".join(found)
    for scheme in ("light", "dark"):
        found = in_its_colours(page, scheme, seen)
        assert not found, f"{path}, {scheme}:\n" + "\n".join(found)


@pytest.mark.parametrize("path", ON_A_PHONE)
def test_axe_finds_nothing_on_a_phone(open_page, path):
    found = in_its_shape(look(open_page, path, width=420))
    assert not found, f"{path}, 420 px:\n" + "\n".join(found)


def test_axe_finds_nothing_in_the_open_menu_of_a_phone(open_page, seen):
    page = look(open_page, "book/cluster_bias.html", width=420)
    page.locator(".bd-header-article .primary-toggle").click()
    expect(page.locator("#pst-primary-sidebar-modal")).to_be_visible()
    found = in_its_shape(page) + in_its_colours(page, "light", seen)
    assert not found, "\n".join(found)


def test_axe_would_find_something(open_page, seen):
    """The same calls, on a page with one flaw of each of two kinds: the shape of the page, and its colours."""
    page = look(open_page, "book/glossary.html")
    page.evaluate("""() => {
      document.querySelector("article h1").style.color = "#222";
      document.querySelector("article p").style.color = "#eee";
      document.querySelector("article").insertAdjacentHTML("beforeend", "<img src='../_static/logo.svg'>");
    }""")
    found = [in_its_shape(page), *(in_its_colours(page, scheme, seen) for scheme in ("light", "dark"))]
    assert [{line.split()[0] for line in lines} for lines in found] == [{"image-alt"}, *[{"color-contrast"}] * 2]
