"""Tests of helpers.interactive: what is refused, what a page is given, and that it can be read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from contrast import contrast, in_the_dark

from helpers import interactive
from helpers.interactive import Axis, Frame, Slider

ROOT = Path(__file__).parents[1]
GRID = np.linspace(0, 10, 21)
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"input"}


def draw(slope: float, intercept: float = 1.0) -> Frame:
    return Frame(
        lines={"flat": (GRID, np.full(21, 1.0)), "line": (GRID, intercept + slope * GRID)},
        points={"line": (5, intercept + slope * 5)},
        verticals={"limit": slope + 1},
        readouts={"at 5": f"{intercept + slope * 5:.1f}", "slope": f"{slope:g}"},
    )


ARGUMENTS = {
    "title": "The line turns",
    "x": Axis("x (m)", 0, 10, (0, 5, 10)),
    "y": Axis("y (s)", 0, 20, (0, 10, 20)),
    "sliders": [Slider("slope", (0.5, 1, 1.5), start=1)],
    "draw": draw,
}


def make(name="a-line", **changes) -> interactive.Figure:
    return interactive.figure(name, **ARGUMENTS | changes)


def data(figure: interactive.Figure) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', figure.html, re.DOTALL)[1])


def svg(figure: interactive.Figure) -> ElementTree.Element:
    # The first svg of the legend comes before it, without a role.
    return ElementTree.fromstring(re.search(r"<svg xmlns=.*?</svg></svg>", figure.html, re.DOTALL)[0])


def to_data(outline: str, x: Axis, y: Axis) -> np.ndarray:
    """The x and y of a line's outline, in the units of the axes."""
    pixels = np.array(outline[1:].split(), dtype=float).reshape(-1, 2)
    shares = pixels / [interactive.PLOT_WIDTH, interactive.PLOT_HEIGHT]
    return np.column_stack([x.low + shares[:, 0] * (x.high - x.low), y.high - shares[:, 1] * (y.high - y.low)])


# What a page is given.


def test_every_frame_holds_the_values_that_draw_returned():
    sliders = [Slider("slope", (0.5, 1, 1.5), start=1), Slider("intercept", (1, 2), start=2)]
    stored = data(make(sliders=sliders))
    # The last slider counts fastest: that is the order in which the script looks a frame up.
    positions = [(slope, intercept) for slope in (0.5, 1, 1.5) for intercept in (1, 2)]
    assert len(stored["frames"]) == len(positions)
    for position, numbers in zip(positions, stored["frames"], strict=True):
        flat, line, limit, disc, *readouts = (stored["texts"][number] for number in numbers)
        frame = draw(*position)
        assert readouts == list(frame.readouts.values())
        for outline, (x, y) in zip((flat, line), frame.lines.values(), strict=True):
            points = to_data(outline, ARGUMENTS["x"], ARGUMENTS["y"])
            np.testing.assert_allclose(np.interp(x, *points.T), y, atol=0.02)
        assert limit == f"M{(position[0] + 1) * 35:g} 0V200"
        assert disc.startswith(f"M170 {200 - 10 * frame.points['line'][1]:g}a")


def test_a_curve_is_thinned_out_but_stays_within_a_quarter_of_a_unit():
    x = np.linspace(-4, 4, 801)
    y = np.exp(-(x**2))
    axes = {"x": Axis("x", -4, 4, (0,)), "y": Axis("y", 0, 1, (0,))}
    figure = make(draw=lambda slope: Frame({"bell": (x, y)}, {}), **axes)
    points = to_data(data(figure)["texts"][0], **axes)
    assert len(points) < 120
    assert np.abs(np.interp(x, *points.T) - y).max() * interactive.PLOT_HEIGHT < 0.25


def outline(x, y):
    axes = {"x": Axis("x", 0, 1, (0,)), "y": Axis("y", 0, 1, (0,))}
    figure = make(draw=lambda slope: Frame({"line": (x, y)}, {}), **axes)
    return to_data(data(figure)["texts"][0], **axes)


def test_a_line_may_have_as_many_corners_as_it_likes():
    x = np.linspace(0, 1, 5000)
    points = outline(x, np.arange(5000) % 2)
    assert len(points) > 3000
    assert set(np.round(points[:, 1])) == {0, 1}


