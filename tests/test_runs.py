"""Stored runs: what belongs to an experiment's code, which runs are trained again, and when they agree.

The notebook is a namespace like that of a kernel, with the sources of its cells under `In`.
"""

from __future__ import annotations

import json
from math import comb
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import _agreement, _code, runs
from helpers._agreement import FALSE_ALARM, again_in_a_row, is_suspicious
from helpers._code import code_digest

IMPORTS = "import numpy as np\nfrom helpers import weights, plots"
CONSTANTS = "SEEDS = range(20)\nSHIFT = 1.0\nOTHER = 7"
TRAIN = '''def train(seed: int, w=None):
    """One run."""
    # a comment
    total = weights.check_sample_weights([1.0, SHIFT], 2).sum()
    return {"score": total + np.random.default_rng(seed).normal(), "path": np.arange(2 + seed % 2)}'''
EXPERIMENT = "def experiment(framework, arm, seed):\n    return train(seed) if arm == 'plain' else train(seed + 1000)"
NAMES = ("imports", "constants", "train", "last")
CELLS = (IMPORTS, CONSTANTS, TRAIN, EXPERIMENT)


def digest(**replaced: str) -> str:
    cells = [replaced.get(name, cell) for name, cell in zip(NAMES, CELLS, strict=True)]
    return code_digest("experiment", cells)


SAME = {
    "docstring": {"train": TRAIN.replace("One run.", "A run.")},
    "comment": {"train": TRAIN.replace("# a comment", "# another")},
    "layout": {"train": TRAIN.replace("[1.0, SHIFT]", "[1.0,\n        SHIFT]")},
    "annotation": {"train": TRAIN.replace("seed: int", "seed")},
    "constant that is not used": {"constants": CONSTANTS.replace("OTHER = 7", "OTHER = 8")},
    "import that is not used": {"imports": IMPORTS.replace(", plots", "")},
    "a print": {"last": EXPERIMENT + "\nprint('here')"},
    "a module's function": {"last": EXPERIMENT + "\nnp.random.seed(0)"},
    "names inside a loop": {"last": EXPERIMENT + "\n[SHIFT for SHIFT in range(3)]"},
}
OTHER = {
    "constant": {"constants": CONSTANTS.replace("SHIFT = 1.0", "SHIFT = 2.0")},
    "constant, changed later": {"constants": CONSTANTS + "\nSHIFT += 1"},
    "arm": {"last": EXPERIMENT.replace("1000", "1001")},
    "weights dropped": {"train": TRAIN.replace("SHIFT]", "1.0]")},
    "another helper": {"train": TRAIN.replace("weights.check_sample_weights([1.0, SHIFT], 2)", "np.ones(2)")},
    "default argument": {"train": TRAIN.replace("w=None", "w=1")},
}


@pytest.mark.parametrize("replaced", SAME.values(), ids=SAME)
def test_what_does_not_train_is_not_in_the_digest(replaced):
    assert digest(**replaced) == digest()


@pytest.mark.parametrize("replaced", OTHER.values(), ids=OTHER)
def test_what_trains_is_in_the_digest(replaced):
    assert digest(**replaced) != digest()


def test_the_last_definition_of_a_cell_that_ran_twice_counts():
    changed = EXPERIMENT.replace("1000", "1001")
    assert code_digest("experiment", [*CELLS, changed]) == digest(last=changed)
    assert code_digest("experiment", [*CELLS, changed, EXPERIMENT]) == digest()


def test_a_changed_array_is_another_experiment():
    cells = ["x = [0, 0]", "def f(framework, arm, seed):\n    return {'x': x[0]}"]
    assert code_digest("f", [cells[0], "x[0] = 1", cells[1]]) != code_digest("f", cells)
    assert code_digest("f", [cells[0], "x.append(1)", cells[1]]) != code_digest("f", cells)


def test_a_formula_of_a_helper_is_in_the_digest_and_its_docstring_is_not(monkeypatch):
    before, read = digest(), _code.Path.read_text

    def edited(old, new):
        monkeypatch.setattr(_code.Path, "read_text", lambda self, **kw: read(self, **kw).replace(old, new))
        return digest()

    assert edited("def effective_sample_size", "def another_name") == before
    assert edited("float32", "float64") != before


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="no executed cell defines 'experiment'"):
        code_digest("experiment", ["x = 1"])


