"""The cards of "Predict first" in a browser: what is expected is read from the chapter, not from the page."""

from __future__ import annotations

from ast import literal_eval
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]
PAGE = "book/mnist_9_vs_4.html"
NUMBER, CHOICE = "#predict-nine-first", "#predict-m4-verdict"


def glued(key: str) -> str:
    """What the chapter pasted under a key."""
    notebook = nbformat.read((ROOT / PAGE).with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return next(
        literal_eval("".join(output.data.values()))
        for output in outputs
        if output.get("metadata", {}).get("scrapbook", {}).get("name") == key
    )


def guess(page: Page, text: str) -> None:
    """Type a guess into the card with a field, and press Enter."""
    field = page.locator(f"{NUMBER} input")
    field.fill(text)
    field.press("Enter")


def test_a_typed_guess_is_compared_with_the_computed_number(open_page):
    page = open_page(PAGE)
    card, found = page.locator(NUMBER), glued("nine_first")
    expect(card.locator("data")).to_be_hidden()
    guess(page, str(int(found.split()[0]) + 2))
    expect(card.locator("data")).to_be_visible()
    expect(card.locator("data")).to_have_text(found)
    expect(card.get_by_role("status")).to_contain_text("Too high by 2.")
    guess(page, "0,5")
    expect(card.get_by_role("status")).to_contain_text("Your guess: 0.5. Too low by")
    guess(page, found.split()[0])
    expect(card.get_by_role("status")).to_contain_text("Right.")
    assert page.record.errors == page.record.console == page.record.foreign == []


def test_what_is_no_number_shows_nothing(open_page):
    page = open_page(PAGE)
    guess(page, "many")
    expect(page.locator(NUMBER).get_by_role("status")).to_contain_text("A number, please")
    expect(page.locator(f"{NUMBER} data")).to_be_hidden()


def test_a_choice_is_made_from_the_keyboard(open_page):
    page = open_page(PAGE)
    card, right = page.locator(CHOICE), glued("M4_verdict").split(":")[0]
    status = card.get_by_role("status")
    card.get_by_role("button", name="holds", exact=True).press("Enter")
    expect(status).to_have_text("Not so.")
    card.get_by_role("button", name=right, exact=True).press("Space")
    expect(status).to_have_text("Right.")
    assert card.locator("[aria-pressed=true]").all_text_contents() == [right]
    expect(card.locator("data")).to_have_text(glued("M4_verdict"))


def test_a_screen_reader_hears_the_question(open_page):
    page = open_page(PAGE)
    question = page.locator(f"{NUMBER} .predict-question").inner_text()
    expect(page.get_by_role("form", name=question)).to_have_count(1)
    field = page.get_by_role("form", name=question).get_by_role("textbox")
    expect(field).to_have_accessible_name("Your guess")
    expect(field).to_have_accessible_description(question)


def test_a_guess_is_kept_for_the_next_visit(open_page):
    page = open_page(PAGE)
    guess(page, "700")
    page.locator(CHOICE).get_by_role("button", name="holds", exact=True).click()
    page.reload()
    expect(page.locator(f"{NUMBER} input")).to_have_value("700")
    expect(page.locator(NUMBER).get_by_role("status")).to_contain_text("Your guess: 700.")
    expect(page.locator(f"{CHOICE} [aria-pressed=true]")).to_have_text("holds")
    expect(page.locator("#predict-nine-second data")).to_be_hidden()


def test_without_storage_a_guess_lasts_as_long_as_the_page(open_page, site):
    page = open_page()
    page.add_init_script("""Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("blocked", "SecurityError"); } });""")
    page.goto(f"{site.as_uri()}/{PAGE}")
    guess(page, "700")
    expect(page.locator(NUMBER).get_by_role("status")).to_contain_text("Your guess: 700.")
    page.locator(CHOICE).get_by_role("button", name="holds", exact=True).click()  # the last card works, too
    expect(page.locator(CHOICE).get_by_role("status")).to_have_text("Not so.")


def test_without_scripts_a_card_is_a_fold(open_page):
    page = open_page(PAGE, java_script_enabled=False)
    assert page.locator(".predict form").count() == 0
    expect(page.locator(f"{CHOICE} .predict-choices li").first).to_be_visible()
    expect(page.locator(f"{NUMBER} data")).to_be_hidden()
    page.locator(f"{NUMBER} summary").click()
    expect(page.locator(f"{NUMBER} data")).to_be_visible()


@pytest.mark.parametrize("what", ["data", ".predict-choices"])
def test_a_card_is_printed_as_question_and_answer(open_page, what):
    page = open_page(PAGE)
    page.emulate_media(media="print")
    expect(page.locator(f"{CHOICE} {what}")).to_be_visible()
    assert page.locator(".predict :is(form, summary):visible").count() == 0


def test_on_a_phone_a_finger_finds_what_is_to_be_pressed(open_page):
    page = open_page(PAGE, width=420)
    heights = page.locator(".predict :is(input, button, summary)").evaluate_all(
        "all => all.map(element => element.getBoundingClientRect().height)"
    )
    assert heights and min(heights) >= 44
