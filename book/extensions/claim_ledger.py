"""Make the ledger of claims, and tie each claim to the code cell that shows its verdict.

On the page of the ledger this directive names a document and a chapter, and says what each claim says, and below it
which section of the chapter is its experiment:

    ```{claim-table} 000 cluster_bias.ipynb
    C1: Unweighted logistic regression gives symmetric probabilities at the two centres.
    → Compare with the prediction
    ```

It becomes a table. The name of a claim leads to that section, its verdict to the cell that shows it. Verdicts and
figures are those that the chapter pasted with `glue`. `{claim-summary}` becomes a table of all documents and verdicts,
with a link to `claims.json`, which has all rows as data. In prose, {claim}`C1` leads to the row of a claim.

A claim is computed where `C1_verdict` is glued, however the verdict came about. Its verdict leads to the first cell
that prints it as a line of its own ("C1: holds"): what a reader lands on says what the row says. Where no cell prints
it, it leads to the cell that glued it. A claim that no cell glues, that two cells glue, or that is missing from the
ledger is a warning, and so is a section that the chapter does not have.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from building_blocks import FRAMEWORKS, code_cells, entry, is_chapter, read_notebook, reference, table
from docutils import nodes
from myst_parser.mdit_to_docutils.base import default_slugify
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

CLAIM = re.compile(r"([A-Z]\d+): (.+)\n→ (.+)")
HEADING = re.compile(r"#{2,3} (.+)")
KINDS = ("holds", "holds if", "holds, but", "does not hold")
# A plain "holds" has no more words. A verdict that says both "holds if" and "but" counts as the first of them.
KIND = re.compile(r"holds$|holds if\b|holds, but\b|does not hold\b")
VERDICT = "_verdict"
# What else a verdict may say, and how the ledger puts it: C1_criterion, C1_document, C1_scope. C1_then, what other
# versions do where that differs, is pasted by one chapter for all claims.
NOTES = {"criterion": "Asked", "document": "The document", "scope": "Tested on", "then": "Then"}
THEN = "then_and_now.ipynb"
DATA = "claims.json"

logger = logging.getLogger(__name__)


class claim_summary(nodes.General, nodes.Element):
    """Where the table of documents and verdicts will stand, once all claims of the page are known."""


def glued(cells: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What the stored outputs of some cells hold under a name.

    Args:
        cells: of a notebook in which `glue(name, value)` was executed.

    Returns:
        name -> the value as Python prints it, so with quotes around a text.
    """
    found = {}
    for output in (output for cell in cells for output in cell.get("outputs", ())):
        if glue := output.get("metadata", {}).get("scrapbook"):
            found[glue["name"]] = "".join(output["data"].get(glue.get("mime_prefix", "") + "text/plain", ""))
    return found