@pytest.mark.parametrize("x", [(0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)], ids=["there and back", "and a bit further"])
def test_thinning_keeps_a_peak_that_stands_upright(x):
    assert outline(x, (0, 1, 0, 0.1)[: len(x)])[:, 1].max() == 1


def test_equal_steps_of_a_logarithmic_axis_are_equal_ratios():
    axis = Axis("rows", 1, 256, (1, 16, 256), log=True)
    np.testing.assert_allclose(axis._share(axis.ticks), [0, 0.5, 1])


def test_what_repeats_is_stored_once():
    stored = data(make())
    assert len(set(stored["texts"])) == len(stored["texts"])
    assert len({frame[0] for frame in stored["frames"]}) == 1  # the flat line


def test_the_first_frame_is_drawn_without_a_script():
    figure = make()
    stored = data(figure)
    first = [stored["texts"][number] for number in stored["frames"][1]]
    drawn = [path.get("d") for path in svg(figure).iter(f"{SVG}path") if path.get("data-slot") is not None]
    assert drawn == first[:4]
    assert re.findall(r'<dd data-slot="">(.*?)</dd>', figure.html) == first[4:]
    assert 'value="1" aria-valuetext="1"' in figure.html
    assert "needs JavaScript" in figure.html
    assert re.search("<input[^>]* disabled>", figure.html)  # until the script has come


def test_values_are_written_in_the_format_with_its_unit():
    figure = make(sliders=[Slider("slope", (0.5, 1), start=0.5, format="{:.1f} m/s")])
    assert data(figure)["values"] == [["0.5 m/s", "1.0 m/s"]]
    assert 'aria-valuetext="0.5 m/s"' in figure.html


def test_as_text_it_tells_the_first_values():
    assert repr(make()) == "The line turns\n  slope: 1\n  at 5: 6.0\n  slope: 1"


def test_the_same_call_gives_the_same_output():
    # nbval compares it letter by letter.
    assert make()._repr_html_() == make()._repr_html_()


def test_another_name_changes_only_the_name():
    assert make("another").html == make().html.replace("interactive-a-line", "interactive-another")
    assert re.findall(r'\bid="(.*?)"', make().html) == ["interactive-a-line"]


