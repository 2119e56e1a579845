"""Leave out of the pages what none of them uses: most of the theme's icons, and marks on code that change nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from docutils import nodes
from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
STYLE = "styles/pydata-sphinx-theme.css"
FONT = "vendor/fontawesome/webfonts/fa-solid-900"
ICON = re.compile(r"fa-[a-z0-9-]+")
# One rule of the style sheet: the names of an icon, and its character.
ICON_RULE = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]+"\}')
# An icon is a character of Unicode's private use area, written as it is or by its number.
CHARACTER = re.compile(r"""["'](?:\\([0-9a-f]{4})|([\ue000-\uf8ff]))["']""")
# Names, punctuation and white space, in the colour that code has anyway: a third of a page's bytes.
PLAIN_SPAN = re.compile(r'<span class="[npw]">([^<]*)</span>')


def unmark_plain_code(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Remove the marks that give a word of code the colour of the others."""
    if "body" in context:
        context["body"] = PLAIN_SPAN.sub(r"\1", context["body"])


def keep_used_icons(app: Sphinx, exception: Exception | None) -> None:
    """Cut the theme's style sheet and its font of icons down to the icons that occur in a page or a script."""
    static = Path(app.outdir, "_static")
    if exception or not (static / STYLE).exists():
        return
    pages = [*Path(app.outdir).rglob("*.html"), *static.rglob("*sphinx*theme.js")]
    used = {name for page in pages for name in ICON.findall(page.read_text(encoding="utf-8"))}
    # From the theme's own files, so that a second build does not cut what is already cut.
    css = ICON_RULE.sub(
        lambda rule: "" if used.isdisjoint(ICON.findall(rule[0])) else rule[0],
        (THEME / STYLE).read_text(encoding="utf-8"),
    )
    # What is left names characters, and so do other sheets: an admonition's icon has no class.
    sheets = [css, *(sheet.read_text(encoding="utf-8") for sheet in static.rglob("*.css") if sheet != static / STYLE)]
    characters = {int(code, 16) if code else ord(own) for sheet in sheets for code, own in CHARACTER.findall(sheet)}
    font = TTFont(THEME / f"{FONT}.ttf")
    subsetter = Subsetter()
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    font.flavor = "woff"
    font.save(static / f"{FONT}.woff")
    (static / STYLE).write_text(
        css.replace(f'url(../{FONT}.woff2) format("woff2"),url(../{FONT}.ttf) format("truetype")',
                    f'url(../{FONT}.woff) format("woff")'),
        encoding="utf-8",
    )  # fmt: skip


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", unmark_plain_code)
    app.connect("build-finished", keep_used_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
