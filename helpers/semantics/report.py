"""The rows as text: a table for the terminal, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from helpers.semantics.probe import FORMATS, NOT_OBSERVED, SECTIONS


def render(rows: Sequence[dict[str, str]], format: str = "table") -> str:
    """The rows as text: a "table" for the terminal, "markdown", or "json".

    The section `effects` is shown as a matrix, case by target; the others as one line for each row.

    Args:
        rows: what `observe` returned, or some of it.
        format: "table", "markdown" or "json".

    Raises:
        ValueError: an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}.")
    if format == "json":
        return json.dumps(rows, indent=2)
    named = {_name(row): None for row in rows}
    parts = [", ".join(named)]
    for section in SECTIONS:
        chosen = [row for row in rows if row["section"] == section]
        if chosen:
            parts.append(f"**{section}**" if format == "markdown" else section.upper())
            parts.append(_grid(_matrix(chosen) if section == "effects" else _list(chosen), format == "markdown"))
            lost = [r for r in chosen if r["observed"] == NOT_OBSERVED and section == "effects"]
            parts += [f"not observed: {row['case']}, {row['target']}: {row['detail']}" for row in lost]
    return "\n\n".join(parts)


def _name(row: dict[str, str]) -> str:
    return f"{row['framework']} {row['version']}" + (f" on {row['backend']}" if row["backend"] else "")


def _matrix(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    observed = {(row["case"], row["target"]): row["observed"] for row in rows}
    cases, targets = ({row[key]: None for row in rows} for key in ("case", "target"))
    return [["case", *targets], *([case, *(observed.get((case, target), "") for target in targets)] for case in cases)]


def _list(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    keys = ["framework", "case", "target", "observed", "detail"]
    return [keys, *([row[key] for key in keys] for row in rows)]


def _grid(cells: list[list[str]], markdown: bool) -> str:
    if markdown:
        cells = [[cell.replace("|", "\\|") for cell in line] for line in cells]
        cells.insert(1, ["---"] * len(cells[0]))
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
