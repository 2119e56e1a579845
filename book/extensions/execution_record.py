"""What each chapter was executed with: a line at its foot, and the tables of the page of versions.

`make execute` writes the record into the notebook's metadata (`tools/execute.py`), and this extension shows it. Both
read the notebooks while pages are written, so that an incremental build is never behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from building_blocks import FRAMEWORKS, is_chapter, read_notebook, reference, row, table
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

Record = dict

# The label of the page with the tables, to which the line at the foot of each chapter links.
VERSIONS_LABEL = "versions"
# Keras runs on one of the others.
NAMES = FRAMEWORKS | {"tensorflow": "TensorFlow", "jax": "JAX"}
SETTINGS = {
    "python": "Python",
    "system": "System",
    "processor": "Processor",
    "cores": "Cores",
    "threads": "Threads per process",
    "keras_backend": "Keras runs on",
}


class records_place(nodes.General, nodes.Element):
    """Where the tables will stand once all chapters are known. No page is written with it."""


class ExecutionRecords(SphinxDirective):
    """`execution-records`: the table of chapters, and the table of what they were executed with."""

    def run(self) -> list[nodes.Node]:
        """Leave a mark; the tables need the order of the chapters, which is known only when all pages are read."""
        # The page depends on every chapter, also on those that are added later: read it anew in each build.
        self.env.note_reread()
        return [records_place()]


class ShowRecords(SphinxPostTransform):
    """Put the records into the page that is about to be written."""

    default_priority = 5  # before references are resolved: the lines and tables have some

    def run(self, **kwargs) -> None:
        """Add the foot of a chapter, or fill in the tables."""
        if is_chapter(self.env, self.env.docname):
            top = next(self.document.findall(nodes.section), self.document)
            top += foot(read_record(self.env, self.env.docname), self.env.docname)
        for place in list(self.document.findall(records_place)):
            place.replace_self(tables(self.env))


def chapters(env: BuildEnvironment, docname: str) -> Iterator[str]:
    """The chapters below a page, in the order of the table of contents."""
    if is_chapter(env, docname):
        yield docname
    for child in env.toctree_includes.get(docname, []):
        yield from chapters(env, child)


def read_record(env: BuildEnvironment, docname: str) -> Record | None:
    """What `make execute` wrote into a notebook; None if it did not."""
    return read_notebook(env.doc2path(docname))["metadata"].get("execution_record")


def foot(record: Record | None, docname: str) -> nodes.paragraph:
    """The line at the foot of a chapter. Without a record it is a warning, and so a failure of the build."""
    if record is None:
        logger.warning(
            "this chapter has no execution record: run `make execute CHAPTER=%s`",
            docname.rpartition("/")[2],
            location=docname,
        )
        said = "It is not recorded when this chapter was executed. "
    else:
        versions = ", ".join([f"Python {record['python']}", *frameworks(record)])
        said = f"Last executed on {record['date']} in {record['seconds']:.0f} s with {versions}. "
    versions_page = reference("ref", VERSIONS_LABEL, "All versions and times")
    return nodes.paragraph("", said, versions_page, nodes.Text("."), classes=["execution-record"])


def frameworks(record: Record) -> list[str]:
    """The frameworks of a chapter as text, for instance "Keras 3.15.1 on TensorFlow 2.21.0"."""
    packages = record["packages"]
    named = {name: f"{NAMES[name]} {packages[name]}" for name in NAMES if name in packages}
    said = [named["torch"]] if "torch" in named else []
    if "keras" in named:
        backend = record["keras_backend"]
        said.append(f"{named['keras']} on {named.get(backend, backend)}")
    return said


def tables(env: BuildEnvironment) -> list[nodes.Node]:
    """The table of chapters and times, a sentence, and the table of versions."""
    records = {docname: read_record(env, docname) for docname in chapters(env, env.config.root_doc)}
    recorded = {docname: record for docname, record in records.items() if record}
    times = [row(reference("doc", f"/{docname}"), *when(record)) for docname, record in records.items()]
    times.append(row("Together", "", f"{sum(record['seconds'] for record in recorded.values()):.0f} s"))
    uses = group(recorded)
    different = [name for name, by_value in uses.items() if len(by_value) > 1]
    if different:
        sentence = f"The chapters were not all executed alike. They differ in: {', '.join(different)}."
    else:
        sentence = "All chapters were executed with the same versions, on the same kind of machine."
    rows = [
        row(name, value, said_of(len(docnames), len(records)) if len(by_value) == 1 else listed(docnames, by_value))
        for name, by_value in uses.items()
        for value, docnames in by_value.items()
    ]
    return [
        table("execution-times", ["Chapter", "Executed on", "Time"], times),
        nodes.paragraph("", sentence),
        table("execution-versions", ["What", "Which", "In"], rows),
    ]


def when(record: Record | None) -> list[str]:
    """The cells for date and time."""
    return [record["date"], f"{record['seconds']:.0f} s"] if record else ["not recorded", ""]


def group(recorded: dict[str, Record]) -> dict[str, dict[str, list[str]]]:
    """Setting or package -> its value -> the chapters that had it."""
    packages = sorted({name for record in recorded.values() for name in record["packages"]})
    uses: dict[str, dict[str, list[str]]] = {name: {} for name in [*SETTINGS.values(), *packages]}
    for docname, record in recorded.items():
        settings = {label: str(record[key]) for key, label in SETTINGS.items() if key in record}
        for name, value in (settings | record["packages"]).items():
            uses[name].setdefault(value, []).append(docname)
    return uses


def said_of(some: int, total: int) -> str:
    """How many chapters, in words."""
    return "all chapters" if some == total else f"{some} of {total} chapters"


def listed(docnames: list[str], by_value: dict[str, list[str]]) -> nodes.Node | str:
    """The chapters with one value by name; where most have it, the others name themselves."""
    several = sum(map(len, by_value.values()))
    return f"the other {len(docnames)} chapters" if len(docnames) > max(3, several / 2) else links(docnames)


def links(docnames: list[str]) -> nodes.inline:
    """The chapters by name, with commas."""
    listed = nodes.inline()
    for docname in docnames:
        listed += [nodes.Text(", ")] * bool(len(listed)) + [reference("doc", f"/{docname}")]
    return listed


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("execution-records", ExecutionRecords)
    app.add_post_transform(ShowRecords)
    app.add_css_file("execution_record.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
