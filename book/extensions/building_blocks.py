"""What the extensions share: tables, links that Sphinx resolves, chapters and their cells, the frameworks' names."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.environment import BuildEnvironment

# As tags, classes and addresses name a framework -> as readers do.
FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras"}


def table(name: str, heading: Sequence[str], rows: Iterable[nodes.row], *, stub: bool = False) -> nodes.table:
    """A table with one line of headings. With a `stub` the first column is the heading of each row."""
    group = nodes.tgroup("", cols=len(heading))
    group += [nodes.colspec(colwidth=1, stub=int(stub and column == 0)) for column in range(len(heading))]
    group += [nodes.thead("", row(*heading)), nodes.tbody("", *rows)]
    return nodes.table("", group, classes=[name])


def row(*cells: nodes.Node | str) -> nodes.row:
    """A row with one thing in each cell."""
    return nodes.row("", *map(entry, cells))


def entry(*content: nodes.Node | str, classes: Sequence[str] = ()) -> nodes.entry:
    """A cell with one line of text."""
    inline = [nodes.Text(part) if isinstance(part, str) else part for part in content]
    return nodes.entry("", nodes.paragraph("", "", *inline), classes=list(classes))


def reference(role: str, target: str, text: str = "") -> pending_xref:
    """A link that Sphinx resolves, or warns of. Without a text it shows the title of its target."""
    options = {"refdomain": "std", "reftype": role, "reftarget": target, "refexplicit": bool(text)}
    return pending_xref("", nodes.inline(text, text), refwarn=True, **options)


def is_chapter(env: BuildEnvironment, docname: str) -> bool:
    """Whether a page is made from a notebook."""
    return env.doc2path(docname).endswith(".ipynb")


def read_notebook(path: Path | str) -> dict[str, Any]:
    """A notebook as it is stored: MyST-NB takes out of a page what `glue` put into it."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def is_code_cell(node: nodes.Node) -> bool:
    """Whether a node is a code cell with its outputs."""
    return isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code"


def only_pastes(cell: dict[str, Any]) -> bool:
    """Whether a cell of a notebook shows nothing, and leaves values for other pages."""
    outputs = cell.get("outputs", [])
    hidden = [output.get("metadata", {}).get("scrapbook", {}).get("mime_prefix") for output in outputs]
    return bool(outputs) and all(hidden)


def only_prepares(cell: dict[str, Any]) -> bool:
    """Whether a cell of a notebook shows nothing and mostly imports. The rest of it is settings, such as a style."""
    if cell.get("outputs"):
        return False
    statements = ast.parse("".join(cell["source"])).body
    imports = [isinstance(statement, ast.Import | ast.ImportFrom) for statement in statements]
    return any(imports) and 2 * sum(imports) >= len(imports)


def code_cells(document: nodes.document) -> Iterator[nodes.Element]:
    """The code cells of a page. Each has its `cell_index` in the notebook."""
    return document.findall(is_code_cell)
