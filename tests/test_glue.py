"""Tests of helpers.findings.glue: the output that MyST-NB's own makes, without its long import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML
from IPython.utils.capture import capture_output
from myst_nb import glue as glue_of_myst_nb

from helpers.findings import glue

BOOK = Path(__file__).parents[1] / "book"


def glued(function, *arguments) -> list[tuple[dict, dict]]:
    """What a call displays: data and metadata."""
    InteractiveShell.instance()
    with capture_output() as captured:
        function(*arguments)
    return [(output.data, output.metadata) for output in captured.outputs]


@pytest.mark.parametrize("display", [True, False])
@pytest.mark.parametrize("variable", ["0.12 ± 0.03", 7, HTML("<b>7</b>")], ids=["text", "number", "HTML"])
def test_the_output_is_that_of_myst_nb(variable, display):
    ours = glued(glue, "a_name", variable, display)
    assert ours == glued(glue_of_myst_nb, "a_name", variable, display)
    assert len(ours) == 1


def test_no_schema_of_notebooks_is_loaded():
    code = "import sys; from helpers.findings import glue; glue('a_name', 1.5); print('nbformat' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[-1] == "False"


def test_all_chapters_use_it():
    chapters = [path for path in BOOK.glob("*.ipynb") if "glue(" in path.read_text(encoding="utf-8")]
    imports = {path.name: re.findall(r"from (\S+) import glue", path.read_text(encoding="utf-8")) for path in chapters}
    assert len(imports) > 11
    assert {name: found for name, found in imports.items() if found != ["helpers.findings"]} == {}
