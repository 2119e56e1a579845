"""Tests of the package as a whole: what an import costs, and that every public name explains itself."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import helpers
import helpers.keras

ROOT = Path(__file__).parents[1]
HEAVY = ["torch", "tensorflow", "keras", "matplotlib", "sklearn"]
MODULES = [module.name for module in pkgutil.iter_modules(helpers.__path__) if not module.name.startswith("_")]

# The clock starts inside the process: how long Python itself takes to start is not the package's doing.
IMPORT = """
import json, sys, time
start = time.perf_counter()
import {name}
seconds = time.perf_counter() - start
print(json.dumps([seconds, [m for m in {heavy} if m in sys.modules]]))
"""


def import_in_a_new_process(name):
    """How long the import took, and which heavy packages it loaded."""
    code = IMPORT.format(name=name, heavy=HEAVY)
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stderr) == (0, "")
    return json.loads(process.stdout)  # which fails if the import printed anything


def test_the_version_is_that_of_the_project_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert helpers.__version__ == project["version"]


def test_importing_the_package_is_quick_and_loads_no_framework():
    runs = [import_in_a_new_process("helpers") for _ in range(3)]
    assert [loaded for _, loaded in runs] == [[], [], []]
    assert min(seconds for seconds, _ in runs) < 0.3


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("weights", HEAVY),
        ("reductions", HEAVY),
        ("findings", HEAVY),
        ("datasets", HEAVY),
        ("mnist", HEAVY),
        ("semantics", HEAVY),
        ("interactive", HEAVY),
        ("plots", ["torch", "tensorflow", "keras", "sklearn"]),
        ("pytorch", ["tensorflow", "keras", "matplotlib", "sklearn"]),
        # Keras itself loads matplotlib and scikit-learn where it finds them.
        ("keras", ["torch"]),
    ],
)
def test_a_module_loads_no_framework_but_its_own_and_prints_nothing(module, foreign):
    # For helpers.keras this also says that TensorFlow's start-up noise does not come through.
    _, loaded = import_in_a_new_process(f"helpers.{module}")
    assert set(loaded) & set(foreign) == set()


def public_names(modules):
    return [(name, public) for name in modules for public in importlib.import_module(f"helpers.{name}").__all__]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_explains_itself_and_lists_its_public_names(name):
    module = importlib.import_module(f"helpers.{name}")
    assert module.__doc__
    assert len(module.__all__) == len(set(module.__all__)) > 0


@pytest.mark.parametrize(("name", "public"), public_names(MODULES))
def test_every_public_name_exists_and_has_a_docstring_of_its_own(name, public):
    thing = getattr(importlib.import_module(f"helpers.{name}"), public)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        # A dataclass without a docstring is given its signature for one.
        assert thing.__doc__ and not thing.__doc__.startswith(f"{public}(")
    else:
        assert public.isupper(), "a public name is a function, a class or a constant"
