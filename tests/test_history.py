"""The stored results of old versions: their schema, what makes them stale, how they are compared; and one run again."""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from datetime import date
from pathlib import Path

import pytest

from tools import history

ENVIRONMENTS = history.environments()
RESULTS = sorted((history.HISTORY / "results").glob("*.json"))
SCRIPTS = sorted((history.HISTORY).glob("*.py"))
NUMBER = re.compile(r"\d+(\.\d+)*")
OLD_SCRIPTS = [path for path in SCRIPTS if path.stem != "semantics"]


def stored(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def troubles(record: dict, name: str) -> list[str]:
    """What is wrong with a stored result."""
    found = []
    if set(record) != {"environment", "date", "processor", "scripts"}:
        return [f"the keys are {sorted(record)}"]
    if record["environment"] != name:
        found.append(f"it says that it is {record['environment']}")
    if date.fromisoformat(record["date"]) > date.today():
        found.append(f"it is of {record['date']}")
    if missing := set(ENVIRONMENTS[name]["scripts"]) ^ set(record["scripts"]):
        found.append(f"scripts that only one side has: {sorted(missing)}")
    pinned = NUMBER.search(name)
    for script, run in record["scripts"].items():
        if set(run) != {"sha256", "python", "versions", "result"} or not run["result"]:
            found.append(f"{script}: the keys are {sorted(run)}")
        elif run["sha256"] != history.digest(script.partition("@")[0]):
            found.append(f"{script} was changed since: python -m tools.history --store {name}")
        elif pinned and pinned[0] not in str(run["versions"]):
            found.append(f"{script} ran on {run['versions']}")
    return found


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_stored_result_says_what_ran_where_and_when(path):
    assert troubles(stored(path), path.stem) == []


def test_every_environment_has_a_result_and_every_result_an_environment():
    assert {path.stem for path in RESULTS} == set(ENVIRONMENTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": "tf-9"}, "it says that it is tf-9"),
        ({"date": "2999-01-01"}, "it is of 2999-01-01"),
        ({"scripts": {}}, "scripts that only one side has"),
        ({"more": 1}, "the keys are"),
    ],
)
def test_a_wrong_record_is_found(change, said):
    record = stored(history.stored_at("tf-1.14.0")) | change
    assert said in " ".join(troubles(record, "tf-1.14.0"))


@pytest.mark.parametrize(("key", "value", "said"), [("sha256", "0", "was changed since"), ("versions", {}, "ran on")])
def test_a_wrong_run_is_found(key, value, said):
    record = stored(history.stored_at("tf-1.14.0"))
    record["scripts"]["doc001"][key] = value
    assert said in " ".join(troubles(record, "tf-1.14.0"))


