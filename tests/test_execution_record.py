"""Tests of the line at the foot of each chapter, of the page of versions, and of the records behind both."""

from __future__ import annotations

import os
import runpy
from functools import partial
from pathlib import Path

import nbformat
import pytest
import sphinx_project
from nbformat import v4
from sphinx.application import Sphinx
from sphinx_project import Project

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
VERSIONS = "(versions)=\n# Versions\n\n```{execution-records}\n```\n"
RECORD = {
    "code": "0123456789abcdef",
    "date": "2026-01-02",
    "seconds": 11.7,
    "python": "3.11.7",
    "system": "Linux x86_64",
    "processor": "A processor",
    "cores": 2,
    "threads": "1",
    "keras_backend": "tensorflow",
    "packages": {"numpy": "2.4.6", "torch": "2.13.0", "tensorflow": "2.21.0", "keras": "3.15.1"},
}
WITHOUT_FRAMEWORK = {key: value for key, value in RECORD.items() if key != "keras_backend"} | {
    "packages": {"numpy": "2.4.6"}
}
FOOT = "Last executed on 2026-01-02 in 12 s with Python 3.11.7, PyTorch 2.13.0, Keras 3.15.1 on TensorFlow 2.21.0."


# The records of the book.


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_has_a_record_of_the_code_that_it_holds(path):
    code_digest = runpy.run_path(str(ROOT / "tools" / "execute.py"))["code_digest"]
    notebook = nbformat.read(path, as_version=4)
    record = notebook.metadata.get("execution_record", {})
    advice = f"run `make execute CHAPTER={path.stem}`"
    assert record, f"no record: {advice}"
    assert record["code"] == code_digest(notebook), f"the code has changed since: {advice}"


# What the extension makes of records, in a small project.


class Chapters(Project):
    """A project with a page of versions. Its chapters have a title, a part, and a record or none."""

    def __init__(self, folder: Path, records: dict[str, dict | None]):
        super().__init__(folder, ["execution_record"], {"versions.md": VERSIONS}, suppress_warnings=[])
        self.builds = 0
        self.write("index.md", "# Start\n\n```{toctree}\n" + "\n".join([*records, "versions"]) + "\n```\n")
        for name, record in records.items():
            self.chapter(name, record)

    def chapter(self, name: str, record: dict | None) -> None:
        notebook = v4.new_notebook(cells=[v4.new_markdown_cell(f"# About {name}\n\n## A part\n\nText.")])
        notebook.metadata.update({"execution_record": record} if record else {})
        self.write(f"{name}.ipynb", nbformat.writes(notebook))
        # Sphinx compares times of change: a file that is written twice within a moment must look newer.
        path = self.source / f"{name}.ipynb"
        os.utime(path, (path.stat().st_mtime + self.builds,) * 2)

    def build(self) -> Sphinx:
        self.builds += 1
        return super().build()

    def foot(self, name: str) -> str:
        [foot] = self.page(f"{name}.html").select("p.execution-record")
        return foot.text

    def tables(self) -> list[list[list[str]]]:
        """The text of each cell of each row of each table."""
        return [
            [[cell.text.strip() for cell in row.select("th, td")] for row in table.select("tr")]
            for table in self.page("versions.html").select("table")
        ]


def test_the_foot_of_a_chapter_is_its_last_line_and_links_to_the_versions(tmp_path):
    project = Chapters(tmp_path, {"one": RECORD})
    project.build()
    assert project.warnings == ""
    assert project.foot("one") == f"{FOOT} All versions and times."
    *_, part, foot = project.page("one.html").select_one("section").find_all(recursive=False)
    assert part.select_one("h2") and foot["class"] == ["execution-record"]
    assert foot.a["href"] == "versions.html#versions"
    # Only chapters have one.
    assert not [name for name in ("versions", "index") if project.page(f"{name}.html").select(".execution-record")]


def test_the_foot_names_only_the_frameworks_that_the_chapter_used(tmp_path):
    on_torch = RECORD | {"keras_backend": "torch", "packages": {"torch": "2.13.0", "keras": "3.15.1"}}
    project = Chapters(tmp_path, {"one": WITHOUT_FRAMEWORK, "two": on_torch})
    project.build()
    assert project.foot("one") == ("Last executed on 2026-01-02 in 12 s with Python 3.11.7. All versions and times.")
    assert "with Python 3.11.7, PyTorch 2.13.0, Keras 3.15.1 on PyTorch 2.13.0." in project.foot("two")


