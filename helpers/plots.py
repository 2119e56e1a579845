"""The book's figures: one palette, safe for colour-blind readers, alike in every chapter.

A wide pale line with edges or a filled mark is PyTorch, a thin dashed line or an open mark is Keras: where both agree,
you see one on top of the other. Each function draws on new axes and returns the figure; a chapter ends the cell with
`plt.show()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

__all__ = ["COLOURS", "FRAMEWORKS", "arms", "confusion_matrices", "curves", "framework_lines", "use_style"]

#: The colour of each arm of an experiment, with a contrast of 3 or more to the ground. The greys are ours, the others
#: are from Okabe and Ito, "Color Universal Design", 2008.
COLOURS = {
    "unweighted": "#4d4d4d",
    "weighted": "#d55e00",
    "left-heavy": "#0072b2",
    "right-heavy": "#d55e00",
    "data": "#8f8f8f",
    "predicted": "#009e73",
}
# In the line's own colour, around its pale middle: the middle alone has too little contrast to the ground.
_EDGES = [
    patheffects.Stroke(linewidth=6, alpha=1),
    patheffects.Stroke(linewidth=4.5, alpha=1, foreground="white"),
    patheffects.Normal(),
]
#: How the line of each framework is drawn.
FRAMEWORKS = {
    "PyTorch": {"linewidth": 4.5, "alpha": 0.35, "solid_capstyle": "butt", "path_effects": _EDGES},
    "Keras": {"linewidth": 2, "linestyle": "--"},
}
MARKS = {"PyTorch": {"marker": "o"}, "Keras": {"marker": "o", "markerfacecolor": "white"}}


def use_style() -> None:
    """Set sizes that stay legible when a figure is 420 pixels wide."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 4.2),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 12,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
        }
    )


def framework_lines(ax: Axes, x: ArrayLike, lines: Mapping[str, Mapping[str, ArrayLike]]) -> None:
    """Draw the same line from both frameworks, one on top of the other.

    Args:
        ax: where to draw.
        x: shape (n,).
        lines: framework -> arm -> values (n,). An arm's colour is `COLOURS[arm]`.

    Raises:
        ValueError: an arm that has no colour.
    """
    for framework, by_arm in lines.items():
        if unknown := [arm for arm in by_arm if arm not in COLOURS]:
            raise ValueError(f"no colour for the arm {unknown[0]!r}. The arms with a colour: {', '.join(COLOURS)}.")
        for arm, values in by_arm.items():
            ax.plot(x, np.ravel(values), color=COLOURS[arm], label=f"{arm}, {framework}", **FRAMEWORKS[framework])


def curves(
    x: ArrayLike,
    lines: Mapping[str, Mapping[str, ArrayLike]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    data: ArrayLike | None = None,
) -> matplotlib.figure.Figure:
    """One axis with the lines of both frameworks, and the curve they try to follow.

    Args:
        x: shape (n,).
        lines: framework -> arm -> values (n,).
        title: what to see.
        xlabel: with units.
        ylabel: with units.
        data: the true curve (n,), if there is one.

    Raises:
        ValueError: an arm that has no colour.
    """
    figure, ax = plt.subplots()
    if data is not None:
        ax.plot(x, np.ravel(data), color=COLOURS["data"], linewidth=3, label="curve")
    framework_lines(ax, x, lines)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2)
    return figure


def confusion_matrices(
    matrices: Mapping[str, ArrayLike], classes: Sequence[str], *, title: str, columns: int = 2
) -> matplotlib.figure.Figure:
    """Confusion matrices side by side, with counts.

    Args:
        matrices: heading -> counts (k, k), rows are the true classes, as in scikit-learn.
        classes: names of the k classes, in the order of the rows.
        title: what to see.
        columns: matrices in a row.
    """
    rows = -(-len(matrices) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6.4, 3.4 * rows), squeeze=False)
    for ax in axes.ravel()[len(matrices) :]:
        ax.set_axis_off()
    for ax, (heading, counts) in zip(axes.ravel(), matrices.items(), strict=False):
        counts = np.asarray(counts)
        # A class without rows has no shares; its row stays pale.
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.8)
        for (row, column), count in np.ndenumerate(counts):
            ax.text(column, row, f"{count:,}", ha="center", va="center", color="black", fontsize=13)
        ax.set(title=heading, xlabel="predicted class", ylabel="true class")
        ax.set(xticks=range(len(classes)), yticks=range(len(classes)), xticklabels=classes, yticklabels=classes)
    figure.suptitle(title, fontsize=12)
    return figure


def arms(
    values: Mapping[str, Mapping[str, ArrayLike]], *, title: str, xlabel: str, highlight: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """One row per arm of an experiment, one mark per seed, a tick at the mean.

    Args:
        values: framework -> arm -> one value per seed. Both frameworks have the same arms.
        title: what to see.
        xlabel: with units.
        highlight: arms to draw in the colour of "weighted".
    """
    names = list(next(iter(values.values())))
    figure, ax = plt.subplots(figsize=(6.4, 1.2 + 0.55 * len(names)))
    for shift, (framework, by_arm) in zip((-0.14, 0.14), values.items(), strict=False):
        for row, name in enumerate(names):
            colour = COLOURS["weighted" if name in highlight else "unweighted"]
            seeds = np.asarray(by_arm[name], dtype=float)
            label = framework if row == 0 else None
            ax.plot(seeds, [row + shift] * len(seeds), linestyle="none", color=colour, label=label, **MARKS[framework])
            ax.plot([seeds.mean()], [row + shift], marker="|", markersize=18, color=colour)
    ax.set(title=title, xlabel=xlabel, yticks=range(len(names)), yticklabels=names)
    # The first arm on top, and half a row of room at both ends for its marks.
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower left", ncols=2)
    return figure