def verdict_cells(cells: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Each claim whose verdict is glued, and the number of the cell that shows it."""
    printed = [set(stdout(cell).splitlines()) for cell in cells]
    for number, cell in enumerate(cells):
        for name, text in glued([cell]).items():
            if name.endswith(VERDICT):
                claim = name.removesuffix(VERDICT)
                line = f"{claim}: {literal_eval(text)}"
                yield claim, next((place for place, lines in enumerate(printed) if line in lines), number)


def sections(cells: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The headings of a notebook as a page shows them, below its title, with the anchors that MyST gives them."""
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    titles = [plain(match[1]) for line in text.splitlines() if (match := HEADING.fullmatch(line))]
    return {title: default_slugify(title) for title in titles}


def plain(heading: str) -> str:
    """A heading without its marks for code and emphasis."""
    return re.sub(r"[`*]", "", heading).strip()


def stdout(cell: dict[str, Any]) -> str:
    """What a cell printed."""
    return "".join("".join(output["text"]) for output in cell.get("outputs", ()) if output.get("name") == "stdout")


def css_class(kind: str) -> str:
    """A kind of verdict as a class name: "holds-if"."""
    return nodes.make_id(kind)


class ClaimTable(SphinxDirective):
    """The claims of one document that one chapter computes."""

    required_arguments = 2
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the table, and the line that names the chapter."""
        self.document, chapter = self.arguments
        relative, path = self.env.relfn2path(chapter)
        # The page is built again when the chapter was executed again.
        self.env.note_dependency(relative)
        if not Path(path).exists():
            raise self.error(f"there is no chapter {chapter}.")
        cells = read_notebook(path)["cells"]
        self.chapter, self.values, self.sections = chapter, glued(cells), sections(cells)
        if Path(path).with_name(THEN).exists():
            self.env.note_dependency(str(Path(relative).with_name(THEN)))
            then = glued(read_notebook(Path(path).with_name(THEN))["cells"])
            self.values |= {name: text for name, text in then.items() if name.endswith("_then")}
        # What fails is what a reader looks for: it stands first.
        lines = [line for line in self.content if line]
        claims = ("\n".join(lines[start : start + 2]) for start in range(0, len(lines), 2))
        rows = sorted(map(self.row, claims), key=lambda row: -KINDS.index(row["kind"]))
        title = reference("doc", "/" + relative.removesuffix(".ipynb"))
        line = nodes.paragraph("", "Computed in ", title)
        body = table("claims", ("claim", "what it says", "verdict", "figures"), rows, stub=True)
        return [nodes.container("", line, body, classes=["claims-of-chapter"])]

    def row(self, lines: str) -> nodes.row:
        """One claim: its name, what it says, the verdict, and the figures behind it."""
        match = CLAIM.fullmatch(lines)
        if not match:
            raise self.error(
                f"expected lines such as 'C1: what it says', '→ heading in {self.chapter}', got {lines!r}."
            )
        claim, text, heading = match.groups()
        # MyST reports what it cannot parse by itself.
        says, _ = self.parse_inline(text)
        verdict = self.value(claim + VERDICT)
        first_words = KIND.match(verdict)
        if not first_words:
            raise self.error(f"the verdict of {claim} starts with none of {', '.join(KINDS)}: {verdict!r}.")
        kind, reason = first_words[0], verdict[first_words.end() :]
        entries = [
            entry(self.link(claim, plain(heading))),
            entry(*says),
            entry(nodes.strong("", "", reference("claim-cell", claim, kind), classes=["verdict"]), pasted(reason)),
            nodes.entry("", *self.figures(claim), *self.notes(claim)),
        ]
        facts = {"document": self.document, "kind": kind, "record": self.record(claim, text, plain(heading), verdict)}
        classes = ["claim", f"document-{self.document}", css_class(kind)]
        row = nodes.row("", *entries, ids=[claim.lower()], classes=classes, **facts)
        self.env.get_domain("std").note_object("claim", claim, claim.lower(), location=self.get_location())
        return row

    def link(self, claim: str, heading: str) -> nodes.Node:
        """The name of a claim, as a link to the section with its experiment."""
        if heading not in self.sections:
            raise self.error(f"{self.chapter} has no section {heading!r}, where {claim} is to lead.")
        [link], _ = self.parse_inline(f"[{claim}]({self.chapter}#{self.sections[heading]})")
        return link

    def figures(self, claim: str) -> list[nodes.paragraph]:
        """The figure of each framework, or one for both where they say the same."""
        texts = {name: self.value(f"{claim}_{label.lower()}") for name, label in FRAMEWORKS.items()}
        if len(set(texts.values())) == 1:
            return [figure("Both", texts.popitem()[1], "both")]
        return [figure(FRAMEWORKS[name], text, name) for name, text in texts.items()]

    def notes(self, claim: str) -> list[nodes.paragraph]:
        """What was asked, what the document found, how far the experiments go, and what other versions do."""
        known = [name for name in NOTES if f"{claim}_{name}" in self.values]
        return [labelled(NOTES[name], self.value(f"{claim}_{name}"), "note-of") for name in known]

    def record(self, claim: str, says: str, section: str, verdict: str) -> dict[str, Any]:
        """The row as data."""
        notes = {name: self.value(f"{claim}_{name}") for name in NOTES if f"{claim}_{name}" in self.values}
        return {
            "claim": claim,
            "source": self.document,
            "chapter": self.chapter,
            "section": section,
            "says": says,
            "verdict": verdict,
            "kind": KIND.match(verdict)[0],
            "figures": {label: self.value(f"{claim}_{label.lower()}") for label in FRAMEWORKS.values()},
            **{name: notes.get(name) for name in NOTES},
        }

    def value(self, key: str) -> str:
        """The text that the chapter pasted under a key."""
        if key not in self.values:
            raise self.error(f"{self.chapter} pastes nothing under the name {key}: is it executed?")
        return literal_eval(self.values[key])


def pasted(text: str) -> nodes.inline:
    """A text that stays as the chapter wrote it, but for code between backticks: no typographic quotes or dots."""
    made = nodes.inline("", "", support_smartquotes=False)
    for number, part in enumerate(text.split("`")):
        made += nodes.literal("", part) if number % 2 else nodes.Text(part)
    return made


def figure(label: str, text: str, name: str) -> nodes.paragraph:
    """A figure, with the framework it belongs to in front."""
    return labelled(label, text, "figure-of", name)


def labelled(label: str, text: str, *classes: str) -> nodes.paragraph:
    """A text with its label in front."""
    return nodes.paragraph("", "", nodes.strong("", label), nodes.Text(": "), pasted(text), classes=list(classes))


class ClaimSummary(SphinxDirective):
    """How many claims of each document got which verdict."""

    def run(self) -> list[nodes.Node]:
        """Leave a place: the claims come later on the page."""
        link = nodes.reference("", DATA, refuri=DATA, internal=False)
        return [claim_summary(), nodes.paragraph("", "", nodes.Text("All rows as data: "), link)]


def fill_summary(app: Sphinx, doctree: nodes.document) -> None:
    """Count the claims of a page, once it is read."""
    for place in list(doctree.findall(claim_summary)):
        claims = [row for row in doctree.findall(nodes.row) if "claim" in row["classes"]]
        titles = {claim["document"]: title_above(claim) for claim in claims}
        rows = [counts(title, [c for c in claims if c["document"] == d], d) for d, title in titles.items()]
        total = counts(label("all", " documents"), claims)
        place.replace_self(table("claim-summary", ("document", "claims", *KINDS), [*rows, total], stub=True))


def title_above(row: nodes.row) -> nodes.reference:
    """A link to the section in which a claim stands, with the title of that section."""
    section = row.parent
    while not isinstance(section, nodes.section):
        section = section.parent
    title = section.next_node(nodes.title).astext()
    number = row["document"]
    return nodes.reference("", "", label(number, title.removeprefix(number)), internal=True, refid=section["ids"][0])


def label(short: str, rest: str) -> nodes.inline:
    """The heading of a row of the summary. On a phone there is room for its short part only."""
    return nodes.inline("", "", nodes.Text(short), nodes.inline(rest, rest, classes=["rest"]))


def counts(heading: nodes.Node, claims: Sequence[nodes.row], document: str = "") -> nodes.row:
    """A row of the summary. The classes of a count say which claims it counts."""
    of_document = [f"document-{document}"] if document else []
    numbers = [entry(str(len(claims)), classes=["count", *of_document])]
    for kind in KINDS:
        number = sum(claim["kind"] == kind for claim in claims)
        numbers.append(entry(str(number), classes=["count", *of_document, css_class(kind)]))
    return nodes.row("", entry(heading), *numbers)


def anchor_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give each cell that shows verdicts an anchor for each of them: `claim-c1`."""
    docname, domain = app.env.docname, app.env.get_domain("std")
    if not is_chapter(app.env, docname):
        return
    cells = {cell["cell_index"]: cell for cell in code_cells(doctree)}
    for claim, number in verdict_cells(read_notebook(app.env.doc2path(docname))["cells"]):
        # A cell that is tagged `remove-cell` is not on the page: the row's link then finds nothing, and warns.
        if cell := cells.get(number):
            anchor = f"claim-{claim.lower()}"
            cell["ids"].append(anchor)
            domain.note_object("claim-cell", claim, anchor, location=cell)


def check_ledger(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of claims that a chapter computes and the ledger does not have."""
    known = env.get_domain("std").objects
    for (kind, claim), (docname, _) in known.items():
        if kind == "claim-cell" and ("claim", claim) not in known:
            logger.warning("claim %s is computed here, and missing from the ledger", claim, location=docname)


def add_files(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Load the style where there are claims, and the filters on the ledger only."""
    kinds = {kind for (kind, _), (docname, _) in app.env.get_domain("std").objects.items() if docname == pagename}
    if kinds & {"claim", "claim-cell"}:
        app.add_css_file("ledger.css")
    if "claim" in kinds:
        write_data(Path(app.outdir, pagename).parent / DATA, doctree)
        app.add_js_file("ledger.js", loading_method="defer")


def write_data(path: Path, doctree: nodes.document) -> None:
    """All claims of a page as JSON, beside it."""
    claims = [row["record"] for row in doctree.findall(nodes.row) if "claim" in row["classes"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(claims, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_object_type("claim", "claim", objname="claim", ref_nodeclass=nodes.strong)
    app.add_object_type("claim-cell", "claim-cell", objname="cell of a claim", ref_nodeclass=nodes.strong)
    app.add_directive("claim-table", ClaimTable)
    app.add_directive("claim-summary", ClaimSummary)
    app.add_node(claim_summary)
    # When the page has been read, every cell stands where it will stay: in a tab, or in a hidden solution.
    app.connect("doctree-read", anchor_cells)
    app.connect("doctree-read", fill_summary)
    app.connect("env-check-consistency", check_ledger)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
