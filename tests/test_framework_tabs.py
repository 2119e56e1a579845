"""Cells tagged with a framework become tabs: which cells, in which order, and what is left alone."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_markdown_cell
from sphinx_project import Project, code

TORCH, KERAS = "framework-torch", "framework-keras"


@pytest.fixture
def tabs(tmp_path):
    """Build one notebook, and give back its sets of tabs: a list of {label: text of the tab} for each."""

    def build(*cells):
        project = Project(
            tmp_path, ["sphinx_design", "framework_tabs"], {"index.ipynb": [new_markdown_cell("# T"), *cells]}
        )
        project.build()
        assert project.warnings == ""
        page = project.page("index.html")
        return page, [
            {
                label.text.strip(): label.find_next_sibling(class_="sd-tab-content").text
                for label in tab_set.find_all("label", recursive=False)
            }
            for tab_set in page.find_all(class_="framework-tabs")
        ]

    return build


def test_neighbours_become_one_set_with_their_outputs_inside(tabs):
    _, [found] = tabs(code("a = 1", TORCH, output="torch says 1"), code("b = 2", KERAS, output="keras says 2"))
    assert list(found) == ["PyTorch", "Keras", "Both"]
    assert "a = 1" in found["PyTorch"] and "torch says 1" in found["PyTorch"] and "keras says 2" not in found["PyTorch"]
    assert "b = 2" in found["Keras"] and "keras says 2" in found["Keras"]
    assert not found["Both"].strip()


def test_several_cells_of_a_framework_share_its_tab_in_order(tabs):
    _, [found] = tabs(code("first", TORCH), code("x", KERAS), code("second", TORCH), code("y", KERAS))
    assert found["PyTorch"].index("first") < found["PyTorch"].index("second")
    assert "x" in found["Keras"] and "y" in found["Keras"] and "first" not in found["Keras"]


@pytest.mark.parametrize("between", [new_markdown_cell("Prose."), code("plain = 1")])
def test_any_other_cell_ends_a_set(tabs, between):
    _, found = tabs(code("a", TORCH), code("b", KERAS), between, code("c", TORCH), code("d", KERAS))
    assert len(found) == 2
    assert "a" in found[0]["PyTorch"] and "c" in found[1]["PyTorch"]


def test_untagged_cells_stay_outside_and_in_place(tabs):
    page, [found] = tabs(code("before", "hide-cell"), code("a", TORCH), code("b", KERAS), code("after"))
    assert "before" not in str(found) and "after" not in str(found)
    assert page.text.index("before") < page.text.index("PyTorch") < page.text.index("after")


def test_each_heading_has_its_own_sets(tabs):
    _, found = tabs(
        new_markdown_cell("## One"), code("a", TORCH), code("b", KERAS),
        new_markdown_cell("## Two"), code("c", TORCH), code("d", KERAS),
    )  # fmt: skip
    assert [set(tab_set) for tab_set in found] == [{"PyTorch", "Keras", "Both"}] * 2


def test_labels_are_synchronised_under_the_name_framework(tabs):
    page, _ = tabs(code("a", TORCH), code("b", KERAS))
    labels = page.find_all("label")
    assert [label["data-sync-group"] for label in labels] == ["framework"] * 3
    assert [label["data-sync-id"] for label in labels] == ["torch", "keras", "both"]


def test_without_scripts_both_is_chosen(tabs):
    page, _ = tabs(code("a", TORCH), code("b", KERAS))
    chosen = [label.text.strip() for label in page.find_all("label") if page.find(id=label["for"]).has_attr("checked")]
    assert chosen == ["Both"]
