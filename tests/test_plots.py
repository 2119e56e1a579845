"""Tests of helpers.plots: what each figure shows, and that it can be read."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from contrast import contrast, in_the_dark, luminance
from matplotlib.colors import to_hex

from helpers import plots
from helpers.plots import COLOURS, FRAMEWORKS

X = np.linspace(-3, 3, 5)
LINES = {
    "PyTorch": {"left-heavy": X, "right-heavy": X + 1},
    "Keras": {"left-heavy": (X + 2)[:, None], "right-heavy": X + 3},
}
COUNTS = {"Unweighted": [[1200, 34], [5, 67]], "Weighted": [[1100, 134], [0, 72]], "Twice": [[1, 2], [3, 4]]}
ARMS = {
    "PyTorch": {"no weights": [0.1, 0.3], "class weights": [0.4, 0.6]},
    "Keras": {"no weights": [0.2, 0.4], "class weights": [0.5, 0.9]},
}


@pytest.fixture(autouse=True)
def style():
    """The book's style in each test, and no figure or setting left behind."""
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def curves(**arguments):
    labels = {"title": "Weights pull the curve", "xlabel": "x (no unit)", "ylabel": "y (no unit)"}
    return plots.curves(X, LINES, **labels, **arguments)


def confusion_matrices(**arguments):
    return plots.confusion_matrices(COUNTS, ["nine", "four"], title="More fours are found", **arguments)


def arms(**arguments):
    return plots.arms(ARMS, title="Weights help", xlabel="recall (share)", **arguments)


FIGURES = {"curves": curves, "confusion matrices": confusion_matrices, "arms": arms}


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_curves_show_the_data_and_a_line_for_each_framework_and_arm():
    (ax,) = curves(data=X**2).axes
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == (
        "Weights pull the curve",
        "x (no unit)",
        "y (no unit)",
    )
    shown = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert shown == {
        "curve": (X**2).tolist(),
        "left-heavy, PyTorch": X.tolist(),
        "right-heavy, PyTorch": (X + 1).tolist(),
        "left-heavy, Keras": (X + 2).tolist(),
        "right-heavy, Keras": (X + 3).tolist(),
    }
    assert all(np.array_equal(line.get_xdata(), X) for line in ax.lines)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(shown)
    assert len(curves().axes[0].lines) == 4


def test_an_arm_has_one_colour_and_a_framework_one_style():
    by_label = {line.get_label(): line for line in curves().axes[0].lines}
    for label, line in by_label.items():
        arm, framework = label.split(", ")
        assert to_hex(line.get_color()) == COLOURS[arm]
        assert line.get_linewidth() == FRAMEWORKS[framework]["linewidth"]
    styles = {label.split(", ")[1]: (line.get_linewidth(), line.get_linestyle()) for label, line in by_label.items()}
    # The dashed line is drawn later and is the thinner one: it lies on top of the other without hiding it.
    assert styles["PyTorch"][1] == "-"
    assert styles["Keras"][1] == "--"
    assert styles["Keras"][0] < styles["PyTorch"][0]


def test_confusion_matrices_show_every_count_in_its_place():
    figure = confusion_matrices()
    assert figure.get_suptitle() == "More fours are found"
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == list(COUNTS)
    for ax, counts in zip(figure.axes, COUNTS.values(), strict=False):
        shown = {text.get_position(): text.get_text() for text in ax.texts}
        # The true class goes down the rows, as in scikit-learn, and x is the column.
        assert shown == {(column, row): f"{counts[row][column]:,}" for row in (0, 1) for column in (0, 1)}
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
        assert texts(ax.xaxis) == texts(ax.yaxis) == ["nine", "four"]


@pytest.mark.parametrize(("columns", "places"), [(1, 3), (2, 4), (3, 3)])
def test_places_that_no_matrix_needs_stay_empty(columns, places):
    axes = confusion_matrices(columns=columns).axes
    assert [ax.axison for ax in axes] == [True] * 3 + [False] * (places - 3)


def test_confusion_matrices_are_coloured_by_the_share_of_the_true_class():
    shares = confusion_matrices().axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, [[1200 / 1234, 34 / 1234], [5 / 72, 67 / 72]])


