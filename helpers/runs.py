"""Stored runs of chaotic experiments, of which some are trained again whenever the chapter runs.

A chaotic training ends elsewhere on another processor, so its printed results could not be compared. Its runs can: a
chapter's runs are stored as data, value by value, and everything on the page is computed from them. Each time, a few
seeds are trained again and compared with their stored values: exactly where they were made, and elsewhere by a rule
that knows nothing of their distribution (`_agreement`).

The variable RUNS says what `run` does: nothing set, for a reader: trains a few again; `all`: trains all again;
`store`, for `make execute`: trains what is not stored, and stores it; `check`, for `make test`: as for a reader, but
code without stored runs is an error.
"""

from __future__ import annotations

import hashlib
import json
import linecache
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path

import numpy as np
from joblib.externals.loky import get_reusable_executor

from helpers._agreement import again_in_a_row, pooled, surroundings, suspicious
from helpers._code import code_digest
from helpers.mnist import Mnist

__all__ = ["RunsChanged", "run"]

FRAMEWORKS = ("PyTorch", "Keras")
DIGITS = 9  # of a stored value: all that float32 has
# `make test` runs two chapters at once: then each trains in its own kernel, which has imported the frameworks already.
PROCESSES = 0 if "PYTEST_XDIST_WORKER" in os.environ else 2
FOLDER = Path("runs")  # a notebook runs in its own folder
Values = dict[str, np.ndarray]


class RunsChanged(Exception):
    """The code of an experiment has no stored runs, or a run does not give what is stored."""


def run(
    experiment: Callable[[str, str, int], Mapping[str, object]],
    *,
    chapter: str,
    arms: Iterable[str],
    seeds: Sequence[int],
    again: int = 2,
    frameworks: Sequence[str] = FRAMEWORKS,
    here: bool = False,
) -> dict[tuple[str, str], Values]:
    """The stored runs of an experiment, after some of them were trained again and compared.

    Args:
        experiment: called as `experiment(framework, arm, seed)`, returns named numbers or small arrays. A function of
            a notebook, which gives the same each time it is called on the same machine.
        chapter: name of the notebook. The runs are stored in `runs/<chapter>.json` beside it.
        arms: names of the arms.
        seeds: all that are stored.
        again: how many of them are trained again, at least 1.
        frameworks: as the experiment knows them.
        here: train again in this process: for runs that take less time than another process takes to import the
            frameworks.

    Returns:
        (framework, arm) -> name -> one value per seed, shape (seeds, ...). Histories of unequal length end in NaN.

    Raises:
        RunsChanged: a value does not agree with the stored one, or, in a test, the code was changed and its runs were
            not stored.
        ValueError: fewer seeds than are trained again.
    """
    if not 1 <= again <= len(seeds):
        raise ValueError(f"again must be from 1 to the number of seeds, {len(seeds)}, got {again}.")
    mode = os.environ.get("RUNS", "")
    plan = _Plan(experiment, chapter, tuple(frameworks), tuple(arms), tuple(seeds), here)
    if plan.on_stand_in():
        print(f"Digits of the stand-in: {again} fresh seeds, neither stored nor compared.")
        return plan.table(plan.train(plan.seeds[:again]))
    stored = plan.load()
    if stored is None and mode == "store":
        plan.store(plan.train(plan.seeds, keep=True))
        stored = plan.load()
    if stored is None:
        if mode == "check":
            raise RunsChanged(f"the experiment {plan.name} changed: make execute CHAPTER={chapter}")
        print(f"Not the stored runs, for the code is another: {again} fresh seeds of {len(plan.seeds)}.")
        return plan.table(plan.train(plan.seeds[:again]))
    chosen = plan.seeds if mode == "all" else plan.choose(again)
    plan.compare(stored, chosen)
    print(f"{len(chosen)} of {len(plan.seeds)} seeds trained again: they agree")
    return plan.table(stored["runs"])


