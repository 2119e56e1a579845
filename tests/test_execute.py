"""Tests of the script behind `make execute`."""

from __future__ import annotations

import runpy
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import v4

SCRIPT = Path(__file__).parents[1] / "tools" / "execute.py"


@pytest.fixture(scope="module")
def execute():
    return runpy.run_path(str(SCRIPT))["execute"]


def write(path: Path, *sources: str) -> Path:
    cells = [v4.new_code_cell(source, metadata={"execution": {"iopub.status.idle": "long ago"}}) for source in sources]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_prints_are_joined_and_no_times_are_stored(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "import time\nprint(1)\ntime.sleep(0.5)\nprint(2)", "print(2 + 1)")
    execute(path)
    first, second = nbformat.read(path, as_version=4).cells
    assert [output.text for output in first.outputs] == ["1\n2\n"]
    assert [output.text for output in second.outputs] == ["3\n"]
    assert [first.execution_count, second.execution_count] == [1, 2]
    assert first.metadata == second.metadata == {}
    assert list(tmp_path.iterdir()) == [path]


def test_a_chapter_that_fails_is_left_as_it_was(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_chapter_runs_in_its_own_folder(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "from pathlib import Path\nprint(Path.cwd().name)")
    execute(path)
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == f"{tmp_path.name}\n"
