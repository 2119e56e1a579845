"""Turn neighbouring cells tagged `framework-torch` and `framework-keras` into one set of tabs.

The tabs are sphinx-design's, synchronised under the name "framework": a click switches every set on every page, is
kept for the next visit, and can be given in the address (`?framework=torch`). A third tab, "Both", shows the two
together. It is the one that is chosen in the file, so that a page without JavaScript shows everything; a script
chooses PyTorch for a reader who has not chosen yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from building_blocks import FRAMEWORKS, is_code_cell
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx_design.shared import create_component

BOTH = "both"


def framework_of(node: nodes.Node) -> str | None:
    """The framework that a code cell is tagged with: a key of `FRAMEWORKS`, or None."""
    if is_code_cell(node):
        for framework in FRAMEWORKS:
            if f"tag_framework-{framework}" in node["classes"]:
                return framework
    return None


def tab(framework: str, label: str, cells: list[nodes.Node], selected: bool = False) -> nodes.Element:
    """One tab: its label, and the cells with their outputs."""
    rubric = nodes.rubric(label, label, classes=["sd-tab-label"], sync_id=framework, sync_group="framework")
    content = create_component("tab-content", classes=["sd-tab-content", f"framework-{framework}"], children=cells)
    return create_component("tab-item", classes=["sd-tab-item"], selected=selected, children=[rubric, content])


def tab_set(cells: list[nodes.Node]) -> nodes.Element:
    """Tabs for the cells of one group. Several cells of one framework share a tab."""
    by_framework = {framework: [c for c in cells if framework_of(c) == framework] for framework in FRAMEWORKS}
    tabs = [tab(name, FRAMEWORKS[name], members) for name, members in by_framework.items() if members]
    both = tab(BOTH, "Both", [], selected=True)
    return create_component("tab-set", classes=["sd-tab-set", "framework-tabs"], children=[*tabs, both])


def with_tabs(children: list[nodes.Node]) -> Iterator[nodes.Node]:
    """The same nodes, with each run of framework cells in a set of tabs. Any other node ends a run."""
    for tagged, run in groupby(children, key=lambda child: framework_of(child) is not None):
        if tagged:
            yield tab_set(list(run))
        else:
            yield from run


class FrameworkTabs(SphinxTransform):
    """Group the framework cells of a document, wherever they stand in it."""

    default_priority = 500

    def apply(self) -> None:
        """Replace the cells by tabs."""
        parents = [cell.parent for cell in self.document.findall(lambda node: framework_of(node) is not None)]
        # The same parent once for each of its cells, and nodes cannot be members of a set.
        for parent in {id(parent): parent for parent in parents}.values():
            children, parent.children = parent.children, []
            parent.extend(with_tabs(children))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_transform(FrameworkTabs)
    # In the head, and before sphinx-design's own script: both listen for the same event, in order.
    app.add_js_file("framework.js", priority=100)
    app.add_css_file("framework.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
