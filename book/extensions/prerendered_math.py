"""Write each formula into the page as finished HTML, so that no page needs a script, or another host, to show one.

MathJax runs once, while the book is built, from the npm package `mathjax`: pinned, checked, and kept in the user's
cache. Where npm is missing or reaches nothing, latex2mathml writes MathML, which browsers draw themselves; the build
says so and goes on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import latex2mathml.converter
import pooch
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

PACKAGE = "mathjax-3.2.2"
# As in npm's own registry: base64 of the SHA-512 of the package.
INTEGRITY = "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
SCRIPT = Path(__file__).with_name("formulas.cjs")
FONTS = "es5/output/chtml/fonts/woff-v2"
# Formulas for the eye are hidden from screen readers, and those for screen readers from the eye.
CSS = """
.formula-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
mjx-container { position: relative; font-size: 112%; }
div.math > math { margin: 0.8rem 0; width: 100%; }
mjx-container[display="true"], div.math > math { overflow: auto hidden; max-width: 100%; }
.formula-number { float: right; }
"""

Formula = tuple[str, bool]  # TeX, and whether it is displayed on a line of its own


class NoMathJaxError(Exception):
    """MathJax cannot be had here. The message is the reason."""


def checked_package() -> Path:
    """The folder of the unpacked npm package, from the cache or from npm.

    Raises:
        NoMathJaxError: there is no npm or no node, or npm fails.
        ExtensionError: npm gave a package with another content than the pinned one.
    """
    npm, cache = (
        shutil.which("npm"),
        Path(os.environ.get("EXAMPLE_WEIGHTING_CACHE") or pooch.os_cache("example-weighting")),
    )
    if not npm or not shutil.which("node"):
        raise NoMathJaxError("npm and node were not found")
    folder = cache / PACKAGE
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        command = [npm, "pack", PACKAGE.replace("-", "@"), "--silent", "--pack-destination", temporary]
        result = subprocess.run(command, capture_output=True, text=True, cwd=temporary, check=False)
        archive = Path(temporary, f"{PACKAGE}.tgz")
        if result.returncode or not archive.exists():
            raise NoMathJaxError(f"`npm pack` failed with: {result.stderr.strip() or 'no message'}")
        check_integrity(archive)
        unpack(archive, folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a package, and move it to its place in one step: a build that is stopped leaves no half of it behind."""
    with tarfile.open(archive) as tar:
        # Python 3.11 has filters only from its fourth patch on. The checksum has vouched for the content.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(archive.parent)
    try:
        (archive.parent / "package").rename(folder)
    except OSError:
        # Another build, at the same time, has put the same package there.
        if not folder.is_dir():
            raise


def check_integrity(archive: Path) -> None:
    """Compare a package with the pinned checksum.

    Raises:
        ExtensionError: it is another one.
    """
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise ExtensionError(
            f"npm gave a package {archive.name} with checksum sha512-{found}, expected sha512-{INTEGRITY}. "
            "Ask your registry for the original, or build without npm."
        )


def by_mathjax(formulas: list[Formula]) -> tuple[dict[Formula, str], str, Path]:
    """The HTML of each formula, the style sheet that they need, and the folder of its fonts.

    Raises:
        NoMathJaxError: see `checked_package`.
        ExtensionError: node stopped.
    """
    package = checked_package()
    data = json.dumps([{"tex": tex, "display": display} for tex, display in formulas])
    result = subprocess.run(["node", SCRIPT, package], input=data, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ExtensionError(f"MathJax stopped with: {result.stderr.strip()}")
    answer = json.loads(result.stdout)
    return dict(zip(formulas, answer["html"], strict=True)), answer["css"], package / FONTS


def by_latex2mathml(formulas: list[Formula]) -> dict[Formula, str]:
    """The MathML of each formula."""
    return {
        (tex, display): latex2mathml.converter.convert(tex, display="block" if display else "inline")
        for tex, display in formulas
    }


def tex_of(node: nodes.math | nodes.math_block) -> Formula:
    """The TeX of a formula. Several displayed lines are aligned, as Sphinx does it."""
    tex, display = node.astext().strip(), isinstance(node, nodes.math_block)
    return (rf"\begin{{aligned}}{tex}\end{{aligned}}" if display and r"\\" in tex else tex), display


def render(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Render all formulas of the book at once, and write their style sheet and fonts beside the other static files."""
    documents = (env.get_doctree(name) for name in sorted(env.found_docs))
    found = {tex_of(node): None for document in documents for node in math_nodes(document)}
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    try:
        app.formulas, css, fonts = by_mathjax(list(found))
    except NoMathJaxError as reason:
        print(f"Formulas are written by latex2mathml instead of MathJax: {reason}.", file=sys.stderr)
        app.formulas, css = by_latex2mathml(list(found)), ""
    else:
        used = set(re.findall(r"formulas/([\w-]+\.woff)", css))
        (static / "formulas").mkdir(exist_ok=True)
        for name in used:
            shutil.copy(fonts / name, static / "formulas" / name)
    (static / "formulas.css").write_text(css + CSS)
    return []


def math_nodes(document: nodes.document) -> Iterable[nodes.math | nodes.math_block]:
    """All formulas of a document."""
    return document.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))


def html_of(self: HTML5Translator, node: nodes.math | nodes.math_block) -> str:
    """The rendered formula.

    Raises:
        ExtensionError: MathJax did not understand it, or it came into the document after all were rendered.
    """
    html = self.builder.app.formulas.get(tex_of(node))
    if html is None or "data-mjx-error" in html:
        reason = re.search('data-mjx-error="([^"]*)"', html or "")
        raise ExtensionError(
            f"The formula {node.astext()!r} of {self.builder.current_docname} cannot be shown: "
            f"{reason[1] if reason else 'it was not there when the formulas were rendered'}."
        )
    return html


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(f'<span class="math notranslate">{html_of(self, node)}</span>')
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node.get("number"):
        self.body.append(f'<span class="formula-number">({get_node_equation_number(self, node)})</span>')
    self.body.append(html_of(self, node) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_html_math_renderer("prerendered", (visit_math, None), (visit_displaymath, None))
    app.connect("env-updated", render)
    app.add_css_file("formulas.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
