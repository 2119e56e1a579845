"""The commands of the README: what they set, what they select, and which versions they install."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.kernels import ENVIRONMENT

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
# Found by every machine before the project has installed anything, so that no file can pin it.
BEFORE_ALL = {"pip"}


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run make without what the run around it has set."""
    names = {*ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "GPU", "CHAPTER", "MAKEFLAGS", "MAKELEVEL"}
    env = {name: value for name, value in os.environ.items() if name not in names} | variables
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


# The environment.


def what_make_exports(*arguments: str) -> dict[str, str]:
    lines = make("--eval", "show:;@env", "show", *arguments, CUDA_VISIBLE_DEVICES="0").stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_make_and_a_plain_pytest_set_the_same():
    exported = what_make_exports()
    assert {name: exported.get(name) for name in ENVIRONMENT} == ENVIRONMENT


@pytest.mark.parametrize(("arguments", "visible"), [([], ""), (["GPU=1"], "0")])
def test_make_hides_a_gpu_unless_it_is_asked_for(arguments, visible):
    assert what_make_exports(*arguments)["CUDA_VISIBLE_DEVICES"] == visible


# What is tested.


def given_to_pytest(*arguments: str) -> str:
    """What `make test` would give to pytest."""
    [command] = re.findall(r"^.*/pytest ((?:.*\\\n)*.*)", make("--dry-run", "test", *arguments).stdout, re.MULTILINE)
    return " ".join(command.replace("\\\n", "").split())


def test_make_test_can_be_had_whole_or_in_parts():
    rest = "--nbval --junitxml=_build/reports/tests.xml"
    assert given_to_pytest() == f"book tools/template.ipynb tests -n 2 --dist loadfile --no-loadscope-reorder {rest}"
    assert given_to_pytest("GPU=1") == f"tests/test_cuda.py {rest}"
    one_chapter = f"book/cheat_sheet.ipynb tests/test_notebooks.py -k cheat_sheet {rest}"
    for name in ("cheat_sheet", "cheat_sheet.ipynb", "book/cheat_sheet.ipynb"):
        assert given_to_pytest(f"CHAPTER={name}") == one_chapter


@pytest.mark.parametrize("target", ["test", "execute"])
def test_an_unknown_chapter_is_a_clear_error(target):
    done = make(target, "CHAPTER=cheatsheet")
    assert done.returncode != 0
    assert "There is no chapter book/cheatsheet.ipynb. There are: cheat_sheet cluster_bias" in done.stderr


# The versions.


def parsed(path: str) -> list[Requirement]:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-e "))]


def environments() -> list[dict[str, str]]:
    """Those for which one set of pins must do."""
    systems = [("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64"), ("win32", "Windows", "AMD64")]
    return [
        dict(default_environment())
        | {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
        | {"sys_platform": name, "platform_system": system, "platform_machine": machine}
        for python in PYTHONS
        for name, system, machine in systems
    ]


def pins(environment: dict[str, str]) -> dict[str, str]:
    """Name -> version, as the constraints choose it there."""
    chosen = [r for r in parsed("constraints.txt") if r.marker is None or r.marker.evaluate(environment)]
    assert len({canonicalize_name(r.name) for r in chosen}) == len(chosen), "a package is pinned twice"
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in chosen}


def test_every_constraint_is_one_exact_version():
    assert [str(r) for r in parsed("constraints.txt") if not re.fullmatch(r"==[^*,=]+", str(r.specifier))] == []


@pytest.mark.parametrize("environment", environments(), ids=lambda e: f"{e['python_version']}-{e['sys_platform']}")
def test_the_constraints_are_those_of_the_requirements(environment):
    pinned = pins(environment)
    required = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in parsed("requirements.txt")}
    assert {name: pinned.get(name) for name in required} == required, "run `make constraints`"


def test_all_that_is_installed_is_pinned():
    """What the requirements bring along here, followed from package to package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned, seen = pins(dict(default_environment()) | {"extra": ""}), set()
    waiting = [*parsed("requirements.txt"), *map(Requirement, project["dependencies"])]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen | BEFORE_ALL:
            continue
        seen.add(name)
        installed = importlib.metadata.version(name).partition("+")[0]  # 2.13.0+cpu is a build of 2.13.0
        assert installed == pinned.get(name), (
            f"{name} {installed} is installed; run `make constraints`, then `make book`"
        )
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
                waiting.append(needed)
    assert len(seen) > 100