def test_a_class_without_rows_is_drawn_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.confusion_matrices({"Empty": [[0, 0], [1, 3]]}, ["a", "b"], title="No row of class a")
    assert figure.axes[0].images[0].get_array().tolist() == [[0, 0], [0.25, 0.75]]


def test_the_counts_can_be_read_on_the_darkest_cell():
    figure = plots.confusion_matrices({"All right": [[9, 0], [0, 9]]}, ["a", "b"], title="All right")
    (image,) = figure.axes[0].images
    assert contrast(image.to_rgba(1.0, norm=True), figure.axes[0].texts[0].get_color()) >= 4.5


def test_arms_show_a_mark_for_each_seed_and_a_tick_at_the_mean():
    (ax,) = arms().axes
    assert (ax.get_title(loc="left"), ax.get_xlabel()) == ("Weights help", "recall (share)")
    assert texts(ax.yaxis) == ["no weights", "class weights"]
    seeds = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    ticks = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    assert seeds == [[0.1, 0.3], [0.4, 0.6], [0.2, 0.4], [0.5, 0.9]]
    assert ticks == pytest.approx([0.2, 0.5, 0.3, 0.7])
    assert len(ax.lines) == 8
    # Every mark is nearest to the name of its arm.
    assert [round(float(line.get_ydata()[0])) for line in ax.lines] == [0, 0, 1, 1] * 2


def test_the_first_arm_is_on_top_and_the_frameworks_are_told_apart():
    (ax,) = arms().axes
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["PyTorch", "Keras"]
    filled = [line.get_markerfacecolor() == line.get_color() for line in ax.lines if line.get_marker() == "o"]
    assert filled == [True, True, False, False]


def test_highlighted_arms_have_the_colour_of_weighted():
    (ax,) = arms(highlight=["class weights"]).axes
    plain, highlighted = COLOURS["unweighted"], COLOURS["weighted"]
    assert [to_hex(line.get_color()) for line in ax.lines] == [plain, plain, highlighted, highlighted] * 2


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_text_is_legible_when_the_figure_is_420_pixels_wide(draw):
    figure = draw()
    figure.canvas.draw()
    pixels_per_point = 420 / (figure.get_figwidth() * 72)
    sizes = [t.get_fontsize() * pixels_per_point for t in figure.findobj(plt.Text) if t.get_text() and t.get_visible()]
    assert min(sizes) >= 9


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_each_call_gives_a_new_figure(draw):
    assert draw() is not draw()
    assert len(plt.get_fignums()) == 2


def test_colours_that_can_meet_in_one_figure_differ_in_more_than_hue():
    # In grey, as on paper, and to colour-blind readers.
    for first, second in [("unweighted", "weighted"), ("left-heavy", "right-heavy"), ("data", "left-heavy")]:
        assert abs(luminance(COLOURS[first]) - luminance(COLOURS[second])) > 0.05


def test_the_dark_scheme_turns_figures_as_these_tests_do():
    css = (Path(__file__).parents[1] / "book" / "static" / "book.css").read_text()
    assert "filter: invert(0.93) hue-rotate(180deg);" in css


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_can_be_told_from_the_ground(name):
    colour = COLOURS[name]
    assert contrast(colour, "white") >= 3
    assert contrast(in_the_dark(colour), in_the_dark("white")) >= 3


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", COLOURS)
def test_the_line_of_each_framework_can_be_told_from_the_ground(framework, name):
    figure, ax = plt.subplots(dpi=110)
    ax.set_axis_off()
    plots.framework_lines(ax, [0, 1], {framework: {name: [0, 0]}})
    figure.canvas.draw()
    pixels = np.unique(np.asarray(figure.canvas.buffer_rgba())[:, :, :3].reshape(-1, 3), axis=0) / 255
    drawn = min(pixels, key=luminance)
    assert contrast(drawn, "white") >= 3
    assert contrast(in_the_dark(drawn), in_the_dark("white")) >= 3


def test_an_arm_without_a_colour_is_a_clear_error():
    with pytest.raises(ValueError, match=r"no colour for the arm 'heavy'\. The arms with a colour: unweighted, "):
        plots.curves([0, 1], {"PyTorch": {"heavy": [0, 1]}}, title="", xlabel="", ylabel="")
