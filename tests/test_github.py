"""What a platform reads and no other test would: the forms for issues, and the container for development."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FORMS = sorted(set((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"})
# GitHub refuses a form with a field of another type, or without a label.
TYPES = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def test_there_are_forms():
    assert len(FORMS) >= 3


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_the_platform_asks_for(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [key for key in ("name", "description", "body") if not form.get(key)] == []
    assert {field["type"] for field in form["body"]} <= TYPES
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert [field for field in fields if not field["attributes"].get("label")] == []
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) > 0
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_container_builds_the_book_with_a_python_that_the_book_knows():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make book"
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    tag = container["image"].rpartition(":")[2]
    assert tag in workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert container["containerEnv"] == workflow["env"]
