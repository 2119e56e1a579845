"""What `make test` sets, for a plain `pytest` too; kernels that die; and honesty about what was not tested."""

from __future__ import annotations

import json
import os
import queue
import time
import warnings
from collections import Counter
from pathlib import Path

from nbval.kernel import RunningKernel

from tools.kernels import ENVIRONMENT, the_kernel_died

# Before any kernel or framework starts.
for variable, value in ENVIRONMENT.items():
    os.environ.setdefault(variable, value)

# A chapter with stored runs trains some again and compares; what it finds stands in the summary.
os.environ.setdefault("RUNS", "check")
# A run inside a run reports to the outer one, and leaves its reports alone.
OUTERMOST = "RUNS_REPORT" not in os.environ
RUNS_REPORT = Path(os.environ.setdefault("RUNS_REPORT", str(Path(__file__).parent / "_build" / "reports" / "runs")))

collect_ignore = []
if not os.environ.get("GPU"):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    collect_ignore = ["tests/test_cuda.py"]

# The notes of tests and cells that the summary repeats, each with what it counts.
NOT_COMPARED, NOT_TESTED = "not compared", "not tested"
SECONDS_BETWEEN_LOOKS = 1

_await_reply = RunningKernel.await_reply


def await_reply(self: RunningKernel, msg_id: str, timeout: float | None = None) -> None:
    """Wait for a kernel's answer as nbval does, but look now and then whether the kernel is still there.

    nbval would wait for a dead kernel until the time limit of the cell, and then speak of that limit.
    """
    end = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return _await_reply(self, msg_id, timeout=max(0, min(SECONDS_BETWEEN_LOOKS, end - time.monotonic())))
        except queue.Empty:
            if not self.is_alive():
                raise RuntimeError(the_kernel_died(self.km)) from None
            if time.monotonic() >= end:
                raise


RunningKernel.await_reply = await_reply


def pytest_sessionstart(session):
    """Forget which runs were trained again last time."""
    if OUTERMOST:
        RUNS_REPORT.mkdir(parents=True, exist_ok=True)
        for old in RUNS_REPORT.glob("*.json"):
            old.unlink()


def pytest_collection_modifyitems(items):
    """Without MNIST the chapters that load it still run, on a stand-in, but their outputs are not compared."""
    cells = [item for item in items if item.path.suffix == ".ipynb"]
    needs_mnist = {cell.path for cell in cells if "load_mnist" in cell.cell.source}
    if not needs_mnist or not _mnist_is_stand_in():
        return
    for cell in cells:
        if cell.path in needs_mnist:
            cell.options["check"] = False
            cell.user_properties.append((NOT_COMPARED, cell.path.name))


def pytest_terminal_summary(terminalreporter):
    """Name what ran without being compared, and what did not run. The reports carry it, from other processes too."""
    reports = [r for outcome in ("passed", "failed", "skipped") for r in terminalreporter.stats.get(outcome, [])]
    compared = [r for r in reports if r.when == "call"]
    counts = Counter(value for r in compared for key, value in r.user_properties if key == NOT_COMPARED)
    for chapter, count in counts.items():
        terminalreporter.write_line(
            f"NOT COMPARED: {count} cells of {chapter} ran on stand-in digits, because MNIST was not found. "
            "Set MNIST_NPZ to your own file, or connect to a network.",
            yellow=True,
        )
    for note in dict.fromkeys(value for r in reports for key, value in r.user_properties if key == NOT_TESTED):
        terminalreporter.write_line(f"NOT TESTED: {note}", yellow=True)
    for path in sorted(RUNS_REPORT.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        seeds = ", ".join(map(str, found["seeds"]))
        line = f"TRAINED AGAIN: {found['chapter']}, {found['experiment']}: seeds {seeds}: {found['agree']}"
        terminalreporter.write_line(line)


def _mnist_is_stand_in() -> bool:
    from helpers.mnist import load_mnist

    with warnings.catch_warnings():
        # The summary says it, once and at the end.
        warnings.simplefilter("ignore")
        return load_mnist().is_stand_in
