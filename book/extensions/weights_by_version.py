"""The page "Can I use weights?": what a chapter found on each version, as tables that can be filtered.

    ```{weights-by-version} changes then_and_now.ipynb
    ```

The first argument names the part: `changes`, where an answer changed between two versions; `claims`, the answers to a
document's claims by version; `questions`, all answers. The chapter has pasted them with `glue`, as JSON. All of it is
also written beside the page, as `weights_by_version.json`.
"""

from __future__ import annotations

import json
from ast import literal_eval
from itertools import pairwise
from pathlib import Path
from typing import Any

from building_blocks import entry, read_notebook, row, table
from claim_ledger import glued
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PARTS = ("changes", "claims", "questions")
DATA = "weights_by_version.json"
# How the backends of Keras write their own names.
BACKENDS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}


class WeightsByVersion(SphinxDirective):
    """One part of what the chapter found."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        part, chapter = self.arguments
        if part not in PARTS:
            raise self.error(f"expected one of {', '.join(PARTS)}, got {part!r}.")
        relative, path = self.env.relfn2path(chapter)
        self.env.note_dependency(relative)
        if not Path(path).exists():
            raise self.error(f"there is no chapter {chapter}.")
        values = glued(read_notebook(path)["cells"])
        names = {name: f"versions_of_{name}" for name in ("claims", "questions", "runs")}
        for name in names.values():
            if name not in values:
                raise self.error(f"{chapter} pastes nothing under the name {name}: is it executed?")
        data = {part: json.loads(literal_eval(values[name])) for part, name in names.items()}
        made = {"changes": changes, "claims": claims, "questions": questions}[part](data)
        made["classes"].append("by-version")
        made["data"] = data
        link = nodes.reference("", DATA, refuri=DATA, internal=False)
        if part != "questions":
            return [made]
        tested = "; ".join(f"{BACKENDS[backend]} {', '.join(runs)}" for backend, runs in data["runs"].items())
        lines = [nodes.paragraph("", f"Keras on {tested}.", classes=["tested"])]
        return [*lines, nodes.paragraph("", "All of it as data: ", link), made]


def changes(data: dict[str, Any]) -> nodes.table:
    """Each change of an answer, with the two neighbouring versions. Backends that changed alike share a row."""
    found, alike = data["questions"], {}
    for backend in (backend for backend in BACKENDS if backend in found):
        for asked, spans in found[backend].items():
            for old, new in pairwise(spans):
                change = asked, f"{old[2]}, up to {old[1]}", f"{new[2]}, from {new[0]}"
                alike.setdefault(change, []).append(BACKENDS[backend])
    rows = [row(words(asked), ", ".join(names), before, after) for (asked, before, after), names in alike.items()]
    return table("version-changes", ("question", "backend", "before", "after"), rows, stub=True)


def claims(data: dict[str, Any]) -> nodes.table:
    """Version by claim."""
    found = data["claims"]
    names = list(next(iter(found.values())))
    rows = [row(version, *(answers[name] for name in names)) for version, answers in found.items()]
    return table("version-claims", ("TensorFlow", *names), rows, stub=True)


def questions(data: dict[str, Any]) -> nodes.table:
    """Question by backend; in each cell one paragraph for each span of versions, which the script shows or hides."""
    found = data["questions"]
    order = [backend for backend in BACKENDS if backend in found]
    asked = dict.fromkeys(question for backend in order for question in found[backend])
    rows = [
        nodes.row("", entry(words(each)), *(answers(found[backend].get(each, [])) for backend in order))
        for each in asked
    ]
    return table("version-questions", ("question", *(BACKENDS[backend] for backend in order)), rows, stub=True)


def answers(spans: list[list[str]]) -> nodes.entry:
    """A cell: the versions and what was observed there."""
    return nodes.entry("", *(answer(*span) for span in spans))


def answer(first: str, last: str, observed: str, detail: str) -> nodes.paragraph:
    """One span of versions."""
    versions = nodes.strong("", first if first == last else f"{first} to {last}", classes=["versions"])
    return nodes.paragraph("", "", versions, nodes.Text(f": {observed}"), classes=["span"])


def words(question: str) -> nodes.inline:
    """A question as it is shown: "effects: class_weight, val_loss". It holds code, so no typographic quotes."""
    section, *rest = question.split(" | ")
    text = f"{section.replace('_', ' ')}: {', '.join(rest)}"
    return nodes.inline("", text, support_smartquotes=False)


def add_files(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Load the style and the filter, and write the data, where the tables are."""
    made = [node for node in doctree.findall(nodes.table) if "by-version" in node["classes"]] if doctree else []
    if made:
        app.add_css_file("ledger.css")  # its filter looks the same
        app.add_css_file("weights_by_version.css")
        app.add_js_file("weights_by_version.js", loading_method="defer")
        path = Path(app.outdir, pagename).parent / DATA
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made[0]["data"], indent=1) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("weights-by-version", WeightsByVersion)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
