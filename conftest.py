"""One thread per process, and honesty about the chapters that could not have the real MNIST."""

from __future__ import annotations

import os
import warnings
from collections import Counter

# Before any kernel or framework starts, so that plain `pytest` does what `make test` does.
for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")


def pytest_collection_modifyitems(items):
    """Without MNIST the chapters that load it still run, on a stand-in, but their outputs are not compared."""
    cells = [item for item in items if item.path.suffix == ".ipynb"]
    needs_mnist = {cell.path for cell in cells if "load_mnist" in cell.cell.source}
    if not needs_mnist or not _mnist_is_stand_in():
        return
    for cell in cells:
        if cell.path in needs_mnist:
            cell.options["check"] = False
            cell.user_properties.append(("not compared", cell.path.name))


def pytest_terminal_summary(terminalreporter):
    """Name what ran without being compared. The reports carry it, from other processes too."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    counts = Counter(
        value for r in reports if r.when == "call" for key, value in r.user_properties if key == "not compared"
    )
    for chapter, count in counts.items():
        terminalreporter.write_line(
            f"NOT COMPARED: {count} cells of {chapter} ran on stand-in digits, because MNIST was not found. "
            "Set MNIST_NPZ to your own file, or connect to a network.",
            yellow=True,
        )


def _mnist_is_stand_in() -> bool:
    from helpers.datasets import load_mnist

    with warnings.catch_warnings():
        # The summary says it, once and at the end.
        warnings.simplefilter("ignore")
        return load_mnist().is_stand_in
