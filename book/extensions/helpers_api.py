"""The page of the helpers: types as the source writes them, beside the arguments and behind the signature.

Evaluated, `ArrayLike` would be a union of ten types; and the frameworks would have to be imported.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from sphinx.application import Sphinx

FIELD = re.compile(r":(param|ivar) (\w+):")
TYPE_OF = {"param": "type", "ivar": "vartype"}


def written_types(documented: object) -> Mapping[str, str]:
    """The annotations of a function, or of the fields and the constructor of a class, unevaluated."""
    types = getattr(documented, "__annotations__", {})
    if inspect.isclass(documented) and inspect.isfunction(documented.__init__):
        types = types | documented.__init__.__annotations__
    # A named tuple wraps its annotations.
    return {name: getattr(written, "__forward_arg__", written) for name, written in types.items()}


def add_types(app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]) -> None:
    """Put a line with the type before each argument and each attribute that the docstring describes."""
    types = written_types(documented)
    for place, text in reversed(list(enumerate(lines))):
        field = FIELD.match(text)
        if field and field[2] in types:
            kind, argument = field.groups()
            lines.insert(place, f":{TYPE_OF[kind]} {argument}: {types[argument]}")


def add_return_type(
    app: Sphinx, what: str, name: str, documented: object, options: object, signature: str, returned: str | None
) -> tuple[str, str | None]:
    """Put the type of what a function returns behind its signature."""
    types = written_types(documented) if what in ("function", "method") else {}
    return signature, types.get("return")


def skip_fields(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of a named tuple: its docstring describes them."""
    return True if type(member).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    # After napoleon, which turns the sections of a docstring into fields.
    app.connect("autodoc-process-docstring", add_types, priority=800)
    app.connect("autodoc-process-signature", add_return_type)
    app.connect("autodoc-skip-member", skip_fields)
    app.add_css_file("helpers_api.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