# Trained again.


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """`call()` runs the experiment of a notebook whose cells can be replaced."""
    (tmp_path / "book").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    monkeypatch.setattr(runs, "PROCESSES", 0)  # in this process
    monkeypatch.setenv("RUNS_REPORT", str(tmp_path))
    space: dict = {"__name__": "__main__", "In": []}

    def call(mode="check", again=2, seeds=range(20), arms=("plain", "shifted"), cells=CELLS, **more):
        monkeypatch.setenv("RUNS", mode)
        space["In"] = list(cells)
        for cell in cells:
            exec(cell, space)
        return runs.run(space["experiment"], chapter="toy", arms=arms, seeds=seeds, again=again, **more)

    call.space, call.path, call.report = space, tmp_path / "book" / "runs" / "toy.json", tmp_path
    return call


@pytest.fixture
def stored(notebook):
    notebook("store")
    return notebook


def change(path, key, seed, name, value):
    everything = json.loads(path.read_text())
    everything["experiment"]["runs"][key][str(seed)][name] = value
    everything["experiment"]["values"] = runs.values_digest(everything["experiment"]["runs"])
    path.write_text(json.dumps(everything))


def elsewhere(monkeypatch):
    monkeypatch.setattr(runs, "surroundings", lambda: {"processor": "another"})


@pytest.mark.parametrize("mode", ["", "check", "all", "store"])
def test_a_value_that_was_changed_by_hand_is_seen_whether_its_seed_is_trained_again_or_not(stored, mode):
    text = stored.path.read_text()
    first = json.loads(text)["experiment"]["runs"]["Keras | plain"]["0"]["score"]
    stored.path.write_text(text.replace(str(first), str(first + 1e-6), 1))
    with pytest.raises(runs.RunsChanged, match="stored values of experiment were changed after they were trained"):
        stored(mode)


def test_the_stored_runs_come_back_and_some_are_trained_again(stored, capsys):
    capsys.readouterr()
    sample = stored()
    assert capsys.readouterr().out == "2 of 20 seeds trained again: they agree\n"
    assert list(sample) == [(f, arm) for f in ("PyTorch", "Keras") for arm in ("plain", "shifted")]
    expected = [2 + np.random.default_rng(seed).normal() for seed in range(20)]
    np.testing.assert_allclose(sample["Keras", "plain"]["score"], expected, rtol=1e-6)
    assert sample["PyTorch", "plain"]["path"].shape == (20, 3)
    np.testing.assert_array_equal(sample["PyTorch", "plain"]["path"][:2], [[0, 1, np.nan], [0, 1, 2]])
    report = json.loads((stored.report / "toy-experiment.json").read_text())
    assert report["agree"] == "equal" and len(report["seeds"]) == 2


def test_on_the_recorded_processor_a_moved_value_is_red(stored):
    change(stored.path, "Keras | shifted", 4, "score", 2.5)
    with pytest.raises(runs.RunsChanged, match=r"Keras \| shifted, seed 4: score is .*, and 2.5 is stored"):
        stored("all")


def test_elsewhere_a_moved_value_is_a_draw_like_the_others(stored, monkeypatch, capsys):
    elsewhere(monkeypatch)
    change(stored.path, "Keras | shifted", 4, "score", 2.5)
    capsys.readouterr()
    stored("all")
    assert capsys.readouterr().out == "20 of 20 seeds trained again: they agree\n"
    assert json.loads((stored.report / "toy-experiment.json").read_text())["agree"] == "within the spread"


def test_elsewhere_an_arm_that_gives_something_else_is_red(stored, monkeypatch):
    elsewhere(monkeypatch)
    for seed in range(20):
        change(stored.path, "Keras | shifted", seed, "score", 50.0 + seed)
    with pytest.raises(runs.RunsChanged, match=r"Keras \| shifted: score is \[.*\] in 10 seeds trained again"):
        stored()


def test_elsewhere_a_few_stored_seeds_are_no_evidence(notebook, monkeypatch):
    notebook("store", seeds=range(6))
    elsewhere(monkeypatch)
    for seed in range(6):
        change(notebook.path, "Keras | shifted", seed, "score", 50.0 + seed)
    notebook(seeds=range(6))