def test_the_svg_is_well_formed_and_named():
    picture = svg(make())
    assert picture.get("role") == "img"
    assert [child.tag for child in picture[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert picture[0].text == "The line turns"
    assert "x (m), from 0 to 10" in picture[1].text
    assert {"x (m)", "y (s)", "0", "5", "10", "20"} <= {text.text for text in picture.iter(f"{SVG}text")}


class Tags(HTMLParser):
    """Collects all text, and sees to it that every element is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        self.open += [tag] * (tag not in VOID)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


def test_signs_of_html_in_labels_stay_text():
    nasty = '<b a="1">&amp;\'</script>'
    figure = make(
        title=nasty,
        x=Axis(nasty, 0, 10, (0,)),
        y=Axis(nasty, 0, 20, (0,)),
        sliders=[Slider(nasty, (1, 2), start=1, format=nasty + "{:g}")],
        draw=lambda slope: Frame({nasty: (GRID, GRID)}, {nasty: nasty + str(slope)}, verticals={nasty + "2": slope}),
    )
    svg(figure)
    page = Tags()
    page.feed(figure.html)
    assert page.open == []
    text = "\n".join(page.texts)
    # The title twice, both axes and their description, the slider, two names in the legend and in the description.
    assert text.count(nasty) == 14
    assert data(figure)["values"] == [[nasty + "1", nasty + "2"]]
    assert data(figure)["texts"][-1] == nasty + "2"


def test_it_is_small_and_asks_nobody_for_anything():
    html = make().html
    assert len(html) < 8000
    assert re.findall(r"(?:src|href|url\(|import|fetch)", html) == []
    assert re.findall(r"https?://\S+?(?=\")", html) == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_all_css_is_for_the_figure_alone():
    css = re.search("<style>(.*?)</style>", make().html, re.DOTALL)[1]
    selectors = [part for rule in re.findall(r"([^{}]+){", css) for part in rule.split(",")]
    assert len(selectors) > 10
    assert [s for s in selectors if "figure.interactive" not in s and s.strip() != "@media print"] == []


# It can be read.


# White; the theme's dark page; JupyterLab's dark page.
@pytest.mark.parametrize("ground", ["#ffffff", "#121212", "#111111"])
@pytest.mark.parametrize("colour", [style[0] for style in interactive.STYLES])
def test_every_line_stands_out_from_light_and_dark(colour, ground):
    assert contrast(colour, ground) >= 3


@pytest.mark.parametrize("colour", [style[0] for style in interactive.STYLES])
def test_the_dark_scheme_turns_lines_as_it_turns_other_figures(colour):
    turned = "{ filter: invert(0.93) hue-rotate(180deg); }"
    assert f"html[data-theme=dark] .bd-content figure.interactive [stroke] {turned}" in make().html
    assert contrast(in_the_dark(colour), "#121212") >= 3


def test_lines_differ_without_colour():
    assert len({dashes for _, dashes, _ in interactive.STYLES}) == len(interactive.STYLES)
    lines = {str(i): (GRID, GRID) for i in range(4)}
    html = make(draw=lambda slope: Frame(lines, {})).html
    for _, dashes, _ in interactive.STYLES:
        assert html.count(f'stroke-dasharray="{dashes}"') == 2  # in the plot and in the legend


# What is refused.


ONE = {"line": ([0, 1], [0, 1])}
NOT_FINITE = "holds a value that is NaN or infinite"
BAD_AXES = [
    ({"low": 10}, "'x (m)' must run upwards, got 10 to 10"),
    ({"high": np.nan}, "'x (m)' must run upwards, got 0 to nan"),
    ({"log": True}, "'x (m)' is logarithmic and must begin above 0, got 0"),
    ({"ticks": (0, 11)}, "'x (m)' has a tick at 11, outside 0 to 10"),
]
BAD_FRAMES = [
    ({"lines": {}}, "1 to 4 lines, got 0"),
    ({"lines": {str(i): ONE["line"] for i in range(5)}}, "1 to 4 lines, got 5"),
    ({"lines": {"line": ([0, 1, 2], [0, 1])}}, "needs as many x as y, two or more, got shapes (3,) and (2,)"),
    ({"lines": {"line": ([0], [0])}}, "two or more, got shapes (1,) and (1,)"),
    ({"lines": {"line": ([[0, 1]], [[0, 1]])}}, "two or more, got shapes (1, 2) and (1, 2)"),
    ({"lines": {"line": ([1, 0], [0, 1])}}, "the x of the line 'line' must not fall"),
    ({"lines": {"line": ([0, 1], [0, np.nan])}}, f"'line' {NOT_FINITE}"),
    ({"lines": ONE, "verticals": {"limit": np.inf}}, f"'limit' {NOT_FINITE}"),
    ({"lines": ONE, "points": {"line": (np.nan, 0)}}, f"'line' {NOT_FINITE}"),
    ({"lines": ONE, "points": {"lime": (0, 0)}}, "got ['lime'] with the lines ['line']"),
]
REFUSED = [
    *((partial(make, name), "a name has small letters") for name in ("", "A", "1st", "a b", "a_b", 'a"', "-a", "a\n")),
    (partial(make, sliders=[]), "at least one slider"),
    (partial(Slider, "slope", [], start=3), "'slope' has no values"),
    (partial(Slider, "slope", [1, 2], start=3), "'slope' cannot start at 3: its values are 1, 2."),
    *((partial(replace, ARGUMENTS["x"], **changes), words) for changes, words in BAD_AXES),
    *((partial(Frame, **{"readouts": {}} | parts), words) for parts, words in BAD_FRAMES),
]


@pytest.mark.parametrize(("attempt", "words"), REFUSED)
def test_what_cannot_be_drawn_is_refused(attempt, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        attempt()


@pytest.mark.parametrize("part", ["lines", "points", "verticals", "readouts"])
def test_frames_with_different_names_are_refused(part):
    def uneven(slope):
        frame = draw(slope)
        fewer = dict(list(getattr(frame, part).items())[:-1]) if slope == 1.5 else getattr(frame, part)
        return replace(frame, **{"points": {}} if part == "lines" else {}, **{part: fewer})

    with pytest.raises(ValueError, match=re.escape("the same names, got") + r".* at \(1.5,\)"):
        make(draw=uneven)
