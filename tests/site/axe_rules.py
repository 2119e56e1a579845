"""axe-core on an open page: all its default rules, and each colour once."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Preloading would fetch the style sheets, which no page may do from disk.
OPTIONS = {"preload": False, "resultTypes": ["violations"]}
# All that a colour scheme can change, and a narrow window cannot.
COLOURS = ["color-contrast", "link-in-text-block"]
ONLY_COLOURS = {"runOnly": {"type": "rule", "values": COLOURS}}
NO_COLOURS = {"rules": {rule: {"enabled": False} for rule in COLOURS}}
# The rules of colours look at what is marked, all others at everything.
CONFIGURE = """axe.configure({ rules: [
  { id: "color-contrast", selector: "[data-one-of-a-kind]" },
  { id: "link-in-text-block", selector: "a[href][data-one-of-a-kind]" },
] })"""

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
      const { color, backgroundColor, backgroundImage, opacity, filter, textShadow } = style;
      const letters = [style.fontSize, style.fontWeight, style.textDecorationLine];
      const look = [color, backgroundColor, backgroundImage, opacity, filter, textShadow, ...letters].join() + ";";
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


def open_everything(page: Page) -> None:
    """Show what a click would show, and leave one word of each kind in the code."""
    page.evaluate(OPEN_EVERYTHING)
    page.evaluate(ONE_WORD_OF_EACH_KIND)


def in_its_shape(page: Page) -> list[str]:
    """What axe finds, but for colours."""
    return _violations(page, NO_COLOURS)


def in_shape_and_colours(page: Page, seen: set[str]) -> list[str]:
    """What axe finds: its shape, and the colours of both schemes in one text of each kind that is not `seen`.

    Adds these kinds to `seen`.
    """
    mark(page, "light", seen)
    found = _violations(page, {})
    # axe needs a second for a page, so it is not asked for nothing.
    return found + (_violations(page, ONLY_COLOURS) if mark(page, "dark", seen) else [])


def mark(page: Page, scheme: str, seen: set[str]) -> bool:
    """Mark one text of each new kind in a scheme. Are there any?"""
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    kinds = page.evaluate(MARK_ONE_OF_A_KIND, list(seen))
    seen.update(kinds)
    return bool(kinds)


def _violations(page: Page, options: dict) -> list[str]:
    """The rule, the element, and what to do about it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(CONFIGURE)
    found = page.evaluate("(options) => axe.run(document, options)", OPTIONS | options)["violations"]
    return [
        f"{rule['id']} ({rule['help']}): {node['target']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]