class _Plan:
    """All runs of one experiment: framework x arm x seed."""

    def __init__(
        self, experiment: Callable, chapter: str, frameworks: tuple, arms: tuple, seeds: tuple, here: bool
    ) -> None:
        self.experiment, self.chapter, self.name = experiment, chapter, experiment.__name__
        self.frameworks, self.arms, self.seeds, self.here = frameworks, arms, seeds, here
        self.path = FOLDER / f"{chapter}.json"
        self.code = code_digest(self.name, _executed(experiment))

    def on_stand_in(self) -> bool:
        """Whether the notebook has loaded digits that are not MNIST's."""
        values = list(self.experiment.__globals__.values())
        return any(isinstance(value, Mnist) and value.is_stand_in for value in values)

    def choose(self, again: int) -> tuple:
        """Seeds for this commit: another commit chooses others, so that in time all are trained again."""
        ask = ["git", "rev-parse", "HEAD"]
        try:
            commit = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):  # no git, or no repository
            commit = self.code
        number = int(hashlib.sha256(f"{commit} {self.name}".encode()).hexdigest(), 16)
        chosen = np.random.default_rng(number).choice(len(self.seeds), again, replace=False)
        return tuple(self.seeds[i] for i in sorted(chosen))

    def train(self, seeds: Sequence[int], keep: bool = False) -> dict[str, dict]:
        """Run some seeds of all arms, in other processes if there is a core for them.

        Args:
            seeds: which.
            keep: write each finished run to disk, and take what an interrupted call has left there.

        Returns:
            "framework | arm" -> str(seed) -> name -> a number or a list.
        """
        # The arms of a seed follow each other in one process, and each process gets all its seeds at once: so they can
        # share what a cache holds, such as a compiled model. Every second seed, so that what is left of an interrupted
        # call is left for all processes.
        left = Path("..") / "_build" / "runs" / f"{self.chapter}-{self.name}-{self.code}" if keep else None
        groups = [[(f, arm, seed) for arm in self.arms] for f in self.frameworks for seed in seeds]
        processes = 0 if self.here and not keep else min(PROCESSES, len(groups))
        shares = [list(chain.from_iterable(groups[i :: processes or 1])) for i in range(processes or 1)]
        run_all = partial(_run_all, self.experiment, left)
        if processes:
            start = {"initializer": import_module, "initargs": ("helpers.keras",)}
            results = list(get_reusable_executor(processes, timeout=300, **start).map(run_all, shares))
        else:
            results = [run_all(shares[0])]
        runs: dict[str, dict] = {}
        for (framework, arm, seed), values in chain.from_iterable(results):
            runs.setdefault(_key(framework, arm), {})[str(seed)] = values
        return runs

    def load(self) -> dict | None:
        """The stored runs of this code, or None."""
        everything = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        stored = everything.get(self.name)
        keys = {_key(f, arm) for f in self.frameworks for arm in self.arms}
        known = stored and stored["code"] == self.code and set(stored["runs"]) == keys
        if known and stored["values"] != values_digest(stored["runs"]):
            text = f"the stored values of {self.name} were changed after they were trained"
            raise RunsChanged(f"{text}: restore {self.path}, or remove it and make execute CHAPTER={self.chapter}")
        seeds = {str(seed) for seed in self.seeds}
        return stored if known and all(set(runs) == seeds for runs in stored["runs"].values()) else None

    def store(self, runs: dict) -> None:
        """Put the runs of this experiment into the chapter's file, whole or not at all."""
        self.path.parent.mkdir(exist_ok=True)
        everything = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        everything[self.name] = {
            "code": self.code,
            "made on": surroundings(),
            "values": values_digest(runs),
            "runs": runs,
        }
        new = self.path.with_suffix(".new")
        new.write_text(_one_run_a_line(everything), encoding="utf-8")
        os.replace(new, self.path)

    def compare(self, stored: dict, chosen: tuple) -> None:
        """Train the chosen seeds again. Another value is an error here, and elsewhere if chance cannot explain it."""
        here = stored["made on"] == surroundings()
        fresh = self.train(chosen)
        if here:
            for key, by_seed in fresh.items():
                for seed, values in by_seed.items():
                    if values != (known := stored["runs"][key][seed]):
                        moved = [name for name in values if values[name] != known.get(name)]
                        name = moved[0] if moved else sorted(set(known) - set(values))[0]
                        text = f"{self.name}, {key}, seed {seed}: {name} is {values.get(name)}, and {known.get(name)}"
                        raise RunsChanged(f"{text} is stored, on the processor and packages on which it was made.")
        else:
            self.compare_elsewhere(stored["runs"], fresh)
        _report(self.chapter, self.name, [int(seed) for seed in chosen], "equal" if here else "within the spread")

    def compare_elsewhere(self, stored: dict, fresh: dict) -> None:
        """Train more seeds of an arm for as long as every fresh value lies beyond all stored ones."""
        enough = again_in_a_row(len(self.seeds))
        for framework in self.frameworks:
            arms = [(framework, arm) for arm in self.arms]
            # Each arm alone, and the mean over all, which sees a small shift that all of them share.
            for group in [*([arm] for arm in arms), arms]:
                keys = [_key(*arm) for arm in group]
                while odd := suspicious(pooled(fresh, keys), pooled(stored, keys)):
                    name, new, old = odd
                    waiting = [seed for seed in self.seeds if str(seed) not in pooled(fresh, keys)]
                    if len(new) < enough and not waiting:
                        break  # so few stored seeds that chance can always explain it
                    if len(new) >= enough:
                        raise RunsChanged(
                            f"{self.name}, {' and '.join(keys)}: {name} is {new} in {len(new)} seeds trained again, "
                            f"all beyond the {len(old)} stored values from {min(old)} to {max(old)}."
                        )
                    for key, arm in zip(keys, group, strict=True):
                        if str(waiting[0]) not in fresh[key]:
                            fresh[key][str(waiting[0])] = _plain(self.experiment(*arm, waiting[0]))

    def table(self, runs: dict[str, dict]) -> dict[tuple[str, str], Values]:
        """The runs as arrays, with the seeds in their order."""
        result = {}
        for framework in self.frameworks:
            for arm in self.arms:
                by_seed = runs[_key(framework, arm)]
                rows = [by_seed[str(seed)] for seed in self.seeds if str(seed) in by_seed]
                result[framework, arm] = {name: _stack([row[name] for row in rows]) for name in rows[0]}
        return result


