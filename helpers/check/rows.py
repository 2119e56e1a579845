"""What a check finds: rows, how they are judged, and what stops a check."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

from helpers.reductions import REDUCTIONS

HOLDS, FAILS, NOT_OBSERVED = "holds", "fails", "not observed"
MASK_COUNT, NONE_OF_THESE = "mask count", "none of these"
KEYS = ("property", "observed", "detail")
DENOMINATORS = (*REDUCTIONS, MASK_COUNT, NONE_OF_THESE)

ZERO, TWO, OWN = "weight 0 is absence", "weight 2 is two copies", "each row has its own weight"
ORDER, NAN = "order of rows", "NaN loss at weight 0"
MICRO, RANKS, VALIDATION = "micro-batches of one step", "ranks of one step", "validation"
DENOMINATOR = "denominator"
PROPERTIES = (DENOMINATOR, ZERO, TWO, OWN, ORDER, NAN, MICRO, RANKS, VALIDATION)

Row = dict[str, str]
Result = tuple[str, str]  # observed, detail


class CannotBeDriven(ValueError):
    """The object cannot be checked: the message says why, and what to do."""


def attempt(experiment: Callable[[], Result]) -> Result:
    """Run one experiment. One that raises is not observed, and stops no other."""
    try:
        return experiment()
    except CannotBeDriven:
        raise
    except Exception as error:
        return NOT_OBSERVED, message_of(error)


def message_of(error: BaseException) -> str:
    """The first line of an error, without addresses in memory."""
    lines = re.sub(r"\{\{.*?\}\}|\[Op:.*|0x[0-9a-fA-F]+", "", str(error)).strip().splitlines() or [""]
    return textwrap.shorten(f"{type(error).__name__}: {lines[0]}", 200, placeholder=" ...")


def rows_of(results: dict[str, Result], absent: str) -> list[Row]:
    """All of `PROPERTIES` in their order, then the others; those without a result are not observed, for `absent`."""
    complete = {name: results.get(name, (NOT_OBSERVED, absent)) for name in PROPERTIES} | results
    return [dict(zip(KEYS, (name, *result), strict=True)) for name, result in complete.items()]


def failures(rows: Iterable[Row]) -> list[Row]:
    """The rows that fail."""
    return [row for row in rows if row["observed"] == FAILS]


def render(rows: Sequence[Row]) -> str:
    """The rows as a table for the terminal.

    Args:
        rows: what a check returned.
    """
    widths = [max(len(row[key]) for row in (*rows, dict(zip(KEYS, KEYS, strict=True)))) for key in KEYS[:2]]
    lines = [KEYS, ["-" * width for width in (*widths, len(KEYS[2]))], *([row[key] for key in KEYS] for row in rows)]
    return "\n".join(f"{line[0]:{widths[0]}}  {line[1]:{widths[1]}}  {line[2]}".rstrip() for line in lines)


def assert_honours_weights(rows: Sequence[Row], denominator: str | None = None, allow: Sequence[str] = ()) -> None:
    """For pytest: fail with the table of rows if one of them fails.

    Args:
        rows: what a check returned.
        denominator: what the row `denominator` must name; None: anything.
        allow: properties that may fail.

    Raises:
        AssertionError: something fails, another denominator was found, or nothing could be observed.
        ValueError: a name that no row has.
    """
    names = {row["property"] for row in rows}
    unknown = [name for name in allow if name not in names]
    if unknown:
        raise ValueError(f"there is no property {unknown[0]!r}; there are {', '.join(sorted(names))}.")
    failed = [row["property"] for row in failures(rows) if row["property"] not in allow]
    assert not failed, f"weights are not honoured: {', '.join(failed)}\n{render(rows)}"
    observed = [row for row in rows if row["property"] != DENOMINATOR and row["observed"] != NOT_OBSERVED]
    assert observed, f"nothing could be observed\n{render(rows)}"
    found = next(row["observed"] for row in rows if row["property"] == DENOMINATOR)
    assert denominator in (None, found), f"the denominator is {found}, expected {denominator}\n{render(rows)}"
