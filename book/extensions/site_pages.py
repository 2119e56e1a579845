"""What surrounds the chapters: the colour scheme, the card that other sites show, the page for a wrong address.

One setting, `repository: url` in `_config.yml`, brings the buttons for Binder and Colab, the addresses on the cards,
and the note on how to install the helpers there.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from building_blocks import is_chapter
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

LOGO = Path(__file__).parents[1] / "static" / "logo.svg"
CARD = "_static/card.png"
MAX_DESCRIPTION = 200

# The theme needs a scheme before it draws, or a dark page flashes white. Without scripts a page is light. From disk the
# address may hold what was chosen on the page before: see page.js.
SCHEME = """<script>
  try {
    if (location.protocol === "file:")
      for (const [name, value] of new URLSearchParams(location.search))
        if (name.startsWith("chosen-")) localStorage[name.slice("chosen-".length)] = value;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    localStorage.theme = ["light", "dark"].find((mode) => mode === localStorage.mode) ?? system;
    localStorage.mode ||= "auto";
  } catch { /* Where storage is blocked the page stays light. */ }
</script>"""


def published_at(repository: str) -> str:
    """The address of the pages that the workflow publishes, or "" if the repository is not on GitHub.

    Source: https://docs.github.com/en/pages, "About GitHub Pages".
    """
    parts = urlsplit(repository)
    owner, _, name = parts.path.strip("/").removesuffix(".git").partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if parts.netloc == "github.com" and name else ""


def use_repository(app: Sphinx, config: Config) -> None:
    """Derive the site's own address from the repository's, unless it is set. Without a repository drop the buttons."""
    config.html_baseurl = config.html_baseurl or published_at(repository(config))
    if not repository(config):
        # The theme stops with an error when it has buttons but no address to send them to.
        config.html_theme_options.pop("launch_buttons", None)


def repository(config: Config) -> str:
    """The repository's address, "" as long as none is set."""
    return config.html_theme_options.get("repository_url") or ""


def card(app: Sphinx, page: str, doctree: nodes.document, title: str) -> str:
    """Open Graph tags of one page. Addresses must be absolute, so without a site address there are none.

    Source: https://ogp.me
    """
    first = next(iter(doctree.findall(nodes.paragraph)), None)
    description = " ".join(first.astext().split()) if first else title
    if len(description) > MAX_DESCRIPTION:
        description = description[:MAX_DESCRIPTION].rsplit(" ", 1)[0] + " ..."
    tags = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description,
    }
    if base := app.config.html_baseurl:
        tags |= {"og:url": f"{base}{page}.html", "og:image": f"{base}{CARD}", "og:image:alt": app.config.html_title}
    lines = [f'<meta name="description" content="{escape(description)}" />']
    return "\n".join(lines + [f'<meta property="{key}" content="{escape(text)}" />' for key, text in tags.items()])


def add_to_head(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Add the scheme's script to every page, and the card to each that was written; mend the role of citations."""
    context["metatags"] = context.get("metatags", "") + SCHEME
    if doctree is not None:
        # docutils gives citations a role that the standard has given up, and that axe-core refuses.
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        title = app.env.titles[page].astext()
        context["metatags"] += card(app, page, doctree, title)


def add_install_note(app: Sphinx, doctree: nodes.document) -> None:
    """Below the title of a chapter, once the address is known: what Colab needs before the first cell."""
    if not repository(app.config) or not is_chapter(app.env, app.env.docname):
        return
    command = f"%pip install git+{repository(app.config)}"
    text = nodes.paragraph(
        "", "", nodes.Text("In Colab, run this in a cell of its own first: "), nodes.literal("", command)
    )
    title = next(iter(doctree.findall(nodes.title)))
    title.parent.insert(title.parent.index(title) + 1, nodes.note("", text))


def number_repeated_ids(app: Sphinx, doctree: nodes.document) -> None:
    """sphinx-exercise gives the contents of every exercise and solution the same id: number them."""
    for number, section in enumerate(doctree.findall(nodes.section)):
        repeated = ("exercise-content", "solution-content")
        section["ids"] = [f"{name}-{number}" if name in repeated else name for name in section["ids"]]


def first_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """index.html at the root, which leads to the book's first page. Jupyter Book's own has neither title nor card."""
    root = app.config.root_doc
    name = app.env.titles[root].astext()
    first = app.builder.get_target_uri(root)
    if first != "index.html":
        yield (
            "index",
            {"first": first, "name": name, "card": card(app, root, app.env.get_doctree(root), name)},
            "root.html",
        )


def page_for_wrong_addresses(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """404.html, with a link to each page of the book."""
    documents = [app.config.root_doc, *app.env.toctree_includes.get(app.config.root_doc, [])]
    pages = [(app.builder.get_target_uri(name), app.env.titles[name].astext()) for name in dict.fromkeys(documents)]
    favicon = f"data:image/svg+xml;base64,{b64encode(LOGO.read_bytes()).decode()}"
    yield "404", {"base": app.config.html_baseurl, "pages": pages, "favicon": favicon}, "404.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", use_repository)
    app.connect("doctree-read", add_install_note)
    app.connect("doctree-read", number_repeated_ids)
    app.connect("html-page-context", add_to_head)
    app.connect("html-collect-pages", first_page)
    app.connect("html-collect-pages", page_for_wrong_addresses)
    app.add_js_file("page.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
