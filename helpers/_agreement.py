"""When a run that was trained again agrees with the stored ones.

Where the runs were made, it gives the same numbers. Elsewhere it is a draw from the same distribution, whichever that
is: a chaotic training may collapse on a tenth of its seeds. So the rule knows only the order of the values. A false
alarm has the probability `FALSE_ALARM` for one quantity of one arm. With 20 stored values it takes ten fresh ones,
and sees a shift of 5.6 standard deviations of a normal sample in 99 of 100 cases: `tests/test_runs.py` simulates both.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import comb
from pathlib import Path

import numpy as np

#: For one quantity of one arm. With 10,000 of them in the book a false alarm comes in under one run of a thousand.
FALSE_ALARM = 1e-7
#: What rounding may move where nothing is chaotic, as a share of the largest stored value.
ROOM = 1e-3
#: What moves the last bits of a training: besides the packages, these variables.
VARIABLES = ("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_CBWR", "TF_ENABLE_ONEDNN_OPTS")
PACKAGES = ("numpy", "torch", "tensorflow", "keras")


def again_in_a_row(stored: int) -> int:
    """How many fresh values of one side, all beyond the stored ones, are no longer chance.

    If fresh and stored values come from the same distribution, whichever that is, every order of them is equally
    likely. That m fresh values lie above all n stored ones has the probability 1 / C(n + m, m), and as much below.

    Args:
        stored: number of stored values, n.

    Returns:
        the smallest m with 2 / C(n + m, m) <= `FALSE_ALARM`.
    """
    return next(m for m in range(1, 1000) if 2 / comb(stored + m, m) <= FALSE_ALARM)


def is_suspicious(fresh: Sequence[float], stored: Sequence[float]) -> bool:
    """Whether all fresh values lie beyond all stored ones, on the same side, or are NaN where no stored one is.

    Beyond means by more than `ROOM`.

    Args:
        fresh: values of the seeds trained again, at least one.
        stored: those of all seeds.
    """
    fresh, stored = np.asarray(fresh, dtype=float), np.asarray(stored, dtype=float)
    if np.isnan(fresh).all():
        return not np.isnan(stored).any()
    known = stored[~np.isnan(stored)]
    if not len(known):
        return True
    room = ROOM * np.abs(known).max()
    return bool((fresh > known.max() + room).all() or (fresh < known.min() - room).all())


def _summaries(values: Mapping[str, float | list]) -> dict[str, float]:
    """What is compared elsewhere: numbers themselves, and length, mean and last entry of an array."""
    result = {}
    for name, value in values.items():
        array = np.asarray(value, dtype=float)
        flat = array.ravel()
        ends = {f"{name} (mean)": flat.mean(), f"{name} (last)": flat[-1]} if len(flat) else {}
        result |= {f"{name} (length)": len(flat), **ends} if array.ndim else {name: float(array)}
    return result


def pooled(runs: dict, keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """Seed -> name -> the mean over some arms of what is compared. Only seeds and names that all of them have."""
    seeds = [seed for seed in runs[keys[0]] if all(seed in runs[key] for key in keys)]
    means = {}
    for seed in seeds:
        arms = [_summaries(runs[key][seed]) for key in keys]
        shared = [name for name in arms[0] if all(name in arm for arm in arms)]
        means[seed] = {name: float(np.mean([arm[name] for arm in arms])) for name in shared}
    return means


def suspicious(fresh: dict, stored: dict) -> tuple[str, list, list] | None:
    """The first quantity whose fresh values all lie beyond the stored ones, with both."""
    for name in next(iter(fresh.values())):
        new, old = ([run[name] for run in runs.values()] for runs in (fresh, stored))
        if is_suspicious(new, old):
            return name, new, old
    return None


def surroundings() -> dict[str, object]:
    """What the last bits of a training depend on: processor, threads, packages."""
    info = Path("/proc/cpuinfo")  # only Linux has it
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): text.strip() for name, text in facts.items()}
    sets = " ".join(sorted(facts.get("flags", "").split()))
    return {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "instruction sets": hashlib.sha256(sets.encode()).hexdigest()[:8],
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