def test_elsewhere_a_small_shift_of_all_arms_is_seen_in_their_mean(stored, monkeypatch):
    arms = tuple(f"arm {i}" for i in range(30))
    cells = [*CELLS[:3], "def experiment(framework, arm, seed):\n    return train(seed + 100 * int(arm[4:]))"]
    stored("store", arms=arms, cells=cells)
    everything = json.loads(stored.path.read_text())
    for key, by_seed in everything["experiment"]["runs"].items():
        for values in by_seed.values():
            values["score"] += 1.5 * key.startswith("Keras")
    everything["experiment"]["values"] = runs.values_digest(everything["experiment"]["runs"])
    stored.path.write_text(json.dumps(everything))
    elsewhere(monkeypatch)
    with pytest.raises(runs.RunsChanged, match=r"Keras \| arm 0 and Keras \| arm 1 and .*: score is"):
        stored(arms=arms, cells=cells)


CHANGED = [*CELLS[:3], EXPERIMENT.replace("1000", "2000")]


def test_in_a_test_changed_code_is_red(stored):
    with pytest.raises(runs.RunsChanged, match="the experiment experiment changed: make execute CHAPTER=toy"):
        stored("check", cells=CHANGED)


@pytest.mark.parametrize("missing", [{"seeds": range(21)}, {"arms": ("plain", "new")}])
def test_in_a_test_runs_that_are_not_all_stored_are_red(stored, missing):
    with pytest.raises(runs.RunsChanged, match="make execute"):
        stored("check", **missing)


def test_a_reader_who_edits_an_arm_gets_fresh_seeds_and_a_note(stored, capsys):
    before = stored.path.read_text()
    capsys.readouterr()
    sample = stored("", cells=CHANGED, again=3)
    assert "Not the stored runs, for the code is another: 3 fresh seeds of 20." in capsys.readouterr().out
    assert sample["Keras", "shifted"]["score"].shape == (3,)
    assert stored.path.read_text() == before


def test_unchanged_code_is_not_trained_again_to_be_stored(stored, monkeypatch):
    asked = []
    train = runs._Plan.train
    monkeypatch.setattr(
        runs._Plan, "train", lambda self, seeds, **kw: asked.append(len(seeds)) or train(self, seeds, **kw)
    )
    stored("store")
    stored("store", cells=CHANGED)
    assert asked == [2, 20, 2]


def test_what_was_finished_before_an_interruption_is_kept(notebook, capsys):
    body = "CALLS.append(seed)\n    return {'x': seed if len(CALLS) != 31 else 1 / 0}"
    cells = [IMPORTS, f"def experiment(framework, arm, seed):\n    {body}"]
    notebook.space["CALLS"] = calls = []
    with pytest.raises(ZeroDivisionError):
        notebook("store", cells=cells)
    assert not notebook.path.exists()
    notebook("store", cells=cells)
    # 80 runs, none of them twice but for the one that failed, and two seeds of four arms that are compared.
    assert len(calls) == 80 + 1 + 8


def test_what_is_left_is_left_for_both_processes(notebook, monkeypatch, capsys):
    """Each gets every second seed of each framework, with all its arms."""
    shares = []
    pool = SimpleNamespace(map=lambda run, jobs: [shares.append(share) or run(share) for share in jobs])
    monkeypatch.setattr(runs, "PROCESSES", 2)
    monkeypatch.setattr(runs, "get_reusable_executor", lambda processes, **_: pool if processes == 2 else None)
    notebook("store")
    stored = [{(framework, seed) for framework, arm, seed in share} for share in shares[:2]]
    assert stored == [{(f, s) for f in runs.FRAMEWORKS for s in range(first, 20, 2)} for first in (0, 1)]


def test_short_runs_are_trained_again_in_this_process(stored, monkeypatch, capsys):
    monkeypatch.setattr(runs, "PROCESSES", 2)
    monkeypatch.setattr(runs, "get_reusable_executor", None)
    with pytest.raises(TypeError):
        stored()
    stored(here=True)
    assert "2 of 20 seeds trained again: they agree" in capsys.readouterr().out


def test_without_a_history_the_cells_are_those_that_ipython_keeps(stored, monkeypatch, capsys):
    """As under nbval."""
    space = stored.space
    for number, cell in enumerate(CELLS):
        name = f"/tmp/kernel/{number}.py"
        exec(compile(cell, name, "exec"), space)
        monkeypatch.setitem(runs.linecache.cache, name, (len(cell), None, cell.splitlines(keepends=True), name))
    space["In"] = [""]
    monkeypatch.setenv("RUNS", "check")
    runs.run(space["experiment"], chapter="toy", arms=("plain", "shifted"), seeds=range(20))
    assert "they agree" in capsys.readouterr().out


