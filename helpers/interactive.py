"""Figures with sliders, for a page without a server: HTML, SVG and a short script, all in one output of a cell.

Python draws the figure at every position of its sliders, and the script only picks one of these frames. So a formula
is written once, in the cell that the reader sees, and the first frame stands there before any script runs.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from helpers._slider_page import CSS, SCRIPT

__all__ = ["Axis", "Figure", "Frame", "Slider", "figure"]

# Colour, dashes and width of the first line, the second, ... The colours (Okabe and Ito, "Color Universal Design",
# 2008, and a grey) have a contrast of 3 and more on a white page and on a black one.
STYLES = (("#808080", "2 3", 2.5), ("#d55e00", "none", 3), ("#0072b2", "9 4", 3), ("#009e73", "9 3 2 3", 3))
# In the units of the SVG. On a phone one unit is a little less than a pixel, so text of 13 is at least 11 pixels high.
WIDTH, HEIGHT = 400, 268
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 24, 44
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True)
class Axis:
    """One axis of a figure.

    Attributes:
        label: what it shows, with the unit.
        low: where it begins.
        high: where it ends.
        ticks: the values that are written at it.
        log: whether equal steps are equal ratios.

    Raises:
        ValueError: low is not below high, a tick lies outside of them, or a logarithmic axis begins at 0 or below.
    """

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(f"the axis {self.label!r} must run upwards, got {self.low} to {self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f"the axis {self.label!r} is logarithmic and must begin above 0, got {self.low}.")
        for tick in self.ticks:
            if not self.low <= tick <= self.high:
                raise ValueError(f"the axis {self.label!r} has a tick at {tick}, outside {self.low} to {self.high}.")

    def _share(self, values: ArrayLike) -> np.ndarray:
        """How far along the axis each value lies: 0 at low, 1 at high."""
        scale = np.log if self.log else np.asarray
        low, high = scale(float(self.low)), scale(float(self.high))
        return (scale(values) - low) / (high - low)


@dataclass(frozen=True)
class Slider:
    """One slider of a figure.

    Attributes:
        label: what it changes.
        values: its positions, from left to right.
        start: the value that is shown first.
        format: how a value is written, with its unit, as in "{:g} rows".

    Raises:
        ValueError: no values, or a start that is not one of them.
    """

    label: str
    values: Sequence[float]
    start: float
    format: str = "{:g}"

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError(f"the slider {self.label!r} has no values.")
        if self.start not in self.values:
            values = ", ".join(self._texts())
            raise ValueError(f"the slider {self.label!r} cannot start at {self.start}: its values are {values}.")

    def _texts(self) -> list[str]:
        return [self.format.format(value) for value in self.values]


@dataclass(frozen=True)
class Frame:
    """What a figure shows at one position of its sliders. Whatever lies outside the axes is cut off.

    Attributes:
        lines: name -> x and y, each of shape (n,), n at least 2. At most four; the first one is grey and dotted, for
            what the others are compared with.
        readouts: name -> text, for the values below the plot.
        points: name of a line -> x and y of a point on it.
        verticals: name -> x of a vertical line.

    Raises:
        ValueError: no lines or too many, x and y of unequal lengths, x that fall, numbers that are not finite, or a
            point without its line.
    """

    lines: Mapping[str, tuple[ArrayLike, ArrayLike]]
    readouts: Mapping[str, str]
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    verticals: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= len(STYLES):
            raise ValueError(f"a frame has 1 to {len(STYLES)} lines, got {len(self.lines)}.")
        for name, (x, y) in self.lines.items():
            if np.ndim(x) != 1 or np.shape(x) != np.shape(y) or len(x) < 2:
                raise ValueError(
                    f"the line {name!r} needs as many x as y, two or more, got shapes {np.shape(x)} and {np.shape(y)}."
                )
            if (np.diff(x) < 0).any():
                raise ValueError(f"the x of the line {name!r} must not fall.")
        if unknown := [name for name in self.points if name not in self.lines]:
            raise ValueError(f"a point has the name of its line, got {unknown} with the lines {list(self.lines)}.")
        for name, values in (*self.lines.items(), *self.points.items(), *self.verticals.items()):
            if not np.isfinite(np.asarray(values, dtype=float)).all():
                raise ValueError(f"{name!r} holds a value that is NaN or infinite.")

    def _names(self) -> list[list[str]]:
        return [list(part) for part in (self.lines, self.points, self.verticals, self.readouts)]


@dataclass(frozen=True, repr=False)
class Figure:
    """A figure with sliders. Jupyter shows its HTML, and the first frame's values where it can only show text.

    Attributes:
        html: the figure, with all that it needs.
        text: its title, and the values of the first frame.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def figure(name: str, *, title: str, x: Axis, y: Axis, sliders: Sequence[Slider], draw: Callable[..., Frame]) -> Figure:
    """Draw a figure at every position of its sliders.

    Args:
        name: its name on the page, in small letters, digits and hyphens.
        title: what to see.
        x: the axis that runs across.
        y: the axis that runs up.
        sliders: one or more. The figure holds a frame for every combination of their values.
        draw: called with one value per slider. Its frames must all have the same names.

    Raises:
        ValueError: a name that cannot be an id, no slider, or frames with different names.
    """
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        raise ValueError(f"a name has small letters, digits and hyphens, and begins with a letter, got {name!r}.")
    if not sliders:
        raise ValueError("a figure needs at least one slider.")
    positions = list(itertools.product(*(slider.values for slider in sliders)))
    frames = [draw(*position) for position in positions]
    start = positions.index(tuple(slider.start for slider in sliders))
    first = frames[start]
    for position, frame in zip(positions, frames, strict=True):
        if frame._names() != first._names():
            raise ValueError(
                f"all frames need the same names, got {frame._names()} at {position}, {first._names()} at the start."
            )

    slots = [_slots(frame, x, y) for frame in frames]
    # Each text once: a line that stays the same in many frames is stored for all of them.
    texts = {text: number for number, text in enumerate(dict.fromkeys(itertools.chain(*slots)))}
    data = {
        "values": [slider._texts() for slider in sliders],
        "texts": list(texts),
        "frames": [[texts[text] for text in frame] for frame in slots],
    }
    # No "<" inside the script, where it could end it.
    data_json = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    html = f"""<figure class="interactive" id="interactive-{name}">
<style>{CSS}</style>
<figcaption>{escape(title)}</figcaption>
{_legend(first)}
{_svg(first, title, x, y)}
{"".join(map(_control, sliders))}
<p class="note">The slider needs JavaScript. Without it, the figure stays as it is.</p>
<dl aria-live="polite">{"".join(_readout(*item) for item in first.readouts.items())}</dl>
<script type="application/json">{data_json}</script>
<script>{SCRIPT.replace("NAME", name)}</script>
</figure>"""
    shown = [f"{slider.label}: {slider.format.format(slider.start)}" for slider in sliders]
    shown += [f"{label}: {text}" for label, text in first.readouts.items()]
    return Figure(html, "\n  ".join([title, *shown]))


