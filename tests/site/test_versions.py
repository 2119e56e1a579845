"""The page of weights by version in a browser: what is expected is read from the stored results, not from the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from helpers.semantics import stored

PAGE = "book/can_i_use_weights.html"
SHOWN = """rows => Object.fromEntries(rows.filter(row => row.checkVisibility()).map(row => [
    row.cells[0].textContent.trim(),
    [...row.querySelectorAll(".span")].filter(span => span.checkVisibility()).map(span => span.textContent)]))"""


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
