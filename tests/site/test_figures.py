"""The figures with sliders, in a browser: they move, fit, can be read, printed and used without a script.

What they say is in the notebooks' outputs, which every test computes again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page, expect

BOOK = Path(__file__).parents[2] / "book"


@dataclass(frozen=True)
class Sliders:
    """A figure with sliders, as the output of its cell holds it."""

    chapter: str
    html: str

    @cached_property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.html, "html.parser").figure

    @property
    def id(self) -> str:
        return self.soup["id"]

    @property
    def labels(self) -> list[str]:
        return [label.text.strip() for label in self.soup.select("label")]

    @property
    def start(self) -> list[int]:
        """The position of each slider at first, from 0."""
        return [int(slider["value"]) for slider in self.soup.select("input")]

    def step(self, number: int) -> tuple[str, list[int]]:
        """The key that moves a slider by one, and the positions of all sliders after it."""
        ends = [int(slider["max"]) for slider in self.soup.select("input")]
        by = 1 if self.start[number] < ends[number] else -1
        return {1: "ArrowRight", -1: "ArrowLeft"}[by], [p + by * (i == number) for i, p in enumerate(self.start)]

    def texts(self, positions: list[int]) -> list[str]:
        """All that depends on the sliders, in the order of the page: the outlines, then the readouts."""
        data = json.loads(self.soup.select_one("script[type='application/json']").text)
        sizes = [len(values) for values in data["values"]]
        frame = sum(position * prod(sizes[i + 1 :]) for i, position in enumerate(positions))
        return [data["texts"][number] for number in data["frames"][frame]]


def _figures() -> list[Sliders]:
    """Every figure with sliders in the book: a new one needs no line here."""
    outputs = [
        (path.stem, output)
        for path in sorted(BOOK.glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    htmls = [(chapter, output.get("data", {}).get("text/html", "")) for chapter, output in outputs]
    return [Sliders(chapter, html) for chapter, html in htmls if html.startswith('<figure class="interactive"')]


FIGURES = _figures()
each_figure = pytest.mark.parametrize("sliders", FIGURES, ids=lambda sliders: sliders.id)


class Shown:
    """A figure on a page, with what a reader can do with it and see of it."""

    def __init__(self, page: Page, sliders: Sliders):
        self.page = page
        self.figure = page.locator(f"#{sliders.id}").last

    def press(self, label: str, key: str) -> None:
        self.figure.get_by_label(label, exact=True).press(key)

    def texts(self) -> list[str]:
        paths = self.figure.locator("path[data-slot]")
        return paths.evaluate_all("paths => paths.map(path => path.getAttribute('d'))") + self.readouts()

    def readouts(self) -> list[str]:
        return self.figure.locator("dd").all_text_contents()


def test_the_book_has_figures_with_sliders():
    assert FIGURES


# What every figure does.


@each_figure
def test_a_step_of_a_slider_shows_the_frame_that_was_drawn_for_it_and_a_step_back_the_first(open_page, sliders):
    shown = Shown(open_page(f"book/{sliders.chapter}.html"), sliders)
    first = sliders.texts(sliders.start)
    assert shown.texts() == first
    expect(shown.figure.get_by_text("needs JavaScript")).to_have_count(0)
    for number, label in enumerate(sliders.labels):
        expect(shown.figure.get_by_label(label, exact=True)).to_be_enabled()
        key, positions = sliders.step(number)
        shown.press(label, key)
        assert shown.texts() == sliders.texts(positions) != first
        shown.press(label, {"ArrowRight": "ArrowLeft", "ArrowLeft": "ArrowRight"}[key])
        assert shown.texts() == first
    assert shown.page.record.errors == []


@each_figure
def test_it_has_a_number_in_order_a_caption_below_and_a_reference(open_page, sliders):
    page = open_page(f"book/{sliders.chapter}.html")
    figure = page.locator(f"#{sliders.id}")
    numbered = page.locator("figure", has=figure)
    caption = numbered.locator("> figcaption")
    number = caption.locator(".caption-number").inner_text().strip()
    numbers = [text.strip() for text in page.locator("figcaption .caption-number").all_inner_texts()]
    assert number in numbers
    # "Figure 2.1", or "Figure 7" in a part of the book without numbers.
    kinds, counts = zip(*(re.fullmatch(r"(.*?)(\d+)", text).groups() for text in numbers), strict=True)
    first = int(counts[0]) if "." not in kinds[0] else 1
    assert len(set(kinds)) == 1 and list(map(int, counts)) == list(range(first, first + len(counts)))
    expect(page.locator(f"a.reference[href='#{numbered.get_attribute('id')}']").first).to_have_text(number)
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 800})
        box, below = figure.bounding_box(), caption.bounding_box()
        assert below["y"] >= box["y"] + box["height"]
        # As wide as the figure, where that is narrower than the page.
        assert (below["x"], below["width"]) == pytest.approx((box["x"], box["width"]), abs=1)


@each_figure
def test_without_javascript_the_first_state_stands_there_and_a_note(open_page, sliders):
    shown = Shown(open_page(f"book/{sliders.chapter}.html", java_script_enabled=False), sliders)
    expect(shown.figure.get_by_text("The slider needs JavaScript.")).to_be_visible()
    for label in sliders.labels:
        expect(shown.figure.get_by_label(label, exact=True)).to_be_disabled()
    assert shown.texts() == sliders.texts(sliders.start)


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
def test_texts_and_lines_stand_out_in_both_schemes(open_page, sliders, scheme):
    page = open_page(f"book/{sliders.chapter}.html", color_scheme=scheme)
    found = page.locator(f"#{sliders.id}").evaluate(CONTRASTS)
    assert (found["ground"] < 0.02) == (scheme == "dark")
    assert min(found["texts"]) >= 4.5
    assert min(found["lines"]) >= 3


@each_figure
def test_on_a_phone_it_fits_and_its_text_is_not_small(open_page, sliders):
    page = open_page(f"book/{sliders.chapter}.html", width=420)
    figure = page.locator(f"#{sliders.id}")
    box = figure.bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 420
    assert figure.evaluate("figure => figure.scrollWidth <= figure.clientWidth")
    heights = figure.locator("svg text").evaluate_all(
        "texts => texts.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert min(heights) >= 11


@each_figure
def test_on_paper_the_current_state_is_black_on_white_without_the_slider(open_page, sliders):
    page = open_page(f"book/{sliders.chapter}.html", color_scheme="dark")
    shown = Shown(page, sliders)
    shown.press(sliders.labels[0], sliders.step(0)[0])
    last = shown.texts()
    assert last != sliders.texts(sliders.start)
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(shown.figure.get_by_role("slider")).to_have_count(0)
    assert shown.texts() == last
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
def test_two_copies_in_jupyterlab_do_not_disturb_each_other(page, sliders):
    start = sliders.texts(sliders.start)
    key, positions = sliders.step(len(sliders.labels) - 1)
    page.evaluate(SHOW, sliders.html)
    page.evaluate(SHOW, sliders.html)
    first, second = Shown(page, sliders), Shown(page, sliders)
    first.figure = page.locator(f"#{sliders.id}").first
    for moved in (second, first):
        assert first.texts() == start
        moved.press(sliders.labels[-1], key)
        assert moved.texts() == sliders.texts(positions)
    assert page.record.errors == []
