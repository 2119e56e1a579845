"""What `conftest.py` adds to a run: its environment, an end to dead kernels, and a summary that hides nothing.

One run of pytest with the project's own configuration, on small notebooks, shows most of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import pytest
from nbformat import NotebookNode, v4
from nbval.kernel import RunningKernel

from helpers import mnist

ROOT = Path(__file__).parents[1]


def code(source: str, *printed: str) -> NotebookNode:
    return v4.new_code_cell(source, outputs=[v4.new_output("stream", name="stdout", text=text) for text in printed])


# Notebooks, each given as its cells.
NOTEBOOKS = {
    "changed": [code("x = 1\nprint(x / 2)", "0.5\n"), code("print(x / 4)", "0.35\n"), code("print(x)", "1\n")],
    "stripped": [code("print(1 / 2)")],
    "signal": [code("import os, signal"), code("print(1)\nos.kill(os.getpid(), signal.SIGSEGV)", "1\n")],
    "status": [code("import os\nos._exit(3)"), code("print(2)", "2\n")],
    "others": [
        code("import os, time, warnings\ntime.sleep(2.5)\nprint(1)", "1\n"),
        code("warnings.warn('CUDA initialization: no driver')"),
        code("warnings.warn('weights are lost')"),
        code("print(repr(os.environ['CUDA_VISIBLE_DEVICES']))", "''\n"),
    ],
    "digits": [code("# load_mnist()\nprint(1)", "2\n"), code("b = 1")],
}
FAILED = {"changed": [1], "stripped": [0], "signal": [1], "status": [0, 1], "others": [2]}
SKIPPED = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(record_property, number):
    record_property("not tested", "the moon.")
    pytest.skip("no moon")
"""


def run_pytest(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run pytest with the project's configuration, and without the settings of the pytest around it."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | variables
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(folder), *filter(None, [env.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "--nbval"]
    # Where a kernel has died, nbval alone would wait for the limit of the cell. The slowest cell takes 2.5 seconds.
    command += ["--nbval-cell-timeout=10", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def write(folder: Path, name: str, cells: list[NotebookNode]) -> str:
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
    nbformat.write(v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    return f"{name}.ipynb"


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> str:
    """What one run on all the notebooks prints. In another process, as `make test` runs the chapters."""
    folder = tmp_path_factory.mktemp("run")
    files = [write(folder, name, cells) for name, cells in NOTEBOOKS.items()]
    (folder / "test_skipped.py").write_text(SKIPPED)
    # No mirror at all is as good as no network, and does not depend on a proxy.
    (folder / "no_network.py").write_text("from helpers import mnist\n\nmnist.MNIST_MIRRORS = ()\n")
    options = ["-n", "1", "--dist", "loadfile", "-p", "no_network"]
    cache = str(folder / "cache")
    no_data = {"MNIST_NPZ": "", "EXAMPLE_WEIGHTING_CACHE": cache, "CUDA_VISIBLE_DEVICES": "0", "GPU": ""}
    return run_pytest(folder, *options, *files, "test_skipped.py", **no_data).stdout


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_fails_in_the_cells_that_are_wrong_and_in_no_other(output, name):
    """A changed digit, no stored output, a dead kernel and a warning are wrong. To be slow or without a GPU is not."""
    failed = re.findall(rf"^FAILED {name}.ipynb::Cell (\d+)", output, flags=re.MULTILINE)
    assert list(map(int, failed)) == FAILED.get(name, []), output


@pytest.mark.parametrize("how", ["by signal 11 (SIGSEGV)", "with exit status 3"])
def test_a_dead_kernel_is_said_to_be_dead(output, how):
    assert f"the kernel died {how}" in output


def test_the_summary_names_what_was_not_compared_and_not_tested(output):
    assert re.findall("^NOT .*", output, flags=re.MULTILINE) == [
        "NOT COMPARED: 2 cells of digits.ipynb ran on stand-in digits, because MNIST was not found. "
        "Set MNIST_NPZ to your own file, or connect to a network.",
        "NOT TESTED: the moon.",
    ], output


def test_a_cell_that_never_ends_still_meets_its_time_limit(tmp_path):
    endless = write(tmp_path, "endless", [code("while True: pass")])
    output = run_pytest(tmp_path, "--nbval-cell-timeout=3", endless).stdout
    assert "Timeout of 3 seconds exceeded" in output, output


# In this process.


@pytest.fixture
def project_conftest(monkeypatch) -> Callable[[], ModuleType]:
    """Execute the project's conftest, as pytest does at its start."""
    monkeypatch.setattr(RunningKernel, "await_reply", RunningKernel.await_reply)  # which it replaces

    def load() -> ModuleType:
        spec = importlib.util.spec_from_file_location("project_conftest", ROOT / "conftest.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(("gpu", "visible", "ignored"), [("", "", ["tests/test_cuda.py"]), ("1", "0", [])])
def test_a_gpu_is_hidden_unless_it_is_asked_for(monkeypatch, project_conftest, gpu, visible, ignored):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("GPU", gpu)
    assert project_conftest().collect_ignore == ignored
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_the_summary_says_which_runs_were_trained_again(monkeypatch, tmp_path, project_conftest):
    monkeypatch.setenv("RUNS_REPORT", str(tmp_path))
    found = {"chapter": "digits", "experiment": "train", "seeds": [3, 11], "agree": "equal"}
    (tmp_path / "digits-train.json").write_text(json.dumps(found))
    lines = []
    reporter = SimpleNamespace(stats={}, write_line=lambda line, **_: lines.append(line))
    conftest = project_conftest()
    conftest.pytest_sessionstart(None)  # a run inside a run forgets nothing
    conftest.pytest_terminal_summary(reporter)
    assert lines == ["TRAINED AGAIN: digits, train: seeds 3, 11: equal"]


def test_importing_the_helpers_hides_nothing():
    ask = "import os, helpers; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    env = os.environ | {"CUDA_VISIBLE_DEVICES": "0"}
    assert subprocess.check_output([sys.executable, "-c", ask], cwd=ROOT, env=env, text=True) == "0\n"


def item(chapter: str, source: str) -> SimpleNamespace:
    """What the conftest sees of a cell that nbval has collected."""
    cell = SimpleNamespace(source=source)
    return SimpleNamespace(path=Path(chapter), cell=cell, options={"check": True}, user_properties=[])


@pytest.mark.parametrize("is_stand_in", [True, False])
def test_only_chapters_that_load_a_stand_in_for_mnist_are_not_compared(monkeypatch, project_conftest, is_stand_in):
    monkeypatch.setattr(mnist, "load_mnist", lambda: SimpleNamespace(is_stand_in=is_stand_in))
    digits = [item("digits.ipynb", "import helpers"), item("digits.ipynb", "mnist = datasets.load_mnist()")]
    other = item("other.ipynb", "print(1)")
    project_conftest().pytest_collection_modifyitems([*digits, other, SimpleNamespace(path=Path("test_a.py"))])
    assert [cell.options["check"] for cell in digits] == [not is_stand_in] * 2
    assert other.options["check"]


def test_mnist_is_not_looked_for_where_no_chapter_loads_it(monkeypatch, project_conftest):
    monkeypatch.setattr(mnist, "load_mnist", lambda: pytest.fail("it was looked for"))
    other = item("other.ipynb", "print(1)")
    project_conftest().pytest_collection_modifyitems([other])
    assert other.options["check"]
