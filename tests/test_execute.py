"""Tests of the script behind `make execute`."""

from __future__ import annotations

import os
import platform
import re
import runpy
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import v4

SCRIPT = Path(__file__).parents[1] / "tools" / "execute.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def execute(script):
    return script["execute"]


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


def test_a_line_that_a_library_writes_past_python_is_not_stored_and_a_warning_is(execute, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # where a kernel finds it, it captures nothing of this kind
    log = "import os, warnings\nos.write(2, b'E0000 util.cc: oneDNN supports')\nos.write(1, b'a line of C++')"
    path = write(tmp_path / "a.ipynb", f"{log}\nwarnings.warn('look')")
    execute(path)
    [cell] = nbformat.read(path, as_version=4).cells
    assert [output.name for output in cell.outputs] == ["stderr"]
    assert "look" in cell.outputs[0].text and "oneDNN" not in cell.outputs[0].text


def test_a_chapter_that_fails_is_left_as_it_was(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_kernel_that_dies_is_said_to_be_dead_with_its_signal_and_its_cell(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)", "import os\nos.kill(os.getpid(), 9)")
    before = path.read_bytes()
    with pytest.raises(DeadKernelError, match=r"^the kernel died by signal 9 \(SIGKILL\) in this cell:\nimport os\n"):
        execute(path)
    assert path.read_bytes() == before


@pytest.fixture
def main(script, monkeypatch):
    """The whole command, with chapters that are executed by being written down. Returns what it said at its end."""

    monkeypatch.setenv("RUNS", "check")  # which the command replaces

    def run(*paths, error=None, mnist_is_missing=False):
        executed = []

        def execute(path):
            if error:
                raise error
            assert os.environ["RUNS"] == "store"
            executed.append(path.name)

        monkeypatch.setitem(script["main"].__globals__, "execute", execute)
        monkeypatch.setitem(script["main"].__globals__, "mnist_is_missing", lambda: mnist_is_missing)
        try:
            script["main"](list(map(str, paths)))
        except SystemExit as end:
            return executed, str(end)
        return executed, ""

    return run


def test_the_command_executes_one_chapter_after_the_other(main, tmp_path, capsys):
    assert main(write(tmp_path / "a.ipynb", "1"), write(tmp_path / "b.ipynb", "2")) == (["a.ipynb", "b.ipynb"], "")
    assert re.fullmatch(r"1 of 2: .*a.ipynb ... 0 s\n2 of 2: .*b.ipynb ... 0 s\n", capsys.readouterr().out)


def test_without_mnist_only_the_chapters_that_load_it_are_left(main, tmp_path):
    digits, other = write(tmp_path / "a.ipynb", "datasets.load_mnist()"), write(tmp_path / "b.ipynb", "2")
    executed, end = main(digits, other, mnist_is_missing=True)
    assert executed == ["b.ipynb"]
    assert end.startswith("MNIST was not found") and end.endswith(f"Left as they were: {digits}.")
    assert main(digits, other) == (["a.ipynb", "b.ipynb"], "")


def test_the_command_ends_with_a_dead_kernel_and_no_traceback(main, tmp_path):
    path = write(tmp_path / "a.ipynb", "1")
    assert main(path, error=DeadKernelError("the kernel died by ...")) == ([], "the kernel died by ...")


def test_a_chapter_runs_in_its_own_folder(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "from pathlib import Path\nprint(Path.cwd().name)")
    execute(path)
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == f"{tmp_path.name}\n"


def test_a_record_says_what_the_chapter_was_executed_with(execute, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    path = write(tmp_path / "a.ipynb", "import numpy, time\ntime.sleep(1)")
    before = datetime.now(UTC).date().isoformat()
    execute(path)
    notebook = nbformat.read(path, as_version=4)
    record = notebook.metadata["execution_record"]
    assert before <= record.pop("date") <= datetime.now(UTC).date().isoformat()
    assert 1 < record.pop("seconds") < 60
    assert re.fullmatch("[0-9a-f]{16}", record.pop("code"))
    assert record.pop("processor")
    assert record == {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": "3",
        # Installed is not enough: SciPy is, and this chapter does not load it.
        "packages": {"numpy": version("numpy")},
    }
    # The cell that asked the kernel is gone.
    assert [cell.source for cell in notebook.cells] == ["import numpy, time\ntime.sleep(1)"]


def test_a_record_holds_no_path_and_no_name_of_the_machine(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "import numpy")
    execute(path)
    record = str(nbformat.read(path, as_version=4).metadata["execution_record"])
    assert "/" not in record and "\\" not in record
    assert platform.node() not in record


def test_keras_is_recorded_with_its_backend(script, monkeypatch):
    # Asked in this process: to load Keras in a kernel takes seconds.
    from helpers.keras import keras

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = script["surroundings"](script["PACKAGES"])
    assert found["keras_backend"] == keras.config.backend()
    assert found["packages"]["keras"] == keras.__version__
    assert found["threads"] == "not limited"


def test_every_recorded_package_is_one_that_the_book_pins(script):
    pins = (SCRIPT.parents[1] / "requirements.txt").read_text(encoding="utf-8")
    assert [name for name in script["PACKAGES"] if f"\n{name}==" not in pins] == []


def test_a_chapter_that_fails_keeps_the_record_of_its_last_success(execute, tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)")
    execute(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before


def test_the_digest_follows_the_code_and_not_the_prose(script):
    def digest(*sources):
        cells = [v4.new_code_cell(source) for source in sources]
        with_prose = [v4.new_markdown_cell("a = 1"), *cells, v4.new_markdown_cell("Text.")]
        bare, full = (script["code_digest"](v4.new_notebook(cells=some)) for some in (cells, with_prose))
        assert bare == full
        return bare

    assert digest("a = 1") == digest("a = 1")
    assert len({digest(), digest("a = 1"), digest("a = 2"), digest("a = 1", "b"), digest("b", "a = 1")}) == 5
