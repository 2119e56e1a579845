"""What weights did on the versions of other days: make their environments, run the scripts of `history/`, compare.

    python -m tools.history [--store] [--remove] [--list] [ENVIRONMENT ...]

`history/environments.toml` names the environments: a Python, and the scripts that run there, with a backend of Keras
after an @ where they need one. What is installed stands in `history/requirements/NAME.txt`, every package pinned.
Environments lie in `_build/history` and are kept. All of them together take about 90 GB, for each torch from 1.13 on
brings its libraries for GPUs; with --remove each goes after its run, and 10 GB are enough. `python = "book"` is the
Python of the book, with the requirements in a folder that is searched before its own packages.

An environment that cannot be had any more (no such interpreter, a package that the registry has lost) is reported, and
its stored result stays as it is, with its date: that is no failure. The exit status is 1 only if a value changed or a
script failed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "history"
PLACE = ROOT / "_build" / "history"
MARK = "OBSERVED "
# Floats were computed in float32, and by other kernels on another processor.
TOLERANCE = {"rel_tol": 1e-3, "abs_tol": 1e-4}
SHOWN = 10  # changes of one environment
LIMIT = 3600  # seconds for one script
# What a script returns under this name ends elsewhere on another processor: it is compared on the one of the record.
CHAOTIC = "chaotic"
# Kept for the reader, not compared: the text of an error, which may list a set in another order each time, and
# trainings of a version that ends elsewhere in each run, with the same seed and in one thread.
UNSTABLE = "detail", "unrepeatable"


class NotToBeHad(Exception):
    """An interpreter or a package that is not there any more."""


class Failed(Exception):
    """A script that stopped in an environment that could be made."""


def environments() -> dict[str, dict[str, Any]]:
    """Name -> python and scripts; the oldest first."""
    return tomllib.loads((HISTORY / "environments.toml").read_text(encoding="utf-8"))


def requirements_of(name: str) -> Path:
    """The file with the pins of an environment."""
    return HISTORY / "requirements" / f"{name}.txt"


def stored_at(name: str) -> Path:
    """The file with what was seen there."""
    return HISTORY / "results" / f"{name}.json"


def digest(script: str) -> str:
    """The hash of a script of `history`, without the kind of its line ends."""
    return hashlib.sha256((HISTORY / f"{script}.py").read_text(encoding="utf-8").encode()).hexdigest()[:16]


def interpreter(version: str) -> str:
    """A Python of this version, such as "3.6": on the path, of pyenv, or of uv.

    Raises:
        NotToBeHad: there is none.
    """
    found = shutil.which(f"python{version}")
    # pyenv puts a shim on the path for each Python that it has, and most of them only say that another one is chosen.
    if found and subprocess.run([found, "-V"], capture_output=True).returncode == 0:
        return found
    folders = [
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions"),
        Path.home() / ".local/share/uv/python",
    ]
    for folder in folders:
        for pattern in (f"{version}.*", f"cpython-{version}.*"):
            if found := sorted(folder.glob(f"{pattern}/bin/python{version}")):
                return str(found[-1])
    raise NotToBeHad(f"no Python {version} was found, on the path, of pyenv or of uv")


def make(name: str, python: str) -> tuple[list[str], dict[str, str]]:
    """Make an environment, if it is not there yet: the command of its Python, and the variables that it needs.

    Raises:
        NotToBeHad: no such interpreter, or a package could not be installed.
    """
    pins = requirements_of(name)
    folder, overlay = PLACE / name, python == "book"
    command = sys.executable if overlay else str(folder / "bin" / "python")
    if pins.exists():
        ready = folder / "ready"
        if not ready.exists() or ready.read_text(encoding="utf-8") != pins.read_text(encoding="utf-8"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            target = ["--target", str(folder)] if overlay else []
            if not overlay:
                run([interpreter(python), "-m", "venv", str(folder)])
                # The pip of an old Python does not know the wheels of today; that of 3.6 takes one too new for itself.
                tools = ["pip<22", "setuptools<60", "wheel<0.38"] if python == "3.6" else ["pip", "setuptools", "wheel"]
                run([command, "-m", "pip", "install", "--quiet", "--upgrade", *tools])
            run([command, "-m", "pip", "install", "--quiet", "--no-deps", *target, "-r", str(pins)])
            ready.write_text(pins.read_text(encoding="utf-8"), encoding="utf-8")
    return [command], {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}" if overlay else ""}


def run(command: Sequence[str]) -> None:
    """A step of an installation.

    Raises:
        NotToBeHad: it failed.
    """
    env = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotToBeHad(next((line for line in said if line.startswith("ERROR")), (said or ["no message"])[-1]))


def observe(command: Sequence[str], script: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """What a script sees in an environment: python, versions, result.

    Raises:
        Failed: the script stopped, or did not stop.
    """
    env = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"} | variables
    call = [*command, str(HISTORY / "observe.py"), script]
    try:
        done = subprocess.run(call, capture_output=True, text=True, env=env, timeout=LIMIT, cwd=HISTORY)
    except subprocess.TimeoutExpired:
        raise Failed(f"{script}: not done after {LIMIT} seconds") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        raise Failed(f"{script}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(lines[-1].removeprefix(MARK))


def changes(stored: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two results differ, a line for each. Numbers may differ by `TOLERANCE`, words may not.

    What is not stored cannot have changed: `unstored` counts it.
    """
    if isinstance(stored, dict) and isinstance(now, dict):
        for key in stored:
            if key in UNSTABLE:
                continue
            if key in now:
                yield from changes(stored[key], now[key], f"{place}{key}: ")
            else:
                yield f"{place}{key}: gone"
    elif isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        for number, pair in enumerate(zip(stored, now, strict=True), start=1):
            yield from changes(*pair, f"{place}{number}: ")
    elif not same(stored, now):
        yield f"{place}{stored!r} is now {now!r}"


