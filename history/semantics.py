"""What weights do in Keras: the experiments of `helpers.semantics`, on the backend that KERAS_BACKEND names.

This one needs the Python of the book: only Keras is another.
"""

from __future__ import annotations


def observe() -> dict[str, dict[str, str]]:
    """Question -> answer and detail."""
    from helpers import semantics

    return {
        f"{row['section']} | {row['case']} | {row['target']}": {"observed": row["observed"], "detail": row["detail"]}
        for row in semantics.observe(only="keras")
    }
