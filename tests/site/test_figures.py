"""The figures with sliders, in a browser: they move, fit, can be read, printed and used without a script.

What they say is in the notebooks' outputs, which every test computes again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

BOOK = Path(__file__).parents[2] / "book"
# Chapter -> name, labels of the sliders, first readout at the start.
FIGURES = {
    "cluster_bias": ("weight-and-threshold", ["weight of class 1"], ("threshold", "0.80")),
    "denominators": ("batch-size-and-prior", ["batch size", "share of positives"], ("p with mean", "0.500")),
    "regression_emphasis": ("rate-and-lines", ["k, per unit of x"], ("right-heavy line", "a = 0.493, b = -0.188")),
}
each_figure = pytest.mark.parametrize("chapter", FIGURES)


class Shown:
    """A figure on a page, with what a reader can do with it and see of it."""

    def __init__(self, page: Page, chapter: str):
        self.page = page
        self.figure = page.locator(f"#interactive-{FIGURES[chapter][0]}").last

    def move(self, label: str, position: int) -> None:
        """Move a slider to a position, counted from 0, or from the end with a negative number; by keyboard alone."""
        slider = self.figure.get_by_label(label)
        slider.focus()
        self.page.keyboard.press("Home" if position >= 0 else "End")
        for _ in range(position if position >= 0 else -position - 1):
            self.page.keyboard.press("ArrowRight" if position >= 0 else "ArrowLeft")

    def readouts(self) -> dict[str, str]:
        rows = self.figure.locator("dl > div")
        return {row.locator("dt").inner_text(): row.locator("dd").inner_text() for row in rows.all()}

    def outlines(self) -> list[str]:
        paths = self.figure.locator("path[data-slot]")
        return paths.evaluate_all("paths => paths.map(path => path.getAttribute('d'))")


# What every figure does.


@each_figure
def test_a_step_of_the_slider_moves_what_depends_on_it_and_nothing_else(open_page, chapter):
    _, labels, first = FIGURES[chapter]
    shown = Shown(open_page(f"book/{chapter}.html"), chapter)
    assert next(iter(shown.readouts().items())) == first
    for label in labels:
        # The first line is what the others are compared with: it stays.
        still, *before = shown.outlines()
        shown.figure.get_by_label(label).focus()
        shown.page.keyboard.press("ArrowRight")
        assert shown.outlines()[0] == still
        assert shown.outlines()[1:] != before
    for _ in labels:
        shown.page.keyboard.press("ArrowLeft")
        shown.page.keyboard.press("Shift+Tab")
    assert next(iter(shown.readouts().items())) == first
    assert shown.page.record.errors == []


@each_figure
def test_it_has_a_number_in_order_a_caption_below_and_a_reference(open_page, chapter):
    page = open_page(f"book/{chapter}.html")
    sliders = page.locator(f"#interactive-{FIGURES[chapter][0]}")
    numbered = page.locator("figure", has=sliders)
    caption = numbered.locator("> figcaption")
    number = caption.locator(".caption-number").inner_text().strip()
    numbers = [text.strip() for text in page.locator("figcaption .caption-number").all_inner_texts()]
    kind = number.rpartition(".")[0]
    assert number in numbers
    assert numbers == [f"{kind}.{n}" for n in range(1, len(numbers) + 1)]
    expect(page.locator(f"a.reference[href='#{numbered.get_attribute('id')}']")).to_have_text(number)
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 800})
        box, below = sliders.bounding_box(), caption.bounding_box()
        assert below["y"] >= box["y"] + box["height"]
        # As wide as the figure, where that is narrower than the page.
        assert (below["x"], below["width"]) == pytest.approx((box["x"], box["width"]), abs=1)


@each_figure
def test_without_javascript_the_first_state_stands_there_and_a_note(open_page, chapter):
    _, labels, first = FIGURES[chapter]
    page = open_page(f"book/{chapter}.html", java_script_enabled=False)
    figure = page.locator(f"#interactive-{FIGURES[chapter][0]}")
    expect(figure.get_by_text("The slider needs JavaScript.")).to_be_visible()
    for label in labels:
        expect(figure.get_by_label(label)).to_be_disabled()
    expect(figure.locator("dt").first).to_have_text(first[0])
    expect(figure.locator("dd").first).to_have_text(first[1])
    for path in figure.locator("path[data-slot]").all():
        assert path.get_attribute("d").startswith("M")


@each_figure
def test_with_javascript_there_is_no_note(open_page, chapter):
    page = open_page(f"book/{chapter}.html")
    expect(page.get_by_text("needs JavaScript")).to_have_count(0)
    for label in FIGURES[chapter][1]:
        expect(page.get_by_label(label)).to_be_enabled()


CONTRASTS = """figure => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = text => channels(text).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let around = figure;
  while (channels(getComputedStyle(around).backgroundColor)[3] === 0) around = around.parentElement;
  const ground = luminance(getComputedStyle(around).backgroundColor);
  const contrast = text => {
    const [dark, light] = [luminance(text), ground].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const all = selector => [...figure.querySelectorAll(selector)].map(element => getComputedStyle(element));
  return {
    ground,
    texts: [...all("text").map(s => s.fill), ...all("figcaption, li, label, span, dt, dd").map(s => s.color)]
      .map(contrast),
    lines: all("path[data-slot], path.axis").map(s => contrast(s.stroke)),
  };
}"""


@each_figure
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_lines_stand_out_in_both_schemes(open_page, chapter, scheme):
    page = open_page(f"book/{chapter}.html", color_scheme=scheme)
    found = page.locator(f"#interactive-{FIGURES[chapter][0]}").evaluate(CONTRASTS)
    assert (found["ground"] < 0.02) == (scheme == "dark")
    assert min(found["texts"]) >= 4.5
    assert min(found["lines"]) >= 3


@each_figure
def test_on_a_phone_it_fits_and_its_text_is_not_small(open_page, chapter):
    page = open_page(f"book/{chapter}.html", width=420)
    figure = page.locator(f"#interactive-{FIGURES[chapter][0]}")
    box = figure.bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 420
    assert figure.evaluate("figure => figure.scrollWidth <= figure.clientWidth")
    heights = figure.locator("svg text").evaluate_all(
        "texts => texts.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert min(heights) >= 11


@each_figure
def test_on_paper_the_current_state_is_black_on_white_without_the_slider(open_page, chapter):
    label = FIGURES[chapter][1][0]
    page = open_page(f"book/{chapter}.html", color_scheme="dark")
    shown = Shown(page, chapter)
    shown.move(label, -1)
    last = shown.readouts()
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(shown.figure.get_by_role("slider")).to_have_count(0)
    assert shown.readouts() == last
    found = shown.figure.evaluate(CONTRASTS)
    assert (found["ground"], min(found["texts"])) == (1, 21)


# JupyterLab puts an output into the page, then runs copies of its scripts; "Create New View" shows it twice.
SHOW = """html => {
  const host = document.createElement("div");
  host.innerHTML = html;
  for (const script of host.querySelectorAll("script")) {
    const copy = document.createElement("script");
    for (const {name, value} of script.attributes) copy.setAttribute(name, value);
    copy.textContent = script.textContent;
    script.replaceWith(copy);
  }
  document.body.append(host);
}"""


@each_figure
def test_two_copies_in_jupyterlab_do_not_disturb_each_other(page, chapter):
    name, labels, _ = FIGURES[chapter]
    notebook = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    html = ["".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    html = next(text for text in html if f'id="interactive-{name}"' in text)
    page.evaluate(SHOW, html)
    first = page.locator(f"#interactive-{name}").first.locator("dl")
    start = first.inner_text()
    page.evaluate(SHOW, html)
    second = Shown(page, chapter)
    second.move(labels[-1], 0)
    assert second.figure.locator("dl").inner_text() != start
    assert first.inner_text() == start
    page.locator(f"#interactive-{name}").first.get_by_label(labels[-1]).press("Home")
    assert first.inner_text() == second.figure.locator("dl").inner_text()
    assert page.record.errors == []
