"""Formulas as MathML: what is mended in what latex2mathml writes, and what stops the build."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError
from sphinx_project import EXTENSIONS, Project

TEXT = r"""# Title

Inline $\tfrac12 \log w$ and displayed:

$$
a &= b \\ c &= d
$$ (both)
"""


@pytest.fixture
def translate(monkeypatch):
    """A function from TeX to the MathML of a formula, parsed."""
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    from formulas import mathml

    return lambda tex, display=False: BeautifulSoup(mathml(tex, display), "html.parser")


def spaced(formula: BeautifulSoup) -> str:
    """The text of a formula, with a dot for each space that was added beside the name of a function."""
    for space in formula.select('mspace, mo[rspace="0.1667em"]'):
        space.string = "·"
    return formula.text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\tfrac12 \log w", "12·log·w"),
        (r"w \log 3", "w·log·3"),
        (r"-\log 100", "−log·100"),
        (r"\log(w_1) \log w", "log(w1)·log·w"),
        (r"\exp\left(x\right)", "exp(x)"),
        (r"\log\log\sum_k x", "log·log∑kx"),
        (r"\sin^2 x + \log_2 x", "sin2·x+log2·x"),
        (r"\frac{1}{\log\frac{a}{b}}", "1log·ab"),
        (r"e^{t \log w}", "et·log·w"),
        (r"\operatorname{logit} p + \max_i x", "logit·p+maxi·x"),
        (r"a \bmod b", "amodb"),
    ],
)
def test_a_name_has_space_beside_it_but_not_before_a_bracket(translate, tex, text):
    assert spaced(translate(tex)) == text


@pytest.mark.parametrize(
    ("tex", "prefixes"),
    [
        (r"= -2", 1), (r"(x; -1, +1)", 2), (r"\Phi(\pm 2)", 1), (r"1, \quad -1", 1), (r"\log -x", 1),
        (r"a - b", 0), (r"f(x) - 1", 0), (r"w^2 - 1", 0), (r"\lVert a \rVert - 1", 0),
    ],
)  # fmt: skip
def test_a_sign_belongs_to_what_follows_where_nothing_stands_before_it(translate, tex, prefixes):
    assert len(translate(tex).select("mo[form=prefix]")) == prefixes


def test_exponents_bars_and_sums_have_no_space_around_their_operators(translate):
    tight = [mark.text for mark in translate(r"a + b^{x - 3} / |c| = \sum_{k \ne 5} 2 \sum d").select('mo[lspace="0"]')]
    assert tight == ["−", "/", "|", "|", "∑", "≠"]


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\mathcal N \mathcal{L}", "𝒩ℒ"), (r"\mathbb E \mathbb{R} \mathbb{1}", "𝔼ℝ𝟙"),
        (r"\mathbf{x}\mathbf{12}", "𝐱𝟏𝟐"),
        (r"\boldsymbol{d\mu}", "𝒅𝝁"), (r"x \sim y", "x∼y"), (r"\text{a < b \& c}", "a < b \\& c"),
    ],
)  # fmt: skip
def test_letters_of_other_alphabets_are_characters(translate, tex, text):
    formula = translate(tex)
    assert formula.text.replace("\xa0", " ") == text and not formula.select("[mathvariant]")


def test_capital_greek_letters_are_upright(translate):
    assert [letter.text for letter in translate(r"\Phi(\mu)").select("[mathvariant=normal]")] == ["Φ"]


def test_a_page_shows_formulas_within_a_line_and_on_lines_of_their_own(tmp_path):
    project = Project(tmp_path, ["formulas"], {"index.md": TEXT}, html_math_renderer="mathml")
    project.build()
    assert project.warnings == ""
    inline, display = project.page("index.html").find_all("math")
    assert (inline["display"], inline.parent.name) == ("inline", "span")
    assert (display["display"], display.parent.name) == ("block", "div")
    assert [[cell.text for cell in row.find_all("mtd")] for row in display.find_all("mtr")] == [
        ["a", "=b"],
        ["c", "=d"],
    ]
    assert display.parent.find(class_="eqno").text == "(1)"


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\nonsense{x}", r"does not know \\nonsense"),
        (r"a & b", "does not know &"),
        (r"\left( x", "ExtraLeftOrMissingRight"),
    ],
)
def test_what_is_not_understood_stops_the_build_and_is_named(tmp_path, tex, reason):
    project = Project(tmp_path, ["formulas"], {"index.md": f"# Title\n\nA ${tex}$."}, html_math_renderer="mathml")
    with pytest.raises(ExtensionError) as error:
        project.build()
    assert f"The formula {tex!r} of index cannot be shown: latex2mathml " in str(error.value)
    assert error.match(reason)