def test_the_tables_of_chapters_that_agree(tmp_path):
    # The order is that of the table of contents, not that of the alphabet.
    other = WITHOUT_FRAMEWORK | {"date": "2026-03-04", "seconds": 100.2}
    project = Chapters(tmp_path, {"two": other, "one": RECORD})
    project.build()
    assert project.warnings == ""
    times, versions = project.tables()
    assert times == [
        ["Chapter", "Executed on", "Time"],
        ["About two", "2026-03-04", "100 s"],
        ["About one", "2026-01-02", "12 s"],
        ["Together", "", "112 s"],
    ]
    assert versions == [
        ["What", "Which", "In"],
        ["Python", "3.11.7", "all chapters"],
        ["System", "Linux x86_64", "all chapters"],
        ["Processor", "A processor", "all chapters"],
        ["Cores", "2", "all chapters"],
        ["Threads per process", "1", "all chapters"],
        ["Keras runs on", "tensorflow", "1 of 2 chapters"],
        ["keras", "3.15.1", "1 of 2 chapters"],
        ["numpy", "2.4.6", "all chapters"],
        ["tensorflow", "2.21.0", "1 of 2 chapters"],
        ["torch", "2.13.0", "1 of 2 chapters"],
    ]
    page = project.page("versions.html")
    assert "All chapters were executed with the same versions" in page.text
    assert [link["href"] for link in page.select("td a")] == ["two.html", "one.html"]


def test_versions_that_differ_are_shown_as_different(tmp_path):
    newer = RECORD | {"packages": RECORD["packages"] | {"torch": "2.14.0"}}
    elsewhere = RECORD | {"processor": "Another processor"}
    project = Chapters(tmp_path, {"one": RECORD, "two": newer, "three": elsewhere})
    project.build()
    _, versions = project.tables()
    assert [row for row in versions if row[0] in ("torch", "Processor")] == [
        ["Processor", "A processor", "About one, About two"],
        ["Processor", "Another processor", "About three"],
        ["torch", "2.13.0", "About one, About three"],
        ["torch", "2.14.0", "About two"],
    ]
    assert ["numpy", "2.4.6", "all chapters"] in versions
    assert "They differ in: Processor, torch." in project.page("versions.html").text


def test_where_most_chapters_agree_the_others_are_named(tmp_path):
    records = {name: RECORD for name in ("one", "two", "three", "four")}
    project = Chapters(tmp_path, records | {"five": RECORD | {"processor": "Another processor"}})
    project.build()
    assert [row[1:] for row in project.tables()[1] if row[0] == "Processor"] == [
        ["A processor", "the other 4 chapters"],
        ["Another processor", "About five"],
    ]


def test_a_chapter_without_a_record_is_a_warning_that_says_what_to_do(tmp_path):
    project = Chapters(tmp_path, {"one": RECORD, "two": None})
    project.build()
    [warning] = project.warnings.splitlines()
    assert "two.ipynb" in warning
    assert "WARNING: this chapter has no execution record: run `make execute CHAPTER=two`" in warning
    assert project.foot("two") == "It is not recorded when this chapter was executed. All versions and times."
    times, versions = project.tables()
    assert times[1:] == [
        ["About one", "2026-01-02", "12 s"],
        ["About two", "not recorded", ""],
        ["Together", "", "12 s"],
    ]
    # "All" would be wrong: nothing is known of the other.
    assert ["Python", "3.11.7", "1 of 2 chapters"] in versions


def test_the_next_build_shows_a_chapter_that_was_executed_again_or_added(tmp_path):
    project = Chapters(tmp_path, {"one": RECORD})
    project.build()
    project.chapter("one", RECORD | {"date": "2026-05-06"})
    project.build()
    assert project.tables()[0][1] == ["About one", "2026-05-06", "12 s"]
    assert "2026-05-06" in project.foot("one")
    project = Chapters(tmp_path, {"one": RECORD, "two": RECORD})
    project.build()
    assert [row[0] for row in project.tables()[0]] == ["Chapter", "About one", "About two", "Together"]


def test_pages_may_be_read_in_parallel(tmp_path, monkeypatch):
    monkeypatch.setattr(sphinx_project, "Sphinx", partial(Sphinx, parallel=2))
    names = [f"c{number}" for number in range(8)]  # Sphinx begins to share the work at six pages
    project = Chapters(tmp_path, dict.fromkeys(names, RECORD))
    project.build()
    assert project.warnings == ""
    assert [row[0] for row in project.tables()[0][1:-1]] == [f"About {name}" for name in names]
    assert {project.foot(name) for name in names} == {f"{FOOT} All versions and times."}
