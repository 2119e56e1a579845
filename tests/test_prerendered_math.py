"""Formulas as finished HTML: by MathJax from npm, by latex2mathml without it, and never by a script of the page."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError
from sphinx_project import Project

TEXT = r"""# Title

Inline $\tfrac12 \log w$ and displayed:

$$
\operatorname{logit} p_w(x) = -2x + \log w
$$

$$
a &= b \\ c &= \boldsymbol{d}
$$
"""
needs_npm = pytest.mark.skipif(
    not (shutil.which("npm") and shutil.which("node")),
    reason="npm and node are not installed: the book builds without them",
)


def build(folder: Path, text: str = TEXT) -> Project:
    project = Project(folder, ["prerendered_math"], {"index.md": text}, html_math_renderer="prerendered")
    project.app = project.build()
    return project


@pytest.fixture
def no_npm(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)


@needs_npm
def test_mathjax_writes_each_formula_once_for_the_eye_and_once_for_the_ear(tmp_path):
    page = build(tmp_path).page("index.html")
    formulas = page.find_all("mjx-container")
    assert len(formulas) == 3
    for formula in formulas:
        assert formula.find("mjx-math")["aria-hidden"] == "true"
        assert formula.find(class_="formula-spoken").find("math")
    assert page.find(class_="body").text.count("log") >= 2
    assert "\\" not in page.find(class_="body").text
    assert not [script for script in page.find_all("script") if "mathjax" in str(script).lower()]


@needs_npm
def test_every_font_of_the_style_sheet_is_there_and_local(tmp_path):
    static = build(tmp_path).html / "_static"
    addresses = [part.split(")")[0].strip("\"'") for part in (static / "formulas.css").read_text().split("url(")[1:]]
    assert addresses and all((static / address).is_file() for address in addresses)


@needs_npm
def test_an_unknown_command_stops_the_build_and_is_named(tmp_path):
    with pytest.raises(ExtensionError, match=r"\\\\nonsense.*index cannot be shown: Undefined control sequence"):
        build(tmp_path, "# Title\n\nA $\\nonsense{x}$.")


def test_without_npm_the_browser_draws_mathml_and_the_build_says_so(tmp_path, no_npm, capsys):
    project = build(tmp_path)
    formulas = project.page("index.html").find_all("math")
    assert [formula["display"] for formula in formulas] == ["inline", "block", "block"]
    assert "log" in formulas[1].text and "\\" not in project.page("index.html").find(class_="body").text
    assert project.warnings == ""
    assert "latex2mathml instead of MathJax: npm and node were not found" in capsys.readouterr().err


@needs_npm
def test_where_npm_reaches_nothing_the_build_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EXAMPLE_WEIGHTING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    assert build(tmp_path).page("index.html").find_all("math")
    assert "`npm pack` failed" in capsys.readouterr().err
    assert not list((tmp_path / "cache").iterdir())


def test_another_package_under_the_same_name_is_refused(tmp_path):
    import prerendered_math

    archive = tmp_path / "mathjax-3.2.2.tgz"
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(ExtensionError, match=r"sha512-.*expected sha512-Bt\+SSVU8"):
        prerendered_math.check_integrity(archive)


def test_a_package_is_unpacked_even_if_another_build_was_quicker(tmp_path):
    import prerendered_math

    (tmp_path / "file").write_text("content")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with tarfile.open(tmp_path / name / "a.tgz", "w:gz") as tar:
            tar.add(tmp_path / "file", "package/file")
        prerendered_math.unpack(tmp_path / name / "a.tgz", tmp_path / "folder")
        assert (tmp_path / "folder" / "file").read_text() == "content"
    with pytest.raises(OSError, match="nowhere"):
        prerendered_math.unpack(tmp_path / "first" / "a.tgz", tmp_path / "nowhere" / "folder")
