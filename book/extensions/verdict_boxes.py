"""Show each verdict as a box, above the cell that prints it, and fold the cells that are there for the record.

A box has what the ledger's row of the claim has: what the claim says, the verdict, the size in each framework, what was
asked, what the document found. It is made from that row, so it cannot say anything else. The cell below it is folded,
with what it prints; so are cells that do nothing but import, or paste what other pages show. They are executed and
compared as all others, and a click opens them. What such a cell prints besides its verdicts stays in sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from building_blocks import code_cells, is_chapter, only_pastes, only_prepares, read_notebook, reference
from claim_ledger import css_class, stdout, verdict_cells
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import ReferencesResolver, SphinxPostTransform

# A verdict as `print` shows it: "C1: holds", then lines such as "    PyTorch: 0.88" and "    asked: at most 0.05".
VERDICT_LINE = re.compile(r"[A-Z]\d+: |    (PyTorch|Keras|both|asked|document|scope|then): ")


def folded(children: Sequence[nodes.Node], what: str = "how it was computed") -> HideCodeCellNode:
    """A closed fold, as MyST-NB makes it for a cell that is tagged `hide-cell`."""
    fold = HideCodeCellNode(prompt_show=f"Show {what}", prompt_hide=f"Hide {what}")
    fold["classes"].append("above-input")
    fold.extend(children)
    return fold


def besides(cell: dict[str, Any]) -> str:
    """What a cell prints that is no part of a verdict."""
    return "\n".join(line.strip() for line in stdout(cell).splitlines() if line and not VERDICT_LINE.match(line))


def ledger_row(env: BuildEnvironment, claim: str) -> nodes.row | None:
    """The row of a claim, on whichever page the ledger is; None if it is missing there, of which the ledger warns."""
    docname, name = env.get_domain("std").objects.get(("claim", claim), ("", ""))
    rows = env.get_doctree(docname).findall(nodes.row) if docname else ()
    return next((row for row in rows if name in row["ids"]), None)


def parts(row: nodes.row) -> Iterator[tuple[str, list[nodes.Node]]]:
    """Each line of a box: its label, and what stands beside it."""
    _, says, verdict, figures = row.children
    yield "Claim", says[0].children
    # In the row the verdict is a link to this box.
    _, *reason = verdict[0].children
    yield "Verdict", [nodes.strong("", row["kind"], classes=["verdict"]), *reason]
    for paragraph in figures:
        label, _, text = paragraph.children
        yield label.astext(), text.children


def copied(node: nodes.Node) -> nodes.Node:
    """A copy without names: a citation has one on its own page, where another may have the same here."""
    copy = node.deepcopy()
    for element in copy.findall(nodes.Element):
        element["ids"] = []
    return copy


def box(claim: str, row: nodes.row) -> nodes.container:
    """A claim and its verdict: one line for each part, and a link to the ledger."""
    lines = []
    for label, content in parts(row):
        term: list[nodes.Node] = [nodes.Text(label)]
        if label == "Claim":
            term = [reference("claim", claim, claim)]
        body = nodes.paragraph("", "", *map(copied, content), support_smartquotes=False)
        lines.append(nodes.definition_list_item("", nodes.term("", "", *term), nodes.definition("", body)))
    classes, anchor = ["verdict-box", css_class(row["kind"])], f"claim-{claim.lower()}"
    return nodes.container("", nodes.definition_list("", *lines), classes=classes, ids=[anchor])


class VerdictBoxes(SphinxPostTransform):
    """Put the boxes into the cells that print verdicts, and fold the rest of those cells."""

    default_priority = ReferencesResolver.default_priority - 5
    formats = ("html",)

    def run(self, **options: Any) -> None:
        """Change the code cells of a chapter."""
        if not is_chapter(self.env, self.env.docname):
            return
        notebook = read_notebook(self.env.doc2path(self.env.docname))["cells"]
        claims: dict[int, list[str]] = {}
        for claim, number in verdict_cells(notebook):
            claims.setdefault(number, []).append(claim)
        for cell in list(code_cells(self.document)):
            number = cell["cell_index"]
            rows = {claim: row for claim in claims.get(number, ()) if (row := ledger_row(self.env, claim))}
            if rows and not only_pastes(notebook[number]):
                rest = besides(notebook[number])
                more = [nodes.literal_block(rest, rest, language="none")] if rest else []
                boxes = [box(claim, row) for claim, row in rows.items()]
                # A link to a claim lands on its box, and no longer on the cell.
                anchors = {anchor for made in boxes for anchor in made["ids"]}
                cell["ids"] = [anchor for anchor in cell["ids"] if anchor not in anchors]
                cell.children = [*boxes, *more, folded(cell.children)]
            elif only_pastes(notebook[number]) and not cell.get("hide_mode"):
                cell.children = [folded(cell.children)]
            elif only_prepares(notebook[number]) and not cell.get("hide_mode"):
                cell.children = [folded(cell.children, "the imports")]
            else:
                continue
            for child in cell.children:
                child.parent = cell


def chapters_of_a_new_ledger(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """The pages with boxes, when the page of the ledger is read again."""
    found = env.get_domain("std").objects
    ledgers = {docname for (kind, _), (docname, _) in found.items() if kind == "claim"}
    if not ledgers & (added | changed):
        return []
    return sorted({docname for (kind, _), (docname, _) in found.items() if kind == "claim-cell"})


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_post_transform(VerdictBoxes)
    app.connect("env-get-outdated", chapters_of_a_new_ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