def _slots(frame: Frame, x: Axis, y: Axis) -> list[str]:
    """All that changes from frame to frame: the outlines in the SVG, then the readouts, in the page's order."""
    lines = [_line(_pixels(x, y, *values)) for values in frame.lines.values()]
    verticals = [_vertical(_pixels(x, y, value, y.low)) for value in frame.verticals.values()]
    points = [_disc(_pixels(x, y, *values)) for values in frame.points.values()]
    return [*lines, *verticals, *points, *frame.readouts.values()]


def _pixels(x: Axis, y: Axis, x_values: ArrayLike, y_values: ArrayLike) -> np.ndarray:
    """Where values lie in the plot, in whole tenths of a unit: integers are alike on every processor."""
    # 9 decimals: without the last digits, a value that lies between two tenths is always rounded to the same one.
    across = x._share(np.round(np.asarray(x_values, dtype=float), 9)) * PLOT_WIDTH
    down = (1 - y._share(np.round(np.asarray(y_values, dtype=float), 9))) * PLOT_HEIGHT
    return np.rint(np.round(np.stack([across, down], axis=-1) * 10, 6)).astype(np.int64)


def _line(points: np.ndarray) -> str:
    return "M" + " ".join(f"{across / 10:g} {down / 10:g}" for across, down in _thinned(points).tolist())


def _vertical(point: np.ndarray) -> str:
    return f"M{point[0] / 10:g} 0V{PLOT_HEIGHT}"


def _disc(point: np.ndarray) -> str:
    return f"M{point[0] / 10 - 5:g} {point[1] / 10:g}a5 5 0 1 0 10 0a5 5 0 1 0-10 0"


