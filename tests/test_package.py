"""Tests of the package as a whole: who imports whom, what that costs, and what a module says of itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import helpers
import helpers.keras

ROOT = Path(__file__).parents[1]
HEAVY = ["torch", "tensorflow", "keras", "matplotlib", "sklearn"]
ALL_MODULES = [module.name for module in pkgutil.iter_modules(helpers.__path__)]
MODULES = [name for name in ALL_MODULES if not name.startswith("_")]
# Which room may import which, where it may import any: CONTRIBUTING.md says it in words.
MAY_IMPORT = {
    "reductions": {"weights"},
    "pytorch": {"reductions", "weights"},
    "keras": {"reductions", "weights"},
    "check": {"reductions"},
    "semantics": {"pytorch", "keras", "reductions", "weights"},
    "datasets": {"mnist"},
    "runs": {"mnist"},
    "tools": {"mnist"},
    "conftest.py": {"mnist", "tools"},
    "book/extensions": set(),
}
# The heavy packages that a module loads. Keras itself loads matplotlib and scikit-learn where it finds them.
LOADS = {"plots": {"matplotlib"}, "pytorch": {"torch"}, "keras": set(HEAVY) - {"torch"}}

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


def test_the_version_and_the_name_are_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation, config = (yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("CITATION.cff", "_config.yml"))
    assert helpers.__version__ == citation["version"] == project["version"]
    assert citation["title"] == config["title"] == (ROOT / "README.md").read_text("utf-8").splitlines()[0][2:]
    assert config["title"] in project["description"]


def test_the_citation_has_what_its_format_asks_for():
    """The keys that version 1.2.0 of the format requires."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert [key for key in ("message", "title", "authors") if not citation.get(key)] == []
    assert [author for author in citation["authors"] if not author.get("name")] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]


def test_the_newest_entry_of_the_changelog_is_the_version_that_is_cited():
    """And the versions fall: what is released never stays under "Unreleased"."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert released[0] == f"{citation['version']} ({citation['date-released']})"
    versions = [tuple(map(int, heading.split(" ")[0].split("."))) for heading in released]
    assert versions == sorted(set(versions), reverse=True)


def test_importing_the_package_is_quick_and_loads_no_framework():
    runs = [import_in_a_new_process("helpers") for _ in range(3)]
    assert [loaded for _, loaded in runs] == [[], [], []]
    assert min(seconds for seconds, _ in runs) < 0.3


@pytest.mark.parametrize("name", MODULES)
def test_a_module_loads_no_framework_but_its_own_and_prints_nothing(name):
    # For helpers.keras this also says that TensorFlow's start-up noise does not come through.
    _, loaded = import_in_a_new_process(f"helpers.{name}")
    assert set(loaded) <= LOADS.get(name, set())


def rooms_imported_by(source: str) -> set[str]:
    """The modules of the package and the folders that a source imports, at its top or only when it needs them."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "write imports in full, so that they can be found"
            names += [f"{node.module}.{name.name}" for name in node.names]
    ours = [name for name in names if name.split(".")[0] in ("helpers", "tools", "tests", "book")]
    return {name.removeprefix("helpers.").split(".")[0] for name in ours}


@pytest.mark.parametrize("room", sorted({*ALL_MODULES, *MAY_IMPORT}))
def test_a_room_imports_only_the_rooms_it_may(room):
    package = ROOT / "helpers" / room
    place = next(path for path in (package, package.with_suffix(".py"), ROOT / room) if path.exists())
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    imported = set().union(*(rooms_imported_by(file.read_text(encoding="utf-8")) for file in files))
    public = {name for name in imported if not name.startswith("_")} - {room, "helpers"}
    assert public <= MAY_IMPORT.get(room, set())


def test_every_way_to_import_a_room_is_seen():
    source = (
        "import helpers.mnist, keras.ops\nif 1:\n    from helpers import plots\n    from helpers.weights import a\n"
    )
    assert rooms_imported_by(source + "import tools.execute") == {"mnist", "plots", "weights", "tools"}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_explains_itself_and_lists_its_public_names(name):
    """Whether these explain themselves, `test_api.py` asks."""
    module = importlib.import_module(f"helpers.{name}")
    assert module.__doc__
    assert len(module.__all__) == len(set(module.__all__)) > 0
    things = {public: getattr(module, public) for public in module.__all__}
    constants = [
        public for public, thing in things.items() if not inspect.isclass(thing) and not inspect.isfunction(thing)
    ]
    assert [public for public in constants if not public.isupper()] == []
