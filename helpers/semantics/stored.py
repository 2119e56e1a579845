"""What was seen on other versions: the stored results of `history/`, and where the installed version differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import helpers

RESULTS = Path(helpers.__file__).parents[1] / "history" / "results"
SCRIPT = "semantics"

Answers = dict[str, dict[str, str]]  # question -> observed, detail


class Span(NamedTuple):
    """Neighbouring versions that gave one answer: the first and the last of them, and the answer of the last."""

    first: str
    last: str
    observed: str
    detail: str


def question(row: Mapping[str, str]) -> str:
    """What a row of `observe` asks, as a text."""
    return " | ".join(row[key] for key in ("section", "case", "target"))


def load(folder: Path = RESULTS) -> dict[str, dict[str, Answers]]:
    """Backend -> version of Keras -> the answers that were stored there, oldest version first.

    Raises:
        FileNotFoundError: nothing is stored there.
    """
    found: dict[str, dict[str, Answers]] = {}
    for path in sorted(folder.glob("*.json")):
        for script, run in json.loads(path.read_text(encoding="utf-8"))["scripts"].items():
            name, _, backend = script.partition("@")
            if name == SCRIPT:
                found.setdefault(backend, {})[run["versions"]["keras"]] = run["result"]
    if not found:
        raise FileNotFoundError(
            f"no stored results of other versions in {folder}. They belong to a checkout of the book: run this there."
        )
    return {backend: dict(sorted(runs.items(), key=lambda run: order(run[0]))) for backend, runs in found.items()}


def order(version: str) -> tuple[int, ...]:
    """What sorts versions: "3.10.0" comes after "3.9.2"."""
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdigit())


def spans(runs: Mapping[str, Answers]) -> dict[str, list[Span]]:
    """Question -> its answers through the versions: one span as long as the answer stays.

    Args:
        runs: version -> answers, oldest first. A version without an answer is left out.
    """
    found: dict[str, list[Span]] = {}
    for version, answers in runs.items():
        for asked, answer in answers.items():
            before = found.setdefault(asked, [])
            first = version
            if before and before[-1].observed == answer["observed"]:
                first = before.pop().first
            before.append(Span(first, version, answer["observed"], answer["detail"]))
    return found


def nearest(version: str, known: Iterable[str]) -> str:
    """The newest of the known versions that is not newer than this one, or the oldest of them."""
    ordered = sorted(known, key=order)
    return [ordered[0], *(other for other in ordered if order(other) <= order(version))][-1]


def compare(rows: Sequence[Mapping[str, str]], folder: Path = RESULTS) -> list[str]:
    """Where the rows of Keras differ from the stored ones of the nearest version, as lines to print.

    Args:
        rows: what `observe` returned.
        folder: where the results are stored.

    Raises:
        FileNotFoundError: nothing is stored there.
        ValueError: no row of Keras, or a backend for which nothing is stored.
    """
    rows = [row for row in rows if row["framework"] == "keras"]
    if not rows:
        raise ValueError("there is nothing to compare: the stored results are those of Keras, and no row is.")
    stored, version, backend = load(folder), rows[0]["version"], rows[0]["backend"]
    if backend not in stored:
        raise ValueError(
            f"nothing is stored for Keras on {backend or 'no backend: can it be imported?'}. "
            f"Set KERAS_BACKEND to {' or '.join(stored)}."
        )
    other = nearest(version, stored[backend])
    answers = stored[backend][other]
    known = [row for row in rows if question(row) in answers]
    lines = [
        f"{question(row)}\n    keras {other}: {was['observed']}: {was['detail']}\n"
        f"    keras {version}: {row['observed']}: {row['detail']}"
        for row in known
        if (was := answers[question(row)])["observed"] != row["observed"]
    ]
    new = f" {len(rows) - len(known)} questions were not asked then." if len(known) < len(rows) else ""
    head = f"Keras {version} on {backend}, beside the stored answers of Keras {other}:"
    return [f"{head} {len(lines)} of {len(known)} differ.{new}", *lines]
