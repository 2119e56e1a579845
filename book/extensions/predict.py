"""Ask the reader for a guess, and show the computed value with how far off the guess was.

    :::{predict} cluster_recall_2_weighted
    With a weight of 5 on class 1: what becomes of the recall of class 2?
    :::

    :::{predict} C3_verdict
    :choices: holds | holds if | does not hold
    Without weights both recalls are the same. Does that hold?
    :::

The answer is what the chapter pasted under the key with `glue`. Without choices it has to start with a number, which
the guess is compared with. With choices the right one is the longest with which the answer starts. A key of another
chapter is written `denominators.ipynb::p_16_keras`.

Without scripts, and on paper, a card is the question, its choices, and a fold with the answer. predict.js adds what
can be typed or pressed, and keeps each guess in the browser.
"""

from __future__ import annotations

import re
from ast import literal_eval
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from building_blocks import read_notebook
from claim_ledger import glued, pasted
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# "0.57", "+393", "1e-6"; what comes after it is shown, too.
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\d.])")


def choices(text: str) -> list[str]:
    """`a | b` as a list. Raises `ValueError` where there is nothing to choose from."""
    found = [choice.strip() for choice in text.split("|") if choice.strip()]
    if len(found) < 2:
        raise ValueError(f"expected two choices or more, such as 'holds | does not hold', got {text!r}.")
    return found


def expected_guess(answer: str, offered: list[str]) -> str | None:
    """What a reader has to type or to choose to be right, or None if the answer starts with nothing of the kind."""
    if offered:
        return max(filter(answer.startswith, offered), key=len, default=None)
    number = NUMBER.match(answer)
    return number and number[0]


class Predict(SphinxDirective):
    """`{predict} key`, with the question as its content."""

    required_arguments = 1
    option_spec: ClassVar = {"choices": choices}
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the card."""
        if not self.content:
            raise self.error("expected a question between ':::{predict} key' and ':::', got none.")
        answer, offered = self.answer(), self.options.get("choices", [])
        right = expected_guess(answer, offered)
        if right is None:
            wanted = f"one of the choices, {' | '.join(offered)}" if offered else "a number, or name its `:choices:`"
            raise self.error(f"the answer {self.arguments[0]} has to start with {wanted}: it is {answer!r}.")
        card = nodes.container(classes=["predict"], ids=[nodes.make_id(f"predict-{self.arguments[0]}")])
        question = nodes.container(classes=["predict-question"])
        self.state.nested_parse(self.content, self.content_offset, question)
        card += question
        if offered:
            items = [nodes.list_item("", nodes.paragraph("", "", pasted(choice))) for choice in offered]
            card += nodes.bullet_list("", *items, classes=["predict-choices"])
        card += [
            raw("<details><summary>Show the answer</summary>"),
            nodes.paragraph("", "", raw(f'<data value="{escape(right)}">'), pasted(answer), raw("</data>")),
            raw("</details>"),
        ]
        return [card]

    def answer(self) -> str:
        """The text that the chapter pasted under the key."""
        chapter, separator, key = self.arguments[0].rpartition("::")
        name = chapter if separator else Path(self.env.doc2path(self.env.docname)).name
        relative, path = self.env.relfn2path(name)
        self.env.note_dependency(relative)
        if not path.endswith(".ipynb") or not Path(path).exists():
            raise self.error(f"expected a key of this chapter, or chapter.ipynb::key: there is no chapter {name}.")
        values = glued(read_notebook(path)["cells"])
        if key not in values:
            near = [known for known in values if known.split("_")[0] == key.split("_")[0]]
            known = f" It pastes {', '.join(near)}." if near else ""
            raise self.error(f"{name} pastes nothing under the name {key}: is it executed?{known}")
        try:
            return str(literal_eval(values[key]))
        except (SyntaxError, ValueError):
            raise self.error(f"the answer {key} of {name} is no text and no number: {values[key]}.") from None


def raw(html: str) -> nodes.raw:
    """A piece of the page as it is written."""
    return nodes.raw("", html, format="html")


def add_files(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Load the style and the script where there are cards."""
    if doctree and any("predict" in node["classes"] for node in doctree.findall(nodes.container)):
        app.add_css_file("predict.css")
        app.add_js_file("predict.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("predict", Predict)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
