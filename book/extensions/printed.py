"""Quote what a cell of a chapter printed, on any page.

    {printed}`masks.ipynb::ignore_class: loss 0.0`

The quote must stand in the chapter's stored outputs, word for word; blanks and line breaks count as one blank. Where no
cell prints it any more, the build warns. So an answer can show an error message, or a number, that no cell has glued.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from building_blocks import read_notebook
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)

# What MyST-NB shows of an output, the best first.
KINDS = ("text/markdown", "text/html", "text/plain")


def printed(cells: Iterable[dict[str, Any]]) -> str:
    """All that some cells printed, as a reader sees it: no tags, and one blank between two words."""
    shown = []
    for output in (output for cell in cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        kind = next((kind for kind in KINDS if kind in data), "text/plain")
        text = "".join(output.get("text", ()) or data.get(kind, ()))
        # A table in Markdown has a tag where a long word may break.
        shown.append(text if kind == "text/plain" else unescape(re.sub(r"<wbr>|<(?!-)[^<>]*>", _space, text)))
    return one_line(" ".join(shown))


def _space(tag: re.Match[str]) -> str:
    return "" if tag[0] == "<wbr>" else " "


def one_line(text: str) -> str:
    """The same words with one blank between them."""
    return " ".join(text.split())


def is_quoted(quote: str, text: str) -> bool:
    """Whether a text holds a quote, from the start of a word or number to the end of one."""
    return bool(re.search(rf"(?<![\w.]){re.escape(one_line(quote))}(?![\w]|\.\d)", text))


class Printed(SphinxRole):
    """`{printed}` with a chapter and what one of its cells printed."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The quote, set as code."""
        chapter, _, quote = self.text.partition("::")
        _, path = self.env.relfn2path(chapter, self.env.docname)
        self.env.note_dependency(path)
        if not quote or not is_quoted(quote, printed(read_notebook(path)["cells"])):
            logger.warning(f"no cell of {chapter} prints {quote!r}", location=self.get_location())
        return [nodes.literal(self.rawtext, quote, classes=["printed"])], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_role("printed", Printed())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