def test_the_next_commit_chooses_other_seeds(stored, monkeypatch):
    chosen = set()
    for commit in "abcdefgh":
        answer = type("Answer", (), {"stdout": commit})
        monkeypatch.setattr(runs.subprocess, "run", lambda *a, answer=answer, **kw: answer)
        stored()
        chosen |= set(json.loads((stored.report / "toy-experiment.json").read_text())["seeds"])
    assert len(chosen) > 8


def test_runs_on_the_stand_in_are_neither_stored_nor_compared(notebook, capsys):
    from helpers.mnist import Mnist

    empty = np.zeros(0, dtype="uint8")
    notebook.space["mnist"] = Mnist(empty, empty, empty, empty, "digits of something else")
    assert len(notebook("store")["Keras", "plain"]["score"]) == 2
    assert capsys.readouterr().out == "Digits of the stand-in: 2 fresh seeds, neither stored nor compared.\n"
    assert not notebook.path.exists()


def test_other_experiments_of_the_chapter_stay(stored):
    second = "def second(framework, arm, seed):\n    return {'x': seed}"
    stored("store", cells=[*CELLS, second + "\nexperiment = second"])
    assert sorted(json.loads(stored.path.read_text())) == ["experiment", "second"]


@pytest.mark.parametrize("again", [0, 21])
def test_impossible_numbers_of_seeds_are_refused(notebook, again):
    with pytest.raises(ValueError, match=f"again must be from 1 to the number of seeds, 20, got {again}"):
        notebook(again=again)


# The rule.

DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "0, 0, 0, 0, 137": lambda rng, shape: np.where(rng.random(shape) < 0.2, 137.0, 0.0),
    "a tenth collapses": lambda rng, shape: np.where(rng.random(shape) < 0.1, 0.0, 10 + rng.normal(size=shape)),
    "heavy tail": lambda rng, shape: rng.standard_cauchy(shape),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_false_alarms_are_as_rare_as_the_formula_says(draw):
    rng, tries = np.random.default_rng(0), 20_000
    stored, fresh = draw(rng, (tries, 20)), draw(rng, (tries, 3))
    for m in (1, 2, 3):
        alarms = np.mean([is_suspicious(new, old) for new, old in zip(fresh[:, :m], stored, strict=True)])
        bound = 2 / comb(20 + m, m)
        assert alarms < bound + 4 * np.sqrt(bound / tries), m


def test_ten_in_a_row_are_rarer_than_the_bound():
    assert again_in_a_row(20) == 10
    assert 2 / comb(30, 10) <= FALSE_ALARM < 2 / comb(29, 9)


def test_a_shift_of_5_6_standard_deviations_is_seen():
    rng = np.random.default_rng(0)
    stored, fresh = rng.normal(size=(5000, 20)), 5.6 + rng.normal(size=(5000, again_in_a_row(20)))
    assert np.mean([is_suspicious(new, old) for new, old in zip(fresh, stored, strict=True)]) > 0.99


STORED = [
    (path.stem, name, by_seed)
    for path in sorted((Path(__file__).parents[1] / "book" / "runs").glob("*.json"))
    for name, stored in json.loads(path.read_text(encoding="utf-8")).items()
    for by_seed in stored["runs"].values()
]


def test_twenty_seeds_are_stored():
    assert STORED
    for chapter, name, by_seed in STORED:
        assert len(by_seed) >= 20, (chapter, name)


def test_all_quantities_of_the_book_together_stay_under_one_false_alarm_in_a_thousand_runs():
    # Each arm, and once more the mean over the arms: at most half as many again.
    quantities = 1.5 * sum(len(_agreement._summaries(next(iter(by_seed.values())))) for _, _, by_seed in STORED)
    assert quantities * FALSE_ALARM < 1e-3


def test_rounding_where_nothing_is_chaotic_is_no_alarm():
    assert not is_suspicious([1.0005] * 7, [1.0] * 20)
    assert is_suspicious([1.002] * 7, [1.0] * 20)
    assert is_suspicious([np.nan] * 7, [1.0] * 20)
    assert not is_suspicious([np.nan] * 7, [1.0] * 19 + [np.nan])