def unstored(stored: Any, now: Any) -> int:
    """How many things a script says today that it did not say when its results were stored."""
    if not (isinstance(stored, dict) and isinstance(now, dict)):
        return 0
    return sum(unstored(stored[key], now[key]) if key in stored else 1 for key in now)


def same(stored: Any, now: Any) -> bool:
    """Whether two values agree."""
    if isinstance(stored, float) and isinstance(now, int | float) and not isinstance(now, bool):
        return math.isclose(stored, now, **TOLERANCE)
    return stored == now


def processor() -> str:
    """The name of this machine's processor. Only Linux tells it in a file; elsewhere Python knows it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def look(name: str, about: Mapping[str, Any], store: bool) -> bool:
    """Make, run, compare and tell. Whether a value changed or a script failed."""
    path, results = stored_at(name), {}
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    try:
        command, variables = make(name, about["python"])
    except NotToBeHad as reason:
        kept = f"its results of {stored['date']} are kept" if stored else "and nothing is stored"
        print(f"{name}: cannot be had: {reason}; {kept}.", flush=True)
        return False
    try:
        for script in about["scripts"]:
            name_of_file, _, backend = script.partition("@")
            found = observe(command, name_of_file, variables | ({"KERAS_BACKEND": backend} if backend else {}))
            results[script] = {"sha256": digest(name_of_file), **found}
    except Failed as reason:
        print(f"{name}: FAILED: {reason}", flush=True)
        return True
    if store:
        path.parent.mkdir(exist_ok=True)
        found = {"environment": name, "date": date.today().isoformat(), "processor": processor(), "scripts": results}
        path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{name}: stored.", flush=True)
        return False
    if stored is None:
        print(f"{name}: nothing is stored. Run again with --store.", flush=True)
        return True
    chaotic = [script for script, found in results.items() if CHAOTIC in found["result"]]
    note = ""
    if chaotic and stored["processor"] != processor():
        note = f" Chaotic trainings of {', '.join(chaotic)} not compared: they ran on {stored['processor']}."
        for script in chaotic:
            results[script]["result"][CHAOTIC] = stored["scripts"][script]["result"][CHAOTIC]
    both = [{script: run["result"] for script, run in runs.items()} for runs in (stored["scripts"], results)]
    differ, more = list(changes(*both)), unstored(*both)
    if more:
        note += f" {more} answers are new: --store keeps them."
    print(f"{name}: {f'{len(differ)} values changed' if differ else 'as stored'} ({stored['date']}).{note}", flush=True)
    for line in differ[:SHOWN]:
        print(f"    {line}", flush=True)
    return bool(differ)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser("python -m tools.history", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="ENVIRONMENT", help="only these; a part of a name will do")
    parser.add_argument("--store", action="store_true", help="store what is seen, instead of comparing it")
    parser.add_argument("--remove", action="store_true", help="remove each environment after its run: 10 GB, not 90")
    parser.add_argument("--list", action="store_true", help="print the environments, and run nothing")
    arguments = parser.parse_args(argv)
    known = environments()
    chosen = [name for name in known if not arguments.names or any(part in name for part in arguments.names)]
    if not chosen:
        parser.error(f"no environment has {' or '.join(arguments.names)} in its name. There are: {', '.join(known)}.")
    if arguments.list:
        print(
            "\n".join(f"{name}: Python {known[name]['python']}, {', '.join(known[name]['scripts'])}" for name in chosen)
        )
        return 0
    changed = False
    for name in chosen:  # all are looked at, also after one that changed
        changed |= look(name, known[name], arguments.store)
        if arguments.remove:
            shutil.rmtree(PLACE / name, ignore_errors=True)
    return int(changed)


if __name__ == "__main__":
    sys.exit(main())
