"""What weights do in Keras: the experiments of `helpers.semantics`, on the backend that KERAS_BACKEND names.

This one needs the Python of the book: only Keras is another.
"""

from __future__ import annotations


def observe() -> dict[str, dict[str, str]]:
    """Question -> answer and detail."""
    from helpers import semantics
    from helpers.semantics.stored import question

    rows = semantics.observe(only="keras")
    return {question(row): {key: row[key] for key in ("observed", "detail")} for row in rows}