@pytest.mark.parametrize("path", sorted((history.HISTORY / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_every_package_is_pinned_and_every_file_is_used(path):
    assert path.stem in ENVIRONMENTS
    assert [line for line in path.read_text().splitlines() if not re.fullmatch(r"[\w.-]+==[\w.+]+", line)] == []


@pytest.mark.parametrize("path", OLD_SCRIPTS, ids=lambda path: path.stem)
def test_the_scripts_are_python_3_6(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))


# The comparison.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": 1.0}, {"a": 1.0001}, []),
        ({"a": 1.0}, {"a": 1.01}, ["a: 1.0 is now 1.01"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a: 2: 2 is now 3"]),
        ({"a": "nan"}, {"a": 0.5}, ["a: 'nan' is now 0.5"]),
        ({"a": True}, {"a": False}, ["a: True is now False"]),
        ({"a": 1}, {}, ["a: gone"]),
        ({}, {"a": 1}, []),
        ({"observed": "x", "detail": "{1, 2}"}, {"observed": "x", "detail": "{2, 1}"}, []),
        ({"unrepeatable": [1], "b": 1}, {"unrepeatable": [2], "b": 2}, ["b: 1 is now 2"]),
        ({"observed": "x", "detail": ""}, {"observed": "y", "detail": ""}, ["observed: 'x' is now 'y'"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: [1] is now [1, 2]"]),
    ],
)
def test_words_are_compared_exactly_and_numbers_nearly(old, new, said):
    assert list(history.changes(old, new)) == said


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A folder of history with one environment, on this Python, whose script returns `value`."""
    (tmp_path / "results").mkdir()
    (tmp_path / "observe.py").write_text((history.HISTORY / "observe.py").read_text())
    monkeypatch.setattr(history, "HISTORY", tmp_path)
    monkeypatch.setattr(history, "PLACE", tmp_path / "place")

    def write(value: str, python: str = "book"):
        # Python knows compiled code by its size and second, and two scripts may share both.
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        (tmp_path / "script.py").write_text(f"def observe():\n    return {value}\n")
        (tmp_path / "environments.toml").write_text(f'["one"]\npython = "{python}"\nscripts = ["script"]\n')

    return write


def test_what_is_stored_is_found_again_and_a_change_is_a_failure(own, capsys):
    own("{'a': 1.0}")
    assert history.main([]) == 1  # nothing is stored yet
    assert history.main(["--store"]) == 0
    assert history.main(["on"]) == 0
    assert "one: as stored" in capsys.readouterr().out
    own("{'a': 2.0}")
    assert history.main([]) == 1
    assert "1 values changed" in (said := capsys.readouterr().out)
    assert "script: a: 1.0 is now 2.0" in said


def test_an_answer_that_is_not_stored_is_told_and_is_no_change(own, capsys):
    own("{'a': {'b': 1}}")
    history.main(["--store"])
    own("{'a': {'b': 1, 'c': 2}, 'd': 3}")
    assert history.main([]) == 0
    assert "2 answers are new: --store keeps them." in capsys.readouterr().out


@pytest.mark.parametrize("remove", [True, False])
def test_an_environment_is_removed_after_its_run_only_if_asked(own, tmp_path, remove):
    own("{'a': 1}")
    kept, other = tmp_path / "place" / "one" / "package", tmp_path / "place" / "two" / "package"
    for folder in kept, other:
        folder.mkdir(parents=True)
    assert history.main(["--store", *["--remove"] * remove]) == 0
    assert history.stored_at("one").exists()
    assert (kept.exists(), other.exists()) == (not remove, True)


def test_a_script_that_stops_is_a_failure(own, capsys):
    own("1 / 0")
    assert history.main([]) == 1
    assert "one: FAILED: script: ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_chaotic_trainings_are_compared_on_their_own_processor_only(own, capsys, monkeypatch):
    own("{'chaotic': 1, 'b': 2}")
    history.main(["--store"])
    own("{'chaotic': 3, 'b': 2}")
    assert history.main([]) == 1
    monkeypatch.setattr(history, "processor", lambda: "another")
    assert history.main([]) == 0
    assert "Chaotic trainings of script not compared" in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["interpreter", "package"])
def test_a_version_that_cannot_be_had_is_reported_and_its_result_kept(own, capsys, tmp_path, lost):
    own("{'a': 1}")
    history.main(["--store"])
    before = history.stored_at("one").read_text()
    if lost == "interpreter":
        own("{'a': 1}", python="1.4")
    (tmp_path / "requirements").mkdir()
    history.requirements_of("one").write_text(f"{tmp_path / 'no_such_package-1.0-py3-none-any.whl'}\n")
    assert history.main([]) == 0
    said = capsys.readouterr().out
    assert f"its results of {json.loads(before)['date']} are kept" in said
    assert ("no Python 1.4 was found" if lost == "interpreter" else "ERROR") in said
    assert history.stored_at("one").read_text() == before


@pytest.mark.parametrize(("status", "found"), [(0, "on the path"), (127, "of pyenv")])
def test_a_shim_of_pyenv_that_runs_nothing_is_passed_over(monkeypatch, tmp_path, status, found):
    shim, python = tmp_path / "shims" / "python9.9", tmp_path / "versions" / "9.9.1" / "bin" / "python9.9"
    for path in shim, python:
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert history.interpreter("9.9") == str({"on the path": shim, "of pyenv": python}[found])


def test_an_unknown_environment_is_an_error_that_names_them(capsys):
    with pytest.raises(SystemExit):
        history.main(["tf-7"])
    assert "no environment has tf-7 in its name. There are: tf-1.12.3" in capsys.readouterr().err


# The small part that keeps the machinery alive.


def test_the_oldest_keras_3_still_says_what_is_stored(record_property):
    name, script = "keras-3.0.5", "semantics@torch"
    try:
        command, variables = history.make(name, ENVIRONMENTS[name]["python"])
    except history.NotToBeHad as reason:
        record_property("not tested", f"the stored results of {name}: {reason}.")
        pytest.skip(str(reason))
    found = history.observe(command, "semantics", variables | {"KERAS_BACKEND": "torch"})
    before = stored(history.stored_at(name))["scripts"][script]
    assert found["versions"]["keras"] == before["versions"]["keras"] == "3.0.5"
    assert {asked: found["result"][asked]["observed"] for asked in before["result"]} == {
        asked: answer["observed"] for asked, answer in before["result"].items()
    }


def test_the_table_of_environments_is_read_as_names():
    # "[tf-1.12.3]" without quotes would be three tables in each other.
    text = (history.HISTORY / "environments.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)) == set(re.findall(r'^\["(.+)"\]$', text, re.MULTILINE)) != set()
