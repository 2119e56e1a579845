"""Torch, triton and TensorFlow in one process: no crash where the helpers come before triton, and no noise."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path

import pytest

from helpers import _start

ROOT = Path(__file__).parents[1]

# The first optimiser is where torch imports triton.
USE_BOTH = """
import sys, torch
torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
print("triton" in sys.modules)
"""
# Each process forks for each module that may come next, so that what two orders begin with is imported once.
TREE = """
import importlib, os, sys

def grow(done, orders):
    for name in dict.fromkeys(order[0] for order in orders):
        child = os.fork()
        if not child:
            importlib.import_module(name)
            left = [order[1:] for order in orders if order[0] == name and len(order) > 1]
            grow([*done, name], left)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status or all(len(order) == 1 for order in orders if order[0] == name):
            os.write(1, f"{' '.join([*done, name])}: {status}\\n".encode())

grow([], ORDERS)
"""


def python(code: str, *, path: list[Path] = (), limit: float = 120, **variables: str) -> subprocess.CompletedProcess:
    """Run code in a process of its own, with the helpers at hand."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [ROOT, *path]))} | variables
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=limit)


# With triton, which a PyTorch for processors does not have.


@pytest.fixture(scope="module")
def triton() -> list[Path] | str:
    """Where to look for triton: nowhere special, if it is installed; or why it cannot be had."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("PyTorch brings triton on Linux only")
    if find_spec("triton"):
        return []
    [version] = re.findall(r"^triton==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    folder = ROOT / "_build" / "triton" / f"{version}-{sys.implementation.cache_tag}"
    if not folder.exists():
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", new]
        done = subprocess.run([*install, f"triton=={version}"], capture_output=True, text=True)
        if done.returncode:
            return f"triton {version} could not be installed ({done.stderr.strip().splitlines()[-1]})"
        new.rename(folder)
    return [folder]


@pytest.fixture
def triton_path(triton, record_property) -> list[Path]:
    if isinstance(triton, str):
        record_property("not tested", f"imports of torch, triton and TensorFlow in every order: {triton}.")
        pytest.skip(triton)
    return triton


# Torch itself loads triton later; `torch._dynamo` and Lightning load it when they are imported.
EARLY = [("tensorflow", "helpers", "torch", name) for name in ("torch._dynamo", "lightning")]
# The last one is that of the cheat sheet, which does without the helpers.
ORDERS = [
    *((*order, "triton") for order in permutations(["helpers", "tensorflow", "torch"])),
    *EARLY,
    ("triton", "tensorflow", "torch"),
]
# The day this ends well, TensorFlow or triton has mended it, and the helpers need not any more.
CRASH = ("tensorflow", "torch", "torch._dynamo")


@pytest.fixture(scope="module")
def ends(triton) -> dict[str, str]:
    """The exit status of a process for each order of imports."""
    if isinstance(triton, str):  # there is nothing to run, and each test says why
        return {}
    done = python(f"ORDERS = {[*ORDERS, CRASH]}\n{TREE}", path=triton, limit=300)
    return dict(line.split(": ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_in_every_order_of_imports_torch_can_load_triton(triton_path, ends, order):
    assert ends[" ".join(order)] == "0"


def test_where_the_helpers_come_too_late_or_never_the_process_crashes(triton_path, ends):
    assert ends[" ".join(CRASH)] == str(-signal.SIGSEGV)


def test_the_first_optimizer_loads_triton(triton_path):
    done = python(f"import tensorflow, helpers\n{USE_BOTH}", path=triton_path)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_without_the_helpers_the_first_optimizer_crashes(triton_path):
    assert python(f"import tensorflow, torch\n{USE_BOTH}", path=triton_path).returncode == -signal.SIGSEGV


def test_the_helpers_do_not_import_triton_itself(triton_path):
    done = python("import sys, helpers; print('triton' in sys.modules)", path=triton_path)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("content", [None, b"no library"], ids=["no library", "a broken library"])
def test_a_triton_that_cannot_be_loaded_does_no_harm(tmp_path, content):
    (tmp_path / "triton" / "_C").mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").touch()
    if content:
        (tmp_path / "triton" / "_C" / "libtriton.so").write_bytes(content)
    done = python("import helpers", path=[tmp_path])
    assert (done.returncode, done.stderr) == (0, "")


# Quiet.


def test_neither_the_start_of_tensorflow_nor_its_first_step_prints_anything():
    code = "import helpers.keras, tensorflow as tf; print(float(tf.ones(()) + 1))"
    done = python(code, CUDA_VISIBLE_DEVICES="0")  # it looks for the GPU, and finds none or one
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")


@pytest.mark.parametrize(("before", "inside"), [(None, "2"), ("0", "0")])
def test_the_level_of_the_log_is_set_for_the_start_only(monkeypatch, before, inside):
    name = "TF_CPP_MIN_LOG_LEVEL"
    monkeypatch.delenv(name, raising=False)
    if before:
        monkeypatch.setenv(name, before)
    with pytest.raises(ZeroDivisionError), _start.quiet():
        assert os.environ[name] == inside
        raise ZeroDivisionError
    assert os.environ.get(name) == before


def test_only_what_is_written_inside_is_lost(capfd):
    os.write(2, b"before, ")
    with _start.quiet():
        os.write(2, b"inside, ")
        print("inside, ", end="", file=sys.__stderr__)
    os.write(2, b"after")
    assert capfd.readouterr().err == "before, after"


CLOSED = """
import errno, os
from helpers import _start
with _start.quiet():
    os.write(2, b"inside")
try:
    os.write(2, b"after")
except OSError as error:
    assert error.errno == errno.EBADF
    print(len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else "")
"""


def test_a_closed_error_stream_is_no_error_and_stays_closed():
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, CLOSED], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0
    # Standard input and output, and the folder that is being listed: nothing else was left open.
    assert done.stdout in ("3\n", "\n")
