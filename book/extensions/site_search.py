"""The search: what stands on every page, section by section, as a script that search.html loads, from disk too.

Sphinx's own search knows in which page a word stands, but not in which section, and from disk it cannot show the text
around it. So this takes its place: `search.js` looks for words with MiniSearch, a library, and `book/synonyms.txt` says
which words mean the same. One script with all texts is loaded by search.html, and by no other page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SYNONYMS = Path(__file__).parents[1] / "synonyms.txt"
DATA = "_static/search_texts.js"
START, END = "const SEARCH = ", ";\n"
# What a reader does not see, or cannot read as text.
UNSEEN = (nodes.Invisible, nodes.comment, nodes.image, nodes.system_message)

Entry = tuple[str, str, str]


def synonyms(text: str) -> list[list[str]]:
    """The groups of words that mean the same.

    Args:
        text: one group a line, words apart by commas; lines with # are remarks.

    Raises:
        ValueError: a word stands in two groups, or twice in one, or a group has one word only.
    """
    groups, place = [], {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            group = [word.strip().lower() for word in line.split(",")]
            if len(group) < 2 or not all(group):
                raise ValueError(f"a group of synonyms has two words or more, apart by commas, not {line!r}.")
            for word in group:
                if word in place:
                    raise ValueError(f"the synonym {word!r} stands in {place[word]!r} and in {line!r}: keep one.")
                place[word] = line
            groups.append(group)
    return groups


def entries(document: nodes.document) -> Iterator[Entry]:
    """The address, the title and the text of each part of a page that can be linked to.

    Parts are sections, terms of the glossary, and the functions of the helpers. A part's text is without its parts.
    """
    for part in document.findall(is_part):
        heading = part.next_node(lambda node: isinstance(node, (nodes.title, nodes.term, addnodes.desc_signature)))
        holder = part if isinstance(part, nodes.section) else heading
        title = text_of([heading])
        if title:
            # The paragraph sign is no part of a signature.
            yield holder["ids"][0], title, text_of(child for child in part.children if child is not heading)


def is_part(node: nodes.Node) -> bool:
    """Whether a node has an address of its own that a result of the search leads to."""
    if isinstance(node, nodes.section):
        return bool(node["ids"]) and isinstance(node.next_node(nodes.title), nodes.title)
    if isinstance(node, (nodes.definition_list_item, addnodes.desc)):
        kind = nodes.term if isinstance(node, nodes.definition_list_item) else addnodes.desc_signature
        heading = node.next_node(kind)
        return heading is not None and bool(heading["ids"])
    return False


def text_of(parts: Iterable[nodes.Node]) -> str:
    """The words of some nodes, with one blank between two blocks, without what is a part of its own."""
    return " ".join(" ".join(words(parts)).split())


def words(parts: Iterable[nodes.Node]) -> Iterator[str]:
    """The text of each block."""
    for node in parts:
        if isinstance(node, UNSEEN) or is_part(node):
            continue
        if isinstance(node, nodes.raw):
            if node.get("format") == "html":
                shown = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", node.astext(), flags=re.DOTALL)
                yield unescape(re.sub(r"<wbr>", "", re.sub(r"<(?!wbr>)[^<>]*>", " ", shown)))
        elif isinstance(node, (nodes.TextElement, nodes.Text)):
            yield inline(node)
        else:
            yield from words(node.children)


def inline(node: nodes.Node) -> str:
    """The text of a paragraph. Of formulas only those that can be read as they are written."""
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, (nodes.math, nodes.math_block)):
        return "…" if "\\" in node.astext() else node.astext()
    if isinstance(node, UNSEEN):
        return ""
    return "".join(map(inline, node.children))


def collect(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Note what stands on a page that is written."""
    if doctree is not None:
        app.search_texts[page] = [app.env.titles[page].astext(), [list(entry) for entry in entries(doctree)]]


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write all texts, those of pages that were not written this time as they were."""
    path = Path(app.outdir, DATA)
    if exception or app.builder.format != "html" or not path.parent.exists():
        return
    before = {}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8").removeprefix(START).removesuffix(END))["pages"]
    pages = {page: text for page, text in (before | app.search_texts).items() if page in app.env.all_docs}
    data = {"synonyms": app.synonyms, "pages": dict(sorted(pages.items()))}
    script = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"{START}{script}{END}", encoding="utf-8")


def replace_search(app: Sphinx) -> None:
    """Read the synonyms, and leave out Sphinx's own index with its page."""
    app.search_texts, app.synonyms = {}, synonyms(SYNONYMS.read_text(encoding="utf-8"))
    app.builder.search = False


def search_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The page of the search, from our template."""
    yield "search", {}, "search.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", replace_search)
    app.connect("html-page-context", collect)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", write)
    # Pages that are written in other processes would not be noted.
    return {"parallel_read_safe": True, "parallel_write_safe": False}