def _thinned(points: np.ndarray) -> np.ndarray:
    """Leave out the points that a straight line between their neighbours meets within two tenths of a unit.

    Source: D. H. Douglas and T. K. Peucker, "Algorithms for the Reduction of the Number of Points Required to
    Represent a Digitized Line or its Caricature", 1973.
    """
    kept, waiting = {0, len(points) - 1}, [(0, len(points) - 1)]
    while waiting:
        start, end = waiting.pop()
        middle = start + _farthest(points[start : end + 1])
        if middle > start:
            kept.add(middle)
            waiting += [(start, middle), (middle, end)]
    return points[sorted(kept)]


def _farthest(points: np.ndarray) -> int:
    """The place of the point that is farthest from the line between the ends; 0 if all are within two tenths of it."""
    width, height = points[-1] - points[0]
    across, down = (points - points[0]).T
    if width:
        off, limit = np.abs(across * height - down * width), 2 * abs(width)
    else:  # the line stands upright, or its ends meet: what counts is the way from the nearer end
        off, limit = np.minimum(*(np.abs(points - end).sum(axis=1) for end in (points[0], points[-1]))), 2
    farthest = int(off.argmax())
    return farthest if off[farthest] > limit and 0 < farthest < len(points) - 1 else 0


def _svg(frame: Frame, title: str, x: Axis, y: Axis) -> str:
    parts = [f"<title>{escape(title)}</title>", f"<desc>{escape(_description(frame, x, y))}</desc>"]
    bottom = TOP + PLOT_HEIGHT
    for tick in x.ticks:
        across = round(LEFT + float(x._share(tick)) * PLOT_WIDTH, 1)
        parts.append(f'<path class="grid" d="M{across:g} {TOP}V{bottom + 4}"/>')
        parts.append(f'<text x="{across:g}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks:
        down = round(TOP + (1 - float(y._share(tick))) * PLOT_HEIGHT, 1)
        parts.append(f'<path class="grid" d="M{LEFT - 4} {down:g}H{LEFT + PLOT_WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{down + 4:g}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{LEFT + PLOT_WIDTH}"/>')
    parts.append(f'<text x="2" y="13">{escape(y.label)}</text>')
    middle = LEFT + PLOT_WIDTH / 2
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 7}" text-anchor="middle">{escape(x.label)}</text>')

    styles = dict(zip(frame.lines, STYLES, strict=False))
    outlines = [f'fill="none" {_stroke(styles[name])}' for name in frame.lines]
    outlines += ['class="vertical"' for _ in frame.verticals]
    outlines += [f'class="disc" fill="{styles[name][0]}"' for name in frame.points]
    paths = (f'<path data-slot="" {look} d="{d}"/>' for look, d in zip(outlines, _slots(frame, x, y), strict=False))
    # An inner svg cuts off what lies outside of it.
    parts.append(f'<svg x="{LEFT}" y="{TOP}" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}">{"".join(paths)}</svg>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'


def _description(frame: Frame, x: Axis, y: Axis) -> str:
    axes = [f"{axis.label}, from {axis.low:g} to {axis.high:g}" for axis in (x, y)]
    names = ", ".join([*frame.lines, *frame.verticals])
    return f"Horizontal: {axes[0]}. Vertical: {axes[1]}. Drawn: {names}. The values are listed below the figure."


def _stroke(style: tuple[str, str, float]) -> str:
    colour, dashes, width = style
    return f'stroke="{colour}" stroke-dasharray="{dashes}" stroke-width="{width}"'


def _legend(frame: Frame) -> str:
    looks = {name: _stroke(style) for name, style in zip(frame.lines, STYLES, strict=False)}
    looks |= {name: 'class="vertical"' for name in frame.verticals}
    items = (
        f'<li><svg width="34" height="10" aria-hidden="true"><path {look} d="M0 5H34"/></svg> {escape(name)}</li>'
        for name, look in looks.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _control(slider: Slider) -> str:
    start = list(slider.values).index(slider.start)
    text = escape(slider.format.format(slider.start))
    # A label around its input needs no id, so a second copy of the figure on a page works too.
    return (
        f'<div class="control"><label>{escape(slider.label)} <input type="range" min="0" max="{len(slider.values) - 1}"'
        f' step="1" value="{start}" aria-valuetext="{text}" autocomplete="off" disabled></label>'
        f' <span aria-hidden="true">{text}</span></div>'
    )


def _readout(label: str, text: str) -> str:
    return f'<div aria-atomic="true"><dt>{escape(label)}</dt><dd data-slot="">{escape(text)}</dd></div>'
