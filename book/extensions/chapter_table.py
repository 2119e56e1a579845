"""One table of the chapters, for teachers: what each teaches, what it needs, and how long it takes.

    ```{chapter-table}
    ```

The first cell of each chapter says all that, below its title: "**What you will learn.** ...". So the table cannot say
anything else, and a chapter that says nothing is a warning.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from building_blocks import entry, read_notebook, reference, table
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

# Column -> how the chapters begin the paragraph.
COLUMNS = {"Time": "Time", "You need": "What you need", "You will learn": "What you will learn"}

logger = logging.getLogger(__name__)


def chapters(toc: Path) -> list[str]:
    """The files of the table of contents in their order, without their suffix."""
    parts = yaml.safe_load(toc.read_text(encoding="utf-8"))["parts"]
    return [chapter["file"] for part in parts for chapter in part["chapters"]]


def paragraph(cell: str, words: str) -> str:
    """The paragraph of a cell that begins with these words in bold, without them, or ""."""
    found = re.search(rf"^\*\*{words}\.\*\* (.+?)(?:\n\n|\Z)", cell, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


class ChapterTable(SphinxDirective):
    """`{chapter-table}`: a row for each chapter that teaches something."""

    def run(self) -> list[nodes.Node]:
        """The table, in the order of `_toc.yml`."""
        toc = Path(self.env.srcdir) / "_toc.yml"
        self.env.note_dependency(str(toc))
        paths = [(name, toc.parent / f"{name}.ipynb") for name in chapters(toc)]
        rows = [self.row(name, path) for name, path in paths if path.exists()]
        return [table("chapters", ["Chapter", *COLUMNS], rows, stub=True)]

    def row(self, name: str, path: Path) -> nodes.row:
        """The link to a chapter, and what its first cell says."""
        self.env.note_dependency(str(path))
        cell = "".join(read_notebook(path)["cells"][0]["source"])
        texts = [paragraph(cell, words) for words in COLUMNS.values()]
        for words, text in zip(COLUMNS.values(), texts, strict=True):
            if not text:
                logger.warning(f"{name} does not begin with **{words}.**", location=self.get_location())
        link = reference("doc", f"/{name}")
        return nodes.row("", entry(link), *(entry(*self.parse_inline(text)[0]) for text in texts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("chapter-table", ChapterTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
