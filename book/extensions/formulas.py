"""Write each formula into the page as MathML, which browsers draw themselves: no page needs a script to show one.

latex2mathml translates the TeX. What TeX knows and its MathML leaves open is mended here, by the rules of TeX (The
TeXbook, chapter 18) and for what browsers draw (https://www.w3.org/TR/mathml-core): the space beside the name of a
function, signs, spaces in exponents, alphabets.
"""

from __future__ import annotations

import html
import unicodedata
from xml.etree.ElementTree import Element, tostring

from docutils import nodes
from latex2mathml.converter import convert_to_element
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

ROWS = ("math", "mrow", "mstyle", "mtd", "msqrt")
SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")
THIN = "0.1667em"
APPLY = "\u2061"  # invisible: what stands before it is applied to what follows
SIGNS = set("+−±∓")
SUMS = set("∑∏∫")
# After these a sign is between two things, and a name or a sum stands beside one.
CLOSING = set(")]}⟩!′/|‖")
# TeX takes these for letters, MathML for operators, which have room around them or grow with their neighbours.
LETTERS = set("/|‖")
# And latex2mathml takes these for letters.
OPERATORS = {";": ";", "~": "∼", "±": "±", "∓": "∓"}
UPRIGHT = set("ΓΔΘΛΞΠΣΥΦΨΩ")


def mathml(tex: str, display: bool) -> str:
    """A formula as a `math` element.

    Args:
        tex: the formula, without dollars.
        display: whether it stands on a line of its own.

    Raises:
        ValueError: latex2mathml does not understand it.
    """
    try:
        # It knows `aligned` under the name `split` only.
        math = convert_to_element(tex.replace("{aligned}", "{split}"), display="block" if display else "inline")
    except Exception as error:  # its exceptions have nothing in common, and no message
        raise ValueError(f"latex2mathml stopped with {type(error).__name__}") from error
    for element in math.iter():
        text = element.text or ""
        # What it does not understand it takes for the name of a variable.
        if element.tag == "mi" and (text.startswith("\\") or text in ("&", "}")):
            raise ValueError(f"latex2mathml does not know {text}")
        # All other signs it writes as references.
        element.text = html.unescape(text)
    del math.attrib["xmlns"]
    mend(math, "display" if display else "text")
    return tostring(math, encoding="unicode")


def mend(element: Element, style: str) -> None:
    """Mend an element and all in it. Its style is TeX's: "display", "text" or "script"."""
    mend_leaf(element, style)
    for place, child in enumerate(element):
        mend(child, style_within(element, place, style))
    if element.tag in ROWS:
        mend_row(element)


def style_within(element: Element, place: int, style: str) -> str:
    """The style of one child of an element."""
    if element.tag in SCRIPTS and place > 0 and element.get("accent") != "true":
        return "script"
    if element.tag == "mfrac":
        return "text" if style == "display" else "script"
    if element.tag in ("mstyle", "mtable"):
        return {"true": "display", "false": "text"}.get(element.get("displaystyle"), style)
    return style


def mend_leaf(leaf: Element, style: str) -> None:
    """Alphabets as characters, for browsers know no others; names and signs as what they are."""
    text, alphabet = leaf.text, leaf.get("mathvariant")
    if alphabet not in (None, "normal"):
        leaf.text = "".join(in_alphabet(letter, alphabet) for letter in text)
        del leaf.attrib["mathvariant"]
    elif leaf.tag == "mi" and text in UPRIGHT:
        leaf.set("mathvariant", "normal")
    elif leaf.tag == "mi" and text in OPERATORS:
        leaf.tag, leaf.text = "mo", OPERATORS[text]
    elif leaf.tag == "mo" and is_name(text):
        leaf.tag = "mi"
    elif leaf.tag == "mo" and text in LETTERS and leaf.get("fence") != "true":
        leaf.attrib |= {"lspace": "0", "rspace": "0", "stretchy": "false"}
    elif leaf.tag == "mo" and style == "script":
        leaf.attrib |= {"lspace": "0", "rspace": "0"}


def in_alphabet(letter: str, alphabet: str) -> str:
    """A letter or digit in an alphabet such as "double-struck", or as it is where that has none."""
    kind = unicodedata.name(letter).replace("LATIN ", "").replace("GREEK ", "").replace("LETTER ", "")
    style = alphabet.upper() if alphabet == "double-struck" else alphabet.upper().replace("-", " ")
    # Some were there before the others, under a shorter name: R of the real numbers.
    for name in (f"MATHEMATICAL {style} {kind}", f"{style} {kind}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return letter


def mend_row(row: Element) -> None:
    """Signs and names of functions, by what stands to their left and right."""
    children = [child for child in row if child.tag != "mspace"]
    for before, child, after in zip([None, *children], children, [*children[1:], None], strict=False):
        left, first = edge(before, -1), edge(child, 0)
        if child.text in SIGNS and (is_word(left) or is_open(left)):
            child.set("form", "prefix")
        if is_word(first) and not (left is None or is_word(left) or is_open(left)):
            row.insert(list(row).index(child), Element("mspace", width=THIN))
        if first.text in SUMS and (left is None or is_open(left)):
            first.set("lspace", "0")
        right = edge(after, 0)
        if is_word(edge(child, -1)) and not (right is None or right.tag == "mo"):
            apply = Element("mo", lspace="0", rspace=THIN)
            apply.text = APPLY
            row.insert(list(row).index(child) + 1, apply)


def edge(element: Element | None, end: int) -> Element | None:
    """The first (0) or last (-1) symbol in an element. That of a power is its base."""
    while element is not None and len(element) and element.tag in (*ROWS, *SCRIPTS):
        element = element[end if element.tag in ROWS else 0]
    return element


def is_word(symbol: Element | None) -> bool:
    """Whether a symbol is a name such as "log" or "arg max"."""
    return symbol is not None and symbol.tag == "mi" and is_name(symbol.text)


def is_name(text: str) -> bool:
    """Whether a text names a function. "mod" stands between two things, as an operator does."""
    return len(text) > 1 and "".join(text.split()).isalpha() and text != "mod"


def is_open(symbol: Element | None) -> bool:
    """Whether something must follow a symbol: a sign there belongs to what follows."""
    return symbol is not None and symbol.tag == "mo" and symbol.text not in CLOSING


def html_of(self: HTML5Translator, node: nodes.math | nodes.math_block) -> str:
    """A formula of a page as MathML. Several displayed lines are aligned, as Sphinx does it.

    Raises:
        ExtensionError: it cannot be understood.
    """
    tex, display = node.astext().strip(), isinstance(node, nodes.math_block)
    lines = rf"\begin{{aligned}}{tex}\end{{aligned}}" if display and r"\\" in tex and r"\begin" not in tex else tex
    try:
        return mathml(lines, display)
    except ValueError as error:
        page = self.builder.current_docname
        raise ExtensionError(f"The formula {tex!r} of {page} cannot be shown: {error}.") from error


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(f'<span class="math notranslate">{html_of(self, node)}</span>')
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(html_of(self, node) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.add_css_file("formulas.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
