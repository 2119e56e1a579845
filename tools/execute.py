"""Execute chapters in place: python -m tools.execute book/one.ipynb book/two.ipynb

`jupyter execute` does the same, but can neither join prints that arrive in pieces, nor leave out the time of each cell,
nor record what a chapter was executed with.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode, v4

from helpers.mnist import load_mnist
from tools.kernels import the_kernel_died

NO_MNIST = (
    "MNIST was not found, and outputs from the stand-in must not be stored: set MNIST_NPZ, or connect to a network."
)

# The packages that compute a chapter's numbers and figures, each with the module it installs. A record names those
# that the chapter has loaded.
PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "matplotlib": "matplotlib",
    "joblib": "joblib",
    "distributed": "distributed",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "tf_keras": "tf_keras",
    "transformers": "transformers",
    "accelerate": "accelerate",
    "lightning": "lightning",
    "torchmetrics": "torchmetrics",
    "skorch": "skorch",
    "imbalanced-learn": "imblearn",
}


def surroundings(packages: dict[str, str]) -> dict:
    """What this process runs on. The chapter's own kernel runs a copy of this source, so the imports are in here."""
    import os
    import platform
    import sys
    from importlib.metadata import version
    from pathlib import Path

    cpu_info = Path("/proc/cpuinfo")  # only Linux has it; elsewhere Python knows the processor's name
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    backend = {"keras_backend": sys.modules["keras"].config.backend()} if "keras" in sys.modules else {}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "not limited"),
        **backend,
        "packages": {name: version(name) for name, module in packages.items() if module in sys.modules},
    }


QUESTION = f"{inspect.getsource(surroundings)}\nimport json\nprint(json.dumps(surroundings({PACKAGES})))"


def code_digest(notebook: NotebookNode) -> str:
    """A short digest of all code cells: it tells a record of this code from a record of older code."""
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:16]


class Client(NotebookClient):
    """A client that says how a kernel died, and in which cell."""

    async def async_execute_cell(self, cell: NotebookNode, *arguments, **options) -> NotebookNode:
        """Execute one cell."""
        try:
            return await super().async_execute_cell(cell, *arguments, **options)
        except DeadKernelError:
            raise DeadKernelError(f"{the_kernel_died(self.km)} in this cell:\n{cell.source}") from None


def execute(path: Path) -> None:
    """Run all cells in a fresh kernel, and record with what. The file is replaced only if no cell failed."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    record = {"date": datetime.now(UTC).date().isoformat(), "code": code_digest(notebook)}
    # One cell more, for a moment: what the kernel has loaded only the kernel can say.
    notebook.cells.append(v4.new_code_cell(QUESTION))
    start = time.perf_counter()
    Client(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        # What a library writes past Python, such as TensorFlow's log, is no output of a cell: pytest's kernels do not
        # capture it either.
        extra_arguments=["--IPKernelApp.log_level=ERROR", "--IPKernelApp.capture_fd_output=False"],
        resources={"metadata": {"path": path.parent}},
    ).execute()
    record["seconds"] = round(time.perf_counter() - start, 1)
    [answer] = notebook.cells.pop().outputs
    notebook.metadata["execution_record"] = record | json.loads(answer.text)
    new = path.with_suffix(".new")
    nbformat.write(notebook, new)
    os.replace(new, path)


def main(paths: list[str]) -> None:
    """Execute the chapters one after the other, and say how long each took."""
    # What has no stored runs is trained with all its seeds, and stored.
    os.environ["RUNS"] = "store"
    left = []
    for number, path in enumerate(paths, 1):
        print(f"{number} of {len(paths)}: {path} ... ", end="", flush=True)
        if "load_mnist" in Path(path).read_text(encoding="utf-8") and mnist_is_missing():
            left.append(path)
            print("left as it was")
            continue
        start = time.perf_counter()
        try:
            execute(Path(path))
        except DeadKernelError as error:
            sys.exit(f"{error}")
        print(f"{time.perf_counter() - start:.0f} s", flush=True)
    if left:
        sys.exit(f"{NO_MNIST} Left as they were: {', '.join(left)}.")


@functools.cache
def mnist_is_missing() -> bool:
    """Looked for only where a chapter loads it, and once."""
    return load_mnist().is_stand_in


if __name__ == "__main__":
    main(sys.argv[1:])
