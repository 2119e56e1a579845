"""Put what a chapter computed where any page of the book can paste it."""

from __future__ import annotations

from typing import Any

# What MyST-NB takes out of a page's own outputs.
HIDDEN = "application/papermill.record/"


def glue(name: str, variable: Any, display: bool = True) -> None:
    """Keep an object in the cell's output, under a name: any page pastes it with `{glue:text}` or `{glue}`.

    The same call and the same output as `myst_nb.glue` (MyST-NB 1.4, https://myst-nb.readthedocs.io/en/latest/render/glue.html).
    That one loads the schemas of notebooks first, which takes each kernel some three seconds; writing needs none.

    Args:
        name: one that no other cell of the book uses.
        variable: what a page shows: as Jupyter would display it.
        display: show it below the cell, too.
    """
    from IPython.core.formatters import format_display_data
    from IPython.display import display as show

    data, metadata = format_display_data(variable)
    prefix = "" if display else HIDDEN
    metadata["scrapbook"] = {"name": name, "mime_prefix": prefix}
    show({prefix + mime: shown for mime, shown in data.items()}, raw=True, metadata=metadata)
