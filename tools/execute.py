"""Execute chapters in place: python tools/execute.py book/one.ipynb book/two.ipynb

`jupyter execute` does the same, but can neither join prints that arrive in pieces nor leave out the time of each cell.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from helpers.datasets import load_mnist

NO_MNIST = (
    "MNIST was not found, and outputs from the stand-in must not be stored: set MNIST_NPZ, or connect to a network."
)


def execute(path: Path) -> None:
    """Run all cells in a fresh kernel. The file is replaced at the end, and only if no cell failed."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": path.parent}},
    ).execute()
    new = path.with_suffix(".new")
    nbformat.write(notebook, new)
    os.replace(new, path)


def main(paths: list[str]) -> None:
    """Execute the chapters one after the other, and say how long each took."""
    if load_mnist().is_stand_in:
        sys.exit(NO_MNIST)
    for number, path in enumerate(paths, 1):
        print(f"{number} of {len(paths)}: {path} ... ", end="", flush=True)
        start = time.perf_counter()
        execute(Path(path))
        print(f"{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
