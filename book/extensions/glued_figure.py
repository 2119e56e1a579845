"""Show a figure of a chapter on another page.

    ```{glued-figure} denominators.ipynb::learned_probability
    The caption.
    ```

The chapter pastes the figure with `glue`, and its cell's metadata holds the text that stands in for it. MyST-NB's
`{glue:figure}` finds only figures of its own page, and its `{glue}` gives a picture from another page no such text.
"""

from __future__ import annotations

from typing import Any

from building_blocks import read_notebook
from docutils import nodes
from myst_nb.ext.glue.crossref import ReplacePendingGlueReferences
from myst_nb.ext.glue.utils import create_pending_glue_ref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


def alt_text(notebook: dict[str, Any], name: str) -> str:
    """`mystnb.image.alt` of the cell that glued a figure, or "" if no cell did or it has none."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == name:
                return cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
    return ""


class GluedFigure(SphinxDirective):
    """`{glued-figure} chapter.ipynb::name`, with a caption of one paragraph."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """A figure whose picture MyST-NB fills in once all pages are read."""
        chapter, _, name = self.arguments[0].partition("::")
        _, path = self.env.relfn2path(chapter, self.env.docname)
        self.env.note_dependency(path)
        alt = alt_text(read_notebook(path), name)
        if not alt:
            logger.warning(f"{chapter} glues no figure {name!r} with an alt text", location=self.get_location())
        source, line = self.get_source_info()
        picture = create_pending_glue_ref(self.state.document, source, line, chapter, name)
        caption = nodes.caption("", "", *self.parse_inline(" ".join(self.content))[0])
        # The class of a chapter's outputs, for the dark scheme.
        return [nodes.figure("", picture, caption, alt=alt, classes=["cell_output"])]


class NameThePicture(SphinxPostTransform):
    """Give the picture its text, right after MyST-NB has put it into the figure."""

    default_priority = ReplacePendingGlueReferences.default_priority + 1

    def run(self, **options: Any) -> None:
        """Every figure with a text passes it on."""
        for figure in self.document.findall(nodes.figure):
            for picture in figure.findall(nodes.image):
                if "alt" in figure:
                    picture["alt"] = figure["alt"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("glued-figure", GluedFigure)
    app.add_post_transform(NameThePicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
