"""Build a website of a few lines with the book's own extensions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from nbformat import v4, write
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

EXTENSIONS = Path(__file__).parents[1] / "book" / "extensions"
# Sphinx finds them there, and so do the tests.
if str(EXTENSIONS) not in sys.path:
    sys.path.insert(0, str(EXTENSIONS))


class Project:
    """A Sphinx project in an empty folder. `build` makes the site; `warnings` then holds what Sphinx said."""

    def __init__(self, folder: Path, extensions: list[str], files: Mapping[str, str | list], **settings: Any):
        """Write the files: text as it is, a list of cells as a notebook."""
        self.source, self.html = folder / "source", folder / "html"
        self.settings = {
            "extensions": ["myst_nb", *extensions],
            "nb_execution_mode": "off",
            "myst_enable_extensions": ["dollarmath", "colon_fence"],
            "suppress_warnings": ["toc.not_included"],
            **settings,
        }
        self.source.mkdir(exist_ok=True)
        for name, content in files.items():
            self.write(name, content)

    def write(self, name: str, content: str | list) -> None:
        """Write one file of the source."""
        if isinstance(content, str):
            (self.source / name).write_text(content)
        else:
            write(v4.new_notebook(cells=content, metadata={"language_info": {"name": "python"}}), self.source / name)

    def build(self) -> Sphinx:
        """Build the site, as `make book` does it but for the theme."""
        stream = StringIO()
        # Sphinx registers its nodes for the whole process: take them back for the next project.
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                self.source, None, self.html, self.html.parent / "doctrees", "html", self.settings, None, stream
            )
            app.build()
        self.warnings = stream.getvalue()
        return app

    def page(self, name: str) -> BeautifulSoup:
        """A page of the site, parsed."""
        return BeautifulSoup((self.html / name).read_text(), "html.parser")


def code(source: str, *tags: str, output: str = "") -> Any:
    """An executed code cell that printed `output`."""
    outputs = [v4.new_output("stream", text=output)] if output else []
    return v4.new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs, execution_count=1)