def _executed(experiment: Callable) -> list[str]:
    """The sources of the notebook's executed cells in their order, or that of the experiment's file."""
    if "In" not in experiment.__globals__:
        return [Path(experiment.__code__.co_filename).read_text(encoding="utf-8")]
    # nbval keeps no history. Then the cells are only where IPython keeps them for tracebacks, all in one folder.
    folder = Path(experiment.__code__.co_filename).parent
    kept = [entry[2] for name, entry in linecache.cache.items() if len(entry) == 4 and Path(name).parent == folder]
    return [cell for cell in experiment.__globals__["In"] if cell] or ["".join(lines) for lines in kept]


def _key(framework: str, arm: str) -> str:
    """The name of an arm in the file."""
    return f"{framework} | {arm}"


def _run_all(experiment: Callable, left: Path | None, jobs: Sequence[tuple]) -> list[tuple[tuple, dict]]:
    """Runs, one after the other, each kept on disk as soon as it is finished."""
    results = []
    for job in jobs:
        place = left / (hashlib.sha256(repr(job).encode()).hexdigest()[:16] + ".json") if left else None
        if place and place.exists():
            values = json.loads(place.read_text(encoding="utf-8"))
        else:
            values = _plain(experiment(*job))
            if place:
                place.parent.mkdir(parents=True, exist_ok=True)
                new = place.with_suffix(".new")
                new.write_text(json.dumps(values), encoding="utf-8")
                os.replace(new, place)
        results.append((job, values))
    return results


def values_digest(runs: dict) -> str:
    """A digest of all stored values. A test trains a few of them again; this sees a change of any other."""
    return hashlib.sha256(json.dumps(runs, sort_keys=True).encode()).hexdigest()[:16]


def _plain(values: Mapping[str, object]) -> dict[str, float | list]:
    """Numbers and arrays as JSON has them, with the digits that are stored."""
    return {name: _rounded(np.asarray(value, dtype=float).tolist()) for name, value in values.items()}


def _rounded(value: float | list) -> float | list:
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return None if value != value else float(f"{value:.{DIGITS}g}")  # JSON has no NaN


def _stack(values: Sequence[float | list]) -> np.ndarray:
    """One row per seed. Lists of unequal length are filled with NaN."""
    arrays = [np.asarray(value, dtype=float) for value in values]
    if len({array.shape for array in arrays}) > 1:
        longest = max(len(array) for array in arrays)
        arrays = [np.pad(array, (0, longest - len(array)), constant_values=np.nan) for array in arrays]
    return np.array(arrays)


def _one_run_a_line(everything: dict) -> str:
    """JSON in which a diff shows which runs changed."""
    blocks = []
    for name, stored in everything.items():
        arms = []
        for key, by_seed in stored["runs"].items():
            lines = [f"{json.dumps(seed)}: {json.dumps(values)}" for seed, values in by_seed.items()]
            arms.append(json.dumps(key) + ": {\n" + ",\n".join(lines) + "}")
        head = [f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in stored.items() if key != "runs"]
        blocks.append(json.dumps(name) + ": {\n" + "".join(head) + '"runs": {\n' + ",\n".join(arms) + "}}")
    return "{\n" + ",\n".join(blocks) + "}\n"


def _report(chapter: str, name: str, seeds: list[int], how: str) -> None:
    """Tell the test summary which seeds were trained again, and how they agree."""
    if folder := os.environ.get("RUNS_REPORT"):
        line = {"chapter": chapter, "experiment": name, "seeds": seeds, "agree": how}
        Path(folder, f"{chapter}-{name}.json").write_text(json.dumps(line), encoding="utf-8")
