"""The rules for the chapters, and the proof that the comparison of their outputs can fail.

nbval compares stored outputs with new ones. It does not see what is not stored, and it skips what it is told to skip.
The rules close those gaps, so that what a reader sees is what was verified.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4
from nbval import plugin as nbval

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

MAX_LINES = 15
MAX_CHARACTERS = 88
CELLS_PER_IGNORED = 8
FRAMEWORKS = {"framework-torch", "framework-keras"}
IGNORED = "nbval-ignore-output"
REFUSED_TAGS = ("nbval-skip", "raises-exception", "nbval-raises-exception", "pytest-validate-ignore-output")
REFUSED_MARKERS = (
    "NBVAL_IGNORE_OUTPUT",
    "NBVAL_SKIP",
    "NBVAL_RAISES_EXCEPTION",
    "PYTEST_VALIDATE_IGNORE_OUTPUT",
)
PICTURES = ("image/png", "image/jpeg")
MACHINE_PATHS = ("/home/", "/tmp/", "/root/", "/Users/")
DIGIT = re.compile("[0-9]")
EXERCISE = re.compile(r"^:::\{exercise\}.*\n:label: (\S+)", re.MULTILINE)
# Where a solution starts, with its exercise and its options, or where it ends.
GATE = re.compile(r"^:::\{solution-(start|end)\} ?(\S*)((?:\n:\w+:.*)*)", re.MULTILINE)
HIDING_TAGS = {"hide-cell", "hide-input", "hide-output"}


def test_there_are_chapters():
    # Without this, all tests of the chapters would vanish in silence together with the folder.
    assert CHAPTERS


# What a notebook holds.


def labelled(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
    """Every cell with its name in messages: its number, from 1 and with the prose counted, and its first line."""
    cells = enumerate(notebook.cells, 1)
    return [(f"cell {number} ({first_line(cell.source)})", cell) for number, cell in cells]


def first_line(source: str) -> str:
    return next(iter(source.strip().splitlines()), "")


def code_cells(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
    """The code cells with their labels. Jupyter does not execute an empty one, so it is not among them."""
    return [(label, cell) for label, cell in labelled(notebook) if cell.cell_type == "code" and cell.source.strip()]


def markdown_cells(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
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
    if cell.cell_type != "code" or IGNORED in tags(cell):
        return
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            yield output, "text"
        elif "text/plain" in output.get("data", {}) and not has_image(output):
            yield output.data, "text/plain"


def compared_numbers(cell: NotebookNode) -> list[tuple[NotebookNode, str]]:
    return [(holder, key) for holder, key in compared_texts(cell) if DIGIT.search(holder[key])]


def solutions(notebook: NotebookNode) -> list[tuple[str, str, list[tuple[str, NotebookNode]]]]:
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


def stored_errors(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{label} has a stored error: {output.ename}"


def stored_stderr(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{label} has stderr output: {first_line(output.text)}"


def split_prints(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        kinds = [(output.output_type, output.get("name")) for output in cell.outputs]
        if any(kind[0] == "stream" and kind == following for kind, following in pairwise(kinds)):
            yield f"{label} shows one print in several boxes: execute it with `make execute`, which joins them"


def long_cells(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        lines = len(cell.source.splitlines())
        if lines > MAX_LINES:
            yield f"{label} has {lines} lines, at most {MAX_LINES} are allowed"


def long_lines(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        longest = max(len(line) for line in cell.source.splitlines())
        if longest > MAX_CHARACTERS:
            yield f"{label} has a line of {longest} characters, at most {MAX_CHARACTERS} are allowed"


def figures_without_alt_text(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if shows_image(cell) and not alt.strip():
            yield f"{label} shows a figure without alt text: set mystnb.image.alt in its metadata"


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


def images_without_alt_text(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in markdown_cells(notebook):
        of_html = [tag for tag in re.findall(r"<img\b[^>]*>", cell.source) if not re.search(r"\salt=.\s*[^\s\"']", tag)]
        for image in re.findall(r"!\[\s*\][(\[][^)\]]*.", cell.source) + of_html:
            yield f"{label} has an image without alt text: {image}"


def unpaired_frameworks(notebook: NotebookNode) -> Iterator[str]:
    for tagged, run in groupby(labelled(notebook), key=lambda pair: bool(framework_tags(pair[1]))):
        cells = list(run)
        found = set().union(*(framework_tags(cell) for _, cell in cells))
        if tagged and found != FRAMEWORKS:
            yield f"{cells[0][0]} starts a run of {sorted(found)} cells, but both {sorted(FRAMEWORKS)} belong in it"


def code_without_prose(notebook: NotebookNode) -> Iterator[str]:
    before = dict(zip((label for label, _ in labelled(notebook)), [None, *notebook.cells], strict=False))
    for label, cell in code_cells(notebook):
        previous = before[label]
        follows_prose = previous is not None and previous.cell_type == "markdown" and previous.source.strip()
        inside_run = previous is not None and framework_tags(previous) and framework_tags(cell)
        if not follows_prose and not inside_run:
            yield f"{label} has no prose directly before it"


def refused_tags(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for tag in sorted(tags(cell).intersection(REFUSED_TAGS)):
            yield f"{label} has the tag {tag}, which hides it from the check"


def refused_markers(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        for marker in REFUSED_MARKERS:
            if marker in cell.source:
                yield f"{label} contains {marker}, which hides it from the check"


def ignored_without_reason(notebook: NotebookNode) -> Iterator[str]:
    for label, cell in code_cells(notebook):
        reason = cell.metadata.get("nbval_ignore_reason")
        if IGNORED in tags(cell) and not (isinstance(reason, str) and reason.strip()):
            yield f"{label} is tagged {IGNORED} without an nbval_ignore_reason in its metadata"


def too_many_ignored(notebook: NotebookNode) -> Iterator[str]:
    cells = code_cells(notebook)
    # Figures aside: pixels are never compared.
    ignored = [label for label, cell in cells if IGNORED in tags(cell) and not shows_image(cell)]
    if len(ignored) * CELLS_PER_IGNORED > len(cells):
        yield (
            f"the notebook ignores the output of {len(ignored)} of {len(cells)} code cells, "
            f"at most one in {CELLS_PER_IGNORED} is allowed: {', '.join(ignored)}"
        )


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
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield f"the notebook names the kernel {name!r}, expected 'python3'"


RULES: tuple[Callable[[NotebookNode], Iterator[str]], ...] = (
    not_a_fresh_run,
    stored_errors,
    stored_stderr,
    split_prints,
    long_cells,
    long_lines,
    figures_without_alt_text,
    unnumbered_figures,
    images_without_alt_text,
    unpaired_frameworks,
    code_without_prose,
    refused_tags,
    refused_markers,
    ignored_without_reason,
    too_many_ignored,
    nothing_compared,
    machine_paths,
    unsolved_exercises,
    solutions_in_sight,
    wrong_kernel,
)


def violations(notebook: NotebookNode) -> list[str]:
    return [sentence for rule in RULES for sentence in rule(notebook)]


@each_chapter
def test_the_chapter_keeps_the_rules(path):
    assert violations(nbformat.read(path, as_version=4)) == []


# Each rule can go red.


def prints(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def code(name: str, source: str, *outputs: NotebookNode, **metadata) -> NotebookNode:
    return v4.new_code_cell(source, id=name, outputs=list(outputs), metadata=metadata)


ASK = "## Exercises\n\n:::{exercise}\n:label: ex-good-1\n\nDraw it.\n:::\n\n"
ANSWER = ":::{solution-start} ex-good-1\n:class: dropdown\n:::"
END = ":::{solution-end}\n:::"


def about(name: str, alt: str = "A falling line.", caption: str = "A line.") -> dict[str, dict[str, str]]:
    """What the metadata of a cell says about its figure."""
    return {"image": {"alt": alt}, "figure": {"caption": caption, "name": name}}


def good_notebook() -> NotebookNode:
    """A notebook that keeps every rule, with every feature that a rule looks at. Only one output has a number."""
    figure = v4.new_output("display_data", {"image/png": "iVBO/tmp/Rw0K", "text/plain": "<Figure size 640x480>"})
    cells = [
        code("sum", "print(1 / 2)", prints("0.5\n")),
        code("torch", "def step():  # torch\n    return torch", tags=["framework-torch"]),
        code("keras", "def step():  # keras\n    return keras", tags=["framework-keras"]),
        code("figure", "plt.show()", figure, mystnb=about("fig-line")),
        code("time", "print(seconds)", prints("0.12\n"), tags=[IGNORED], nbval_ignore_reason="A time varies."),
        code("ignored-figure", "wiggle()", figure, mystnb=about("fig-wave"), tags=[IGNORED], nbval_ignore_reason="So."),
        code("result", "'done'", v4.new_output("execute_result", {"text/plain": "'done'"})),
        code("last", "last = True"),
    ]
    notebook = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
        if cell.id != "keras":
            notebook.cells.append(v4.new_markdown_cell("Prose.", id=f"before-{cell.id}"))
        notebook.cells.append(cell)
    notebook.cells[0].source = '# Title\n\n![A map.](map.png) <img src="map.png" alt="A map.">'
    find(notebook, "before-figure").source = ASK + ANSWER
    find(notebook, "before-time").source = END + "\n\nProse."
    find(notebook, "before-ignored-figure").source = "{numref}`fig-wave` is unlike {numref}`fig-line`."
    notebook.cells.append(v4.new_code_cell("", id="empty"))  # JupyterLab leaves one at the end
    return notebook


def find(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def changed(name: str, **fields) -> Callable[[NotebookNode], None]:
    return lambda notebook: find(notebook, name).update(fields)


def tagged(name: str, *new_tags: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: find(notebook, name).metadata.update(tags=list(new_tags))


def described(name: str, **metadata) -> Callable[[NotebookNode], None]:
    return lambda notebook: find(notebook, name).metadata.update(nbformat.from_dict(metadata))


def drawn(output: NotebookNode, **mystnb) -> Callable[[NotebookNode], None]:
    return lambda notebook: find(notebook, "figure").update(outputs=[output], metadata={"mystnb": mystnb})


def shown(name: str, *outputs: NotebookNode) -> Callable[[NotebookNode], None]:
    return lambda notebook: find(notebook, name).outputs.extend(outputs)


def removed(name: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells.remove(find(notebook, name))


def prose_between_frameworks(notebook: NotebookNode) -> None:
    notebook.cells.insert(notebook.cells.index(find(notebook, "keras")), v4.new_markdown_cell("And Keras:"))


def ignored_as_well(notebook: NotebookNode) -> None:
    find(notebook, "last").metadata = find(notebook, "time").metadata


PNG = v4.new_output("display_data", {"image/png": "iVBO"})
SVG = v4.new_output("display_data", {"image/svg+xml": "<svg/>"})
JPEG = v4.new_output("display_data", {"image/jpeg": "/9j/"})
SLIDERS = v4.new_output("execute_result", {"text/html": '<figure class="interactive">'})
HTML_PATH = v4.new_output("display_data", {"text/html": "<b>/tmp/a.npz</b>"})
STDERR = prints("Warning!\n", "stderr")
ERROR = v4.new_output("error", ename="ValueError")

# What goes red, how the notebook is broken, and what the sentence says.
BROKEN = {
    "not executed": (not_a_fresh_run, changed("last", execution_count=None), "cell 15 (last = True) was not executed"),
    "out of order": (
        not_a_fresh_run,
        changed("last", execution_count=9),
        "cell 15 (last = True) has execution count 9",
    ),
    "error": (stored_errors, shown("last", ERROR), "cell 15 (last = True) has a stored error: ValueError"),
    "stderr": (stored_stderr, shown("last", STDERR), "cell 15 (last = True) has stderr output: Warning!"),
    "two boxes": (
        split_prints,
        shown("last", prints("a\n"), prints("b\n")),
        "cell 15 (last = True) shows one print in several boxes",
    ),
    "16 lines": (long_cells, changed("last", source="pass\n" * 16), "cell 15 (pass) has 16 lines, at most 15"),
    "89 characters": (long_lines, changed("last", source="x" * 89), "has a line of 89 characters, at most 88"),
    "PNG, no alt": (
        figures_without_alt_text,
        drawn(PNG, figure=about("fig-line")["figure"]),
        "cell 7 (plt.show()) shows a figure",
    ),
    "PNG, blank alt": (figures_without_alt_text, drawn(PNG, **about("fig-line", alt=" ")), "cell 7 (plt"),
    "SVG, no alt": (figures_without_alt_text, drawn(SVG, **about("fig-line", alt="")), "without alt text"),
    "JPEG, no alt": (figures_without_alt_text, drawn(JPEG, **about("fig-line", alt="")), "without alt text"),
    "PNG, no number": (
        unnumbered_figures,
        drawn(PNG, image={"alt": "A line."}),
        "cell 7 (plt.show()) shows a figure without caption and name",
    ),
    "sliders, no number": (unnumbered_figures, drawn(SLIDERS), "shows a figure without caption and name"),
    "sliders, blank caption": (unnumbered_figures, drawn(SLIDERS, **about("fig-line", caption=" ")), "without caption"),
    "sliders, no name": (unnumbered_figures, drawn(SLIDERS, **about("")), "shows a figure without name"),
    "sliders, no reference": (unnumbered_figures, drawn(SLIDERS, **about("fig-two")), "write {numref}`fig-two`"),
    "number, no figure": (unnumbered_figures, described("last", mystnb=about("fig-line")), "and shows no figure"),
    "![ ]()": (
        images_without_alt_text,
        changed("before-last", source="See:\n![ ](a.png)"),
        "cell 14 (See:) has an image",
    ),
    "![][]": (images_without_alt_text, changed("before-last", source="![][map]"), "without alt text: ![][map]"),
    "<img>": (images_without_alt_text, changed("before-last", source="<img src='a'>"), "alt text: <img src='a'>"),
    "<img alt=''>": (images_without_alt_text, changed("before-last", source="<img alt=''>"), "alt text: <img alt=''>"),
    "no keras": (unpaired_frameworks, tagged("keras", "framework-torch"), "cell 4 (def step():  # torch) starts a run"),
    "no torch": (unpaired_frameworks, tagged("torch", "framework-keras"), "cell 4 (def step():  # torch) starts a run"),
    "unknown framework": (
        unpaired_frameworks,
        tagged("keras", "framework-kreas"),
        "['framework-kreas', 'framework-torch']",
    ),
    "twins apart": (unpaired_frameworks, prose_between_frameworks, "cell 4 (def step():  # torch) starts a run"),
    "no prose": (code_without_prose, removed("before-last"), "cell 14 (last = True) has no prose directly before it"),
    "blank prose": (code_without_prose, changed("before-last", source=" "), "cell 15 (last = True) has no prose"),
    "no prose at the start": (code_without_prose, removed("before-sum"), "cell 1 (print(1 / 2)) has no prose"),
    "no prose before a pair": (
        code_without_prose,
        removed("before-torch"),
        "cell 3 (def step():  # torch) has no prose",
    ),
    **{f"tag {tag}": (refused_tags, tagged("last", tag), f"has the tag {tag}") for tag in REFUSED_TAGS},
    **{f"# {m}": (refused_markers, changed("last", source=f"# {m}"), f"contains {m}") for m in REFUSED_MARKERS},
    "no reason": (
        ignored_without_reason,
        described("time", nbval_ignore_reason=" "),
        "cell 9 (print(seconds)) is tagged",
    ),
    "2 of 8 ignored": (
        too_many_ignored,
        ignored_as_well,
        "2 of 8 code cells, at most one in 8 is allowed: cell 9 (print",
    ),
    "1 of 7 ignored": (too_many_ignored, changed("last", source=""), "1 of 7 code cells"),
    "no number": (nothing_compared, changed("sum", outputs=[prints("half\n")]), "no compared text output with a digit"),
    "prints /home/": (machine_paths, shown("last", prints("/home/a\n")), "path of one machine in its output: /home/"),
    "prints /tmp/": (machine_paths, shown("last", prints("in /tmp/a\n")), "path of one machine in its output: /tmp/"),
    "prints /root/": (machine_paths, shown("last", prints("/root/a\n")), "path of one machine in its output: /root/"),
    "prints /Users/": (
        machine_paths,
        shown("last", prints("/Users/a\n")),
        "path of one machine in its output: /Users/",
    ),
    "displays /tmp/": (machine_paths, shown("last", HTML_PATH), "cell 15 (last = True) shows a path of one machine"),
    "no exercise": (unsolved_exercises, changed("before-figure", source="## Exercises"), "and no exercise"),
    "no solution": (unsolved_exercises, changed("before-figure", source=ASK), "exercise ex-good-1, and no solution"),
    "empty solution": (
        unsolved_exercises,
        changed("before-figure", source=f"{ASK}{ANSWER}\n\n{END}"),
        "exercise ex-good-1, and no solution",
    ),
    "solution of another": (
        unsolved_exercises,
        changed("before-figure", source=ASK + ANSWER.replace("good-1", "good-2")),
        "exercise ex-good-1, and no solution",
    ),
    "solution in sight": (
        solutions_in_sight,
        changed("before-figure", source=ASK + ANSWER.replace("\n:class: dropdown", "")),
        "the solution of ex-good-1 is not hidden",
    ),
    "hidden twice": (solutions_in_sight, tagged("figure", "hide-cell"), "cell 7 (plt.show()) is hidden inside"),
    "other kernel": (
        wrong_kernel,
        lambda notebook: notebook.metadata.kernelspec.update(name="py311"),
        "kernel 'py311'",
    ),
    "no kernel": (wrong_kernel, lambda notebook: notebook.metadata.pop("kernelspec"), "kernel None"),
}


def test_a_good_notebook_has_no_violations():
    assert violations(good_notebook()) == []


@pytest.mark.parametrize(("rule", "break_it", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_notebook_turns_its_rule_red_and_no_other(rule, break_it, words):
    notebook = good_notebook()
    break_it(notebook)
    assert [red.__name__ for red in RULES if list(red(notebook))] == [rule.__name__]
    assert words in violations(notebook)[0]


def test_every_rule_is_shown_to_go_red():
    assert {rule for rule, _, _ in BROKEN.values()} == set(RULES)


def test_all_that_hides_a_cell_from_nbval_is_refused():
    # Asked of the installed nbval, so that a later one cannot bring a way round the rules.
    assert set(nbval.metadata_tags) == {*REFUSED_TAGS, IGNORED, "nbval-check-output"}
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
