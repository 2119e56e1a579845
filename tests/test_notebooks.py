"""The rules for the chapters, and the proof that the comparison of their outputs can fail.

nbval compares stored outputs with new ones. It does not see what is not stored, and it skips what it is told to skip.
The rules close those gaps, so that what a reader sees is what was verified. CONTRIBUTING.md says them in plain words.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from itertools import groupby, pairwise
from operator import getitem
from pathlib import Path
from typing import Any

import nbformat
import pytest
import sphinx_project  # noqa: F401, it makes the website's extensions importable
from nbformat import NotebookNode, v4
from nbval import plugin as nbval

from building_blocks import only_pastes, only_prepares  # isort: skip

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
TEMPLATE = ROOT / "tools" / "template.ipynb"
each_chapter = pytest.mark.parametrize("path", [*CHAPTERS, TEMPLATE], ids=lambda path: path.stem)

MAX_LINES = 15
MAX_CHARACTERS = 88
MANY_IMPORTS = 4
FRAMEWORKS = {"framework-torch", "framework-keras"}
REFUSED_TAGS = (
    "nbval-ignore-output",
    "nbval-skip",
    "raises-exception",
    "nbval-raises-exception",
    "pytest-validate-ignore-output",
)
REFUSED_MARKERS = ("NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "PYTEST_VALIDATE_IGNORE_OUTPUT")
PICTURES = ("image/png", "image/jpeg")
MACHINE_PATHS = ("/home/", "/tmp/", "/root/", "/Users/")
DIGIT = re.compile("[0-9]")
EXERCISE = re.compile(r"^:::\{exercise\}.*\n:label: (\S+)", re.MULTILINE)
# Where a solution starts, with its exercise and its options, or where it ends.
GATE = re.compile(r"^:::\{solution-(start|end)\} ?(\S*)((?:\n:\w+:.*)*)", re.MULTILINE)
# As ipykernel calls it. JupyterLab writes it into a notebook that says something else.
KERNEL = "Python 3 (ipykernel)"
# The parts that chapters have in common, in their order: patterns of their headings.
PARTS = ["Predict first", "What (we|was) found", "What to do", "What would go wrong", "Exercises", "Further reading"]
HIDING_TAGS = {"hide-cell", "hide-input", "hide-output"}


def test_there_are_chapters():
    # Without this, all tests of the chapters would vanish in silence together with the folder.
    assert CHAPTERS


# What a notebook holds.

Labelled = list[tuple[str, NotebookNode]]


def labelled(notebook: NotebookNode) -> Labelled:
    """Every cell with its name in messages: its number, from 1 and with the prose counted, and its first line."""
    return [(f"cell {number} ({first_line(cell.source)})", cell) for number, cell in enumerate(notebook.cells, 1)]


def first_line(source: str) -> str:
    return next(iter(source.strip().splitlines()), "")


def code_cells(notebook: NotebookNode) -> Labelled:
    """The code cells with their labels. Jupyter does not execute an empty one, so it is not among them."""
    return [(label, cell) for label, cell in labelled(notebook) if cell.cell_type == "code" and cell.source.strip()]


def markdown_cells(notebook: NotebookNode) -> Labelled:
    return [(label, cell) for label, cell in labelled(notebook) if cell.cell_type == "markdown"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def framework_tags(cell: NotebookNode) -> set[str]:
    return {tag for tag in tags(cell) if tag.startswith("framework-")}


def has_image(output: NotebookNode) -> bool:
    return any(kind in output.get("data", {}) for kind in (*PICTURES, "image/svg+xml"))


def shows_image(cell: NotebookNode) -> bool:
    return any(has_image(output) for output in cell.outputs)


def shows_sliders(cell: NotebookNode) -> bool:
    return any("<figure" in output.get("data", {}).get("text/html", "") for output in cell.outputs)


def compared_texts(cell: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """Where the text is that nbval compares, as (holder, key). Text beside an image only names the figure."""
    if cell.cell_type != "code":
        return
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            yield output, "text"
        elif "text/plain" in output.get("data", {}) and not has_image(output):
            yield output.data, "text/plain"


def compared_numbers(cell: NotebookNode) -> list[tuple[NotebookNode, str]]:
    return [(holder, key) for holder, key in compared_texts(cell) if DIGIT.search(holder[key])]


def solutions(notebook: NotebookNode) -> list[tuple[str, str, Labelled]]:
    """Every solution, as (label of its exercise, its options, its code cells)."""
    found, cells = [], []
    for label, cell in labelled(notebook):
        if cell.cell_type == "code":
            cells.append((label, cell))
            continue
        for gate in GATE.finditer(cell.source):
            cells = []
            if gate[1] == "start":
                found.append((gate[2], gate[3], cells))
    return found


# The rules. Each yields one sentence per violation.


def not_a_fresh_run(notebook: NotebookNode) -> Iterator[str]:
    for expected, (label, cell) in enumerate(code_cells(notebook), 1):
        if cell.execution_count is None:
            # nbval does not compare such a cell: it would pass whatever it prints.
            yield f"{label} was not executed"
        elif cell.execution_count != expected:
            yield f"{label} has execution count {cell.execution_count}, not {expected}: run all in a fresh kernel"


def stored_troubles(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{label} has a stored error: {output.ename}"
            elif output.get("name") == "stderr":
                yield f"{label} has stderr output: {first_line(output.text)}"


def split_prints(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        kinds = [(output.output_type, output.get("name")) for output in cell.outputs]
        if any(kind[0] == "stream" and kind == following for kind, following in pairwise(kinds)):
            yield f"{label} shows one print in several boxes: execute it with `make execute`, which joins them"


def too_long(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        lines = cell.source.splitlines()
        if len(lines) > MAX_LINES:
            yield f"{label} has {len(lines)} lines, at most {MAX_LINES} are allowed"
        if (longest := max(map(len, lines))) > MAX_CHARACTERS:
            yield f"{label} has a line of {longest} characters, at most {MAX_CHARACTERS} are allowed"


def without_alt_text(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if shows_image(cell) and not alt.strip():
            yield f"{label} shows a figure without alt text: set mystnb.image.alt in its metadata"
    for label, cell in markdown_cells(notebook):
        of_html = [tag for tag in re.findall(r"<img\b[^>]*>", cell.source) if not re.search(r"\salt=.\s*[^\s\"']", tag)]
        for image in re.findall(r"!\[\s*\][(\[][^)\]]*.", cell.source) + of_html:
            yield f"{label} has an image without alt text: {image}"


def unnumbered_figures(notebook: NotebookNode) -> Iterator[str]:
    prose = "\n".join(cell.source for _, cell in markdown_cells(notebook))
    for label, cell in code_cells(notebook):
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if not (shows_image(cell) or shows_sliders(cell)):
            if figure:
                yield f"{label} has mystnb.figure in its metadata, and shows no figure"
        elif missing := [key for key in ("caption", "name") if not figure.get(key, "").strip()]:
            yield f"{label} shows a figure without {' and '.join(missing)}: set mystnb.figure in its metadata"
        elif f"{{numref}}`{figure['name']}`" not in prose:
            yield f"{label} shows a figure that no text refers to: write {{numref}}`{figure['name']}`"


def unpaired_frameworks(notebook: NotebookNode) -> Iterator[str]:
    for tagged, run in groupby(labelled(notebook), key=lambda pair: bool(framework_tags(pair[1]))):
        cells = list(run)
        found = set().union(*(framework_tags(cell) for _, cell in cells))
        if tagged and found != FRAMEWORKS:
            yield f"{cells[0][0]} starts a run of {sorted(found)} cells, but both {sorted(FRAMEWORKS)} belong in it"


def code_without_prose(notebook: NotebookNode) -> Iterator[str]:
    before = dict(zip((label for label, _ in labelled(notebook)), [v4.new_code_cell(), *notebook.cells], strict=False))
    for label, cell in code_cells(notebook):
        follows_prose = before[label].cell_type == "markdown" and before[label].source.strip()
        inside_run = framework_tags(before[label]) and framework_tags(cell)
        folded = tags(cell) & HIDING_TAGS or only_pastes(cell) or only_prepares(cell)
        if not follows_prose and not inside_run and not folded:
            yield f"{label} has no prose directly before it"


def imports_in_sight(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        imports = re.findall(r"^(?:import|from) ", cell.source, re.MULTILINE)
        if len(imports) >= MANY_IMPORTS and not (only_prepares(cell) or tags(cell) & HIDING_TAGS):
            yield f"{label} imports and does more, so the page does not fold it: give the imports a cell of their own"


def hidden_from_the_check(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for tag in sorted(tags(cell).intersection(REFUSED_TAGS)):
            yield f"{label} has the tag {tag}, which hides it from the check"
        for marker in REFUSED_MARKERS:
            if marker in cell.source:
                yield f"{label} contains {marker}, which hides it from the check"


def nothing_compared(notebook: NotebookNode) -> Iterator[str]:
    if not any(compared_numbers(cell) for cell in notebook.cells):
        yield "the notebook has no compared text output with a digit in it"


def machine_paths(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for path in MACHINE_PATHS:
            if any(path in visible_text(output) for output in cell.outputs):
                yield f"{label} shows a path of one machine in its output: {path}"


def visible_text(output: NotebookNode) -> str:
    # Not the bytes of a picture: their base64 can hold "/tmp/" by chance.
    data = {kind: value for kind, value in output.get("data", {}).items() if not kind.endswith(PICTURES)}
    return json.dumps([output.get("text"), data])


def unsolved_exercises(notebook: NotebookNode) -> Iterator[str]:
    solved = {exercise for exercise, _, cells in solutions(notebook) if any(cell.execution_count for _, cell in cells)}
    for label, cell in markdown_cells(notebook):
        exercises = EXERCISE.findall(cell.source)
        if "## Exercises" in cell.source.splitlines() and not exercises:
            yield f"{label} has the heading of the exercises, and no exercise"
        for exercise in exercises:
            if exercise not in solved:
                yield f"{label} has the exercise {exercise}, and no solution with an executed cell follows"


def solutions_in_sight(notebook: NotebookNode) -> Iterator[str]:
    for exercise, options, cells in solutions(notebook):
        if ":class: dropdown" not in options.splitlines():
            yield f"the solution of {exercise} is not hidden at first: give it `:class: dropdown`"
        for label, cell in cells:
            for tag in sorted(tags(cell) & HIDING_TAGS):
                yield f"{label} is hidden inside a hidden solution: remove its tag {tag}"


def wrong_kernel(notebook: NotebookNode) -> Iterator[str]:
    kernel = notebook.metadata.get("kernelspec", {})
    if kernel.get("name") != "python3":
        yield f"the notebook names the kernel {kernel.get('name')!r}, expected 'python3'"
    elif kernel.get("display_name") != KERNEL:
        yield f"JupyterLab would mark the notebook as changed: display_name of its kernelspec is not {KERNEL!r}"


def parts_out_of_order(notebook: NotebookNode) -> Iterator[str]:
    titles = re.findall(r"^## (.+)$", "\n".join(cell.source for _, cell in markdown_cells(notebook)), re.MULTILINE)
    found = [PARTS.index(part) for title in titles for part in PARTS if re.match(part, title)]
    for before, after in pairwise(found):
        if before > after:
            yield f"'{PARTS[after]}' stands below '{PARTS[before]}': it belongs above it"


Rule = Callable[[NotebookNode], Iterator[str]]
RULES: list[Rule] = [not_a_fresh_run, stored_troubles, split_prints, too_long, without_alt_text, unnumbered_figures]
RULES += [unpaired_frameworks, code_without_prose, imports_in_sight, hidden_from_the_check, nothing_compared]
RULES += [machine_paths, unsolved_exercises, solutions_in_sight, wrong_kernel, parts_out_of_order]


def violations(notebook: NotebookNode) -> list[str]:
    return [sentence for rule in RULES for sentence in rule(notebook)]


@each_chapter
def test_the_chapter_keeps_the_rules(path):
    assert violations(nbformat.read(path, as_version=4)) == []


def test_the_guide_has_a_row_for_each_rule():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE) == [rule.__name__ for rule in RULES]


# Each rule can go red.


def output(kind: str, text: str) -> NotebookNode:
    return v4.new_output("display_data", {kind: text})


def prints(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def code(name: str, source: str, *outputs: NotebookNode, **metadata) -> NotebookNode:
    return v4.new_code_cell(source, id=name, outputs=list(outputs), metadata=metadata)


PROSE = v4.new_markdown_cell("Prose.", id="prose")


def good_notebook() -> NotebookNode:
    """The template, and what else a rule looks at."""
    notebook = nbformat.read(TEMPLATE, as_version=4)
    find(notebook, "title").source += '\n\n![A map.](map.png) <img src="map.png" alt="A map.">'
    find(notebook, "figure").outputs = [output("image/png", "iVBO/tmp/Rw0K")]
    result = v4.new_output("execute_result", {"text/plain": "'done'"})
    more = [code("result", "r", result), code("last", "last = True")]
    for count, cell in enumerate(more, len(code_cells(notebook)) + 1):
        cell.execution_count = count
        notebook.cells += [v4.new_markdown_cell("Prose.", id=f"before-{cell.id}"), cell]
    notebook.cells.append(code("empty", ""))  # JupyterLab leaves one at the end
    return notebook


def find(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def edited(edits: Mapping[str, Any]) -> NotebookNode:
    """The good notebook with other values, as {"cell.key.key": value}, or other cells, as {"cell": [cell, ...]}."""
    notebook = good_notebook()
    for path, value in edits.items():
        name, *keys = path.split(".")
        cell = notebook if name == "notebook" else find(notebook, name)
        if keys:
            reduce(getitem, keys[:-1], cell)[keys[-1]] = value
        else:
            place = notebook.cells.index(cell)
            notebook.cells[place : place + 1] = value
    return notebook


def without(name: str, text: str, instead: str = "") -> dict[str, str]:
    """The edit that takes a text out of a cell, which holds it."""
    source = find(good_notebook(), name).source
    assert text in source
    return {f"{name}.source": source.replace(text, instead)}


SLIDERS = {"figure.outputs": [output("text/html", '<figure class="interactive">')], "figure.metadata.tags": []}
START, END = ":::{solution-start} ex-template-1\n:class: dropdown\n:::", ":::{solution-end}\n:::"
GLUED = v4.new_output("display_data", {"application/papermill.record/text/plain": "1"})
GLUED.metadata["scrapbook"] = {"name": "one", "mime_prefix": "application/papermill.record/"}
FIGURE, ALT, TAGS = "figure.metadata.mystnb.figure", "figure.metadata.mystnb.image.alt", "last.metadata.tags"
TORCH = code("torch", "1", tags=["framework-torch"])
TORCH.execution_count = 2

# What goes red, how the good notebook is edited, and what the sentence says.
RED: list[tuple[Rule, Mapping[str, Any], str]] = [
    (not_a_fresh_run, {"last.execution_count": None}, "(last = True) was not executed"),
    (not_a_fresh_run, {"last.execution_count": 9}, "(last = True) has execution count 9, not 7"),
    (stored_troubles, {"last.outputs": [v4.new_output("error", ename="ValueError")]}, "a stored error: ValueError"),
    (stored_troubles, {"last.outputs": [prints("Warning!\n", "stderr")]}, "(last = True) has stderr output: Warning!"),
    (split_prints, {"last.outputs": [prints("a\n"), prints("b\n")]}, "(last = True) shows one print in several boxes"),
    (too_long, {"imports.source": "pass\n" * 16}, "cell 3 (pass) has 16 lines, at most 15"),
    (too_long, {"last.source": "x" * 89}, "has a line of 89 characters, at most 88"),
    (without_alt_text, {"figure.metadata.mystnb.image": {}}, "shows a figure without alt text"),
    (without_alt_text, {ALT: " "}, "shows a figure without alt text"),
    (without_alt_text, {ALT: "", "figure.outputs": [output("image/svg+xml", "<svg/>")]}, "without alt text"),
    (without_alt_text, {ALT: "", "figure.outputs": [output("image/jpeg", "/9j/")]}, "without alt text"),
    (
        without_alt_text,
        {"before-last.source": "See:\n![ ](a.png)"},
        "(See:) has an image without alt text: ![ ](a.png)",
    ),
    (without_alt_text, {"before-last.source": "![][map]"}, "without alt text: ![][map]"),
    (without_alt_text, {"before-last.source": "<img src='a'>"}, "without alt text: <img src='a'>"),
    (without_alt_text, {"before-last.source": "<img alt=''>"}, "without alt text: <img alt=''>"),
    (unnumbered_figures, {FIGURE: {}}, "shows a figure without caption and name"),
    (unnumbered_figures, SLIDERS | {FIGURE: {}}, "shows a figure without caption and name"),
    (unnumbered_figures, SLIDERS | {f"{FIGURE}.caption": " "}, "shows a figure without caption: set mystnb.figure"),
    (unnumbered_figures, SLIDERS | {f"{FIGURE}.name": ""}, "shows a figure without name: set mystnb.figure"),
    (unnumbered_figures, {f"{FIGURE}.name": "fig-two"}, "that no text refers to: write {numref}`fig-two`"),
    (unnumbered_figures, {"last.metadata": {"mystnb": {"figure": {"name": "a"}}}}, "and shows no figure"),
    (unpaired_frameworks, {"keras.metadata.tags": ["framework-torch"]}, "starts a run of ['framework-torch'] cells"),
    (unpaired_frameworks, {"torch.metadata.tags": ["framework-keras"]}, "starts a run of ['framework-keras'] cells"),
    (unpaired_frameworks, {"keras.metadata.tags": ["framework-kreas"]}, "['framework-kreas', 'framework-torch']"),
    (unpaired_frameworks, {"torch": [TORCH, PROSE]}, "cell 5 (1) starts a run of ['framework-torch'] cells"),
    (code_without_prose, {"before-last": []}, "(last = True) has no prose directly before it"),
    (code_without_prose, {"before-last.source": " "}, "(last = True) has no prose"),
    (code_without_prose, {"pair": []}, "cell 4 (losses, weight = torch"),
    (imports_in_sight, {"imports.outputs": [prints("ready\n")]}, "imports and does more, so the page does not fold it"),
    *((hidden_from_the_check, {TAGS: [tag]}, f"has the tag {tag}") for tag in REFUSED_TAGS),
    *((hidden_from_the_check, {"last.source": f"# {mark}"}, f"contains {mark}") for mark in REFUSED_MARKERS),
    (nothing_compared, {"torch.outputs": [], "keras.outputs": [], "solution.outputs": [prints("a\n")]}, "with a digit"),
    *((machine_paths, {"last.outputs": [prints(f"{path}a\n")]}, f"in its output: {path}") for path in MACHINE_PATHS),
    (machine_paths, {"last.outputs": [output("text/html", "<b>/tmp/a.npz</b>")]}, "(last = True) shows a path"),
    (unsolved_exercises, {"exercise.source": "## Exercises"}, "has the heading of the exercises, and no exercise"),
    (unsolved_exercises, without("exercise", START), "the exercise ex-template-1, and no solution"),
    (unsolved_exercises, without("exercise", START, f"{START}\n\n{END}"), "ex-template-1, and no solution"),
    (unsolved_exercises, without("exercise", "start} ex-template-1", "start} ex-2"), "ex-template-1, and no solution"),
    (solutions_in_sight, without("exercise", "\n:class: dropdown"), "the solution of ex-template-1 is not hidden"),
    (solutions_in_sight, {"solution.metadata.tags": ["hide-cell"]}, "is hidden inside a hidden solution"),
    (parts_out_of_order, {"before-last.source": "## What to do"}, "'What to do' stands below 'Further reading'"),
    (wrong_kernel, {"notebook.metadata.kernelspec.name": "py311"}, "the kernel 'py311'"),
    (wrong_kernel, {"notebook.metadata.kernelspec": {}}, "the kernel None"),
    (wrong_kernel, {"notebook.metadata.kernelspec.display_name": "Python 3"}, "would mark the notebook as changed"),
]


def test_a_good_notebook_has_no_violations():
    assert violations(good_notebook()) == []


@pytest.mark.parametrize(
    "edits",
    [
        {"title": [], "install": []},
        {"before-last": [], TAGS: ["hide-input"]},
        {"before-last": [], "last.outputs": [GLUED]},
    ],
    ids=["imports", "a tag", "glue"],
)
def test_a_folded_cell_needs_no_prose(edits):
    assert violations(edited(edits)) == []


@pytest.mark.parametrize(("rule", "edits", "words"), RED, ids=[f"{rule.__name__}: {words}" for rule, _, words in RED])
def test_a_broken_notebook_turns_its_rule_red_and_no_other(rule, edits, words):
    notebook = edited(edits)
    assert [red.__name__ for red in RULES if list(red(notebook))] == [rule.__name__]
    assert words in violations(notebook)[0]


def test_every_rule_is_shown_to_go_red():
    assert {rule for rule, _, _ in RED} == set(RULES)


def test_all_that_hides_a_cell_from_nbval_is_refused():
    # Asked of the installed nbval, so that a later one cannot bring a way round the rules.
    assert set(nbval.metadata_tags) == {*REFUSED_TAGS, "nbval-check-output"}
    assert set(nbval.comment_markers) == {*REFUSED_MARKERS, "NBVAL_CHECK_OUTPUT"}


# The check can fail.


def with_other_digits(cell: NotebookNode) -> Iterator[NotebookNode]:
    """Copies of a cell, one for each text that nbval compares. In each one digit of that text is another one."""
    for place in range(len(compared_numbers(cell))):
        altered = copy.deepcopy(cell)
        holder, key = compared_numbers(altered)[place]
        holder[key] = DIGIT.sub(lambda digit: str((int(digit[0]) + 1) % 10), holder[key], count=1)
        yield altered


@each_chapter
def test_any_changed_digit_in_the_chapter_would_turn_it_red(path, request):
    """By nbval's own comparison, of stored outputs. That a run makes it, `test_conftest.py` shows."""
    outputs = 0
    for item in nbval.IPyNbFile.from_parent(request.session, path=path).collect():
        stored = item.cell.outputs
        assert item.compare_outputs(stored, stored)
        for altered in with_other_digits(item.cell):
            assert item.options["check"]
            assert not item.compare_outputs(altered.outputs, stored), f"{item.name}: {altered.outputs}"
            outputs += 1
    assert outputs > 0


def test_one_digit_is_changed_in_each_copy_and_the_original_is_kept():
    cell = code("last", "show()", prints("no number"), prints("a 0.5 b 7"), prints("99"))
    texts = [[output.text for output in altered.outputs] for altered in with_other_digits(cell)]
    assert texts == [["no number", "a 1.5 b 7", "99"], ["no number", "a 0.5 b 7", "09"]]
    assert [output.text for output in cell.outputs] == ["no number", "a 0.5 b 7", "99"]
