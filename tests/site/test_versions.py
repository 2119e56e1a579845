"""The page of weights by version in a browser: what is expected is read from the stored results, not from the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from helpers.semantics import stored

PAGE = "book/can_i_use_weights.html"
SHOWN = """rows => Object.fromEntries(rows.filter(row => row.checkVisibility()).map(row => [
    row.cells[0].textContent.trim(),
    [...row.querySelectorAll(".span")].filter(span => span.checkVisibility()).map(span => span.textContent)]))"""

# The words of a table, such as "val_loss", whose letters do not all stand on one line.
BROKEN = r"""table => {
  const broken = [], range = document.createRange();
  const texts = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    for (const { index, 0: word } of texts.currentNode.data.matchAll(/\w+/g)) {
      range.setStart(texts.currentNode, index);
      range.setEnd(texts.currentNode, index + word.length);
      if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word);
    }
  return broken;
}"""


def expected(version: str) -> dict[str, list[str]]:
    """Question -> the answers of one version, PyTorch first."""
    found: dict[str, list[str]] = {}
    for backend in ("torch", "tensorflow", "jax"):
        for asked, spans in stored.spans(stored.load()[backend]).items():
            section, *rest = asked.split(" | ")
            words = f"{section.replace('_', ' ')}: {', '.join(rest)}"
            for first, last, observed, _ in spans:
                if stored.order(first) <= stored.order(version) <= stored.order(last):
                    versions = first if first == last else f"{first} to {last}"
                    found.setdefault(words, []).append(f"{versions}: {observed}")
    return found


@pytest.mark.parametrize("version", ["3.0.5", "3.6.0"])
def test_a_chosen_version_shows_its_own_answers(open_page, version):
    page = open_page(PAGE)
    page.select_option("[name=version]", version)
    shown = page.eval_on_selector_all("table.version-questions tbody tr", SHOWN)
    assert shown == expected(version)
    assert "silently other" in " ".join(shown["inputs: PyDataset, class_weight"]) or version != "3.6.0"


def test_the_address_may_choose_and_reset_shows_all(open_page):
    page = open_page(PAGE + "?version=3.6.0")
    expect(page.locator("[name=version]")).to_have_value("3.6.0")
    page.click("button[type=reset]")
    expect(page.locator("[name=version]")).to_have_value("")
    total = page.locator("table.version-questions tbody tr").count()
    expect(page.locator("[role=status]")).to_have_text(f"{total} of {total} questions")


def test_what_changed_can_be_seen_alone(open_page):
    page = open_page(PAGE)
    page.check("[name=changed]")
    changed = {
        asked for runs in stored.load().values() for asked, spans in stored.spans(runs).items() if len(spans) > 1
    }
    expect(page.locator("table.version-questions tbody tr:visible")).to_have_count(len(changed))


def test_on_a_phone_the_names_in_the_claims_stay_whole(open_page):
    claims = open_page(PAGE, width=420).locator("table.version-claims")
    assert "val_loss" in claims.text_content()
    assert claims.evaluate(BROKEN) == []
    claims.evaluate("table => { table.style.cssText = 'table-layout: fixed; overflow-wrap: anywhere; width: 120px'; }")
    claims.page.add_style_tag(content="table.version-claims * { overflow-wrap: anywhere !important; }")
    assert "val_loss" in claims.evaluate(BROKEN)
