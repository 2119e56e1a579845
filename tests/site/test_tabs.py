"""The framework is chosen once: by click, by key or in the address, on every set of tabs, page and visit."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

CHAPTER, OTHER = "book/cluster_bias.html", "book/regression_emphasis.html"
# Where sphinx-design keeps the choice of a group of tabs.
STORED_AS = "sphinx-design-tab-id-framework"
NAMES = {"torch": "PyTorch", "keras": "Keras", "both": "Both"}


def shown(page: Page) -> set[tuple[str, ...]]:
    """Which frameworks' contents each set shows. With all sets alike there is one member."""
    return {
        tuple(name for name in ("torch", "keras") if tabs.locator(f"> .framework-{name}").is_visible())
        for tabs in page.locator(".framework-tabs").all()
    }


def choose(page: Page, name: str, number: int = 0) -> None:
    page.locator(".framework-tabs").nth(number).get_by_text(NAMES[name], exact=True).first.click()


def test_pytorch_is_shown_to_a_new_visitor(open_page):
    page = open_page(CHAPTER)
    assert page.locator(".framework-tabs").count() >= 2
    assert shown(page) == {("torch",)}


def test_a_click_switches_every_set_and_is_kept_on_other_pages_and_visits(open_page, wait_until_stored):
    page = open_page(CHAPTER)
    choose(page, "keras", number=1)
    assert shown(page) == {("keras",)}
    page.goto(page.url.replace(CHAPTER, OTHER))
    assert shown(page) == {("keras",)}
    wait_until_stored(page, STORED_AS, "keras")
    again = open_page(CHAPTER, context=page.context)
    assert shown(again) == {("keras",)}
    assert shown(open_page(CHAPTER)) == {("torch",)}  # another visitor


@pytest.mark.parametrize(
    ("name", "contents"), [("torch", ("torch",)), ("keras", ("keras",)), ("both", ("torch", "keras"))]
)
def test_the_address_chooses(open_page, wait_until_stored, name, contents):
    page = open_page(f"{CHAPTER}?framework={name}")
    assert shown(page) == {contents}
    wait_until_stored(page, STORED_AS, name)
    assert shown(open_page(OTHER, context=page.context)) == {contents}


def test_an_unknown_framework_in_the_address_changes_nothing(open_page):
    assert shown(open_page(f"{CHAPTER}?framework=jax")) == {("torch",)}


def test_the_arrow_keys_choose(open_page):
    page = open_page(CHAPTER)
    page.locator(".framework-tabs > input").first.focus()
    page.keyboard.press("ArrowRight")
    assert shown(page) == {("keras",)}
    page.keyboard.press("ArrowRight")
    assert shown(page) == {("torch", "keras")}
    page.keyboard.press("ArrowLeft")
    assert shown(page) == {("keras",)}


def test_the_focus_can_be_seen(open_page):
    page = open_page(CHAPTER)
    page.locator(".framework-tabs > input").first.focus()
    page.keyboard.press("ArrowRight")
    label = page.locator(".framework-tabs").first.get_by_text("Keras", exact=True).first
    assert label.evaluate("label => getComputedStyle(label).outlineStyle") != "none"


@pytest.mark.parametrize("width", [420, 1280])
def test_both_stand_one_below_the_other_where_there_is_no_room(open_page, width):
    torch, keras = boxes(open_page(f"{CHAPTER}?framework=both", width=width))
    assert keras["y"] >= torch["y"] + torch["height"]


def test_both_stand_side_by_side_on_a_wide_screen(open_page):
    torch, keras = boxes(open_page(f"{CHAPTER}?framework=both", width=1700))
    assert keras["y"] == pytest.approx(torch["y"], abs=2)
    assert keras["x"] >= torch["x"] + torch["width"]
    assert torch["width"] == pytest.approx(keras["width"], rel=0.05) and torch["width"] > 550


def boxes(page: Page) -> tuple[dict, dict]:
    tabs = page.locator(".framework-tabs").first
    return tuple(tabs.locator(f"> .framework-{name}").bounding_box() for name in ("torch", "keras"))


def test_both_are_named_when_they_are_shown_together(open_page):
    page = open_page(f"{CHAPTER}?framework=both")
    for name in ("torch", "keras"):
        content = page.locator(f".framework-tabs > .framework-{name}").first
        label = content.evaluate("content => getComputedStyle(content, '::before').content")
        assert label == f'"{NAMES[name]}"'


def test_without_scripts_both_stand_one_below_the_other(open_page):
    page = open_page(CHAPTER, java_script_enabled=False, width=1700)
    assert shown(page) == {("torch", "keras")}


def test_without_storage_tabs_still_switch(open_page):
    page = open_page()
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() {throw new DOMException('blocked')}})")
    page.goto(open_page(CHAPTER).url)
    choose(page, "keras")
    assert shown(page) == {("keras",)}


def test_on_paper_both_are_shown(open_page):
    page = open_page(CHAPTER)
    page.emulate_media(media="print")
    assert shown(page) == {("torch", "keras")}
    expect(page.locator(".framework-tabs > label").first).to_be_hidden()


def visible(page: Page, selector: str) -> tuple[bool, bool]:
    """Whether anything of PyTorch, and anything of Keras, can be seen outside the tabs."""
    return tuple(page.locator(f"{selector} .of-{name}:visible").count() > 0 for name in ("torch", "keras"))


@pytest.mark.parametrize(("path", "selector"), [(CHAPTER, "pre.of-both"), ("book/keras_weights.html", "table.of-both")])
def test_a_choice_hides_what_the_other_framework_printed_outside_the_tabs(open_page, path, selector):
    page = open_page(path)
    assert visible(page, selector) == (True, True), "who has not chosen sees both"
    choose(page, "keras")
    assert visible(page, selector) == (False, True)
    note = page.locator(selector).first.evaluate("box => getComputedStyle(box, '::after').content")
    assert "PyTorch is hidden" in note
    page.emulate_media(media="print")
    assert visible(page, selector) == (True, True)
    page.emulate_media(media="screen")
    choose(page, "both")
    assert visible(page, selector) == (True, True)
    assert open_page(path, java_script_enabled=False).locator(".of-both").count() == 0


def test_lines_stay_as_they_were_printed(open_page):
    """Whatever the script marks, the text is the same; a block with a line of neither framework is left alone."""
    page, plain = open_page("book/decision.html"), open_page("book/decision.html", java_script_enabled=False)
    texts = [p.locator(".cell_output pre").all_text_contents() for p in (page, plain)]
    assert [text.rstrip() for text in texts[0]] == [text.rstrip() for text in texts[1]]
    lines = page.locator("pre.of-both").evaluate_all("all => all.map((pre) => pre.textContent)")
    assert lines and not any("logistic regression" in text for text in lines)


def test_lines_of_both_frameworks_are_two_columns_where_they_fit(open_page):
    """Row by row, a PyTorch line beside its Keras line; none is broken, and they are copied as they were printed."""
    page = open_page("book/mnist_9_vs_4.html?framework=both", width=1700)
    columns = page.locator("pre.side-by-side:visible")
    assert columns.count() > 5
    for pre in columns.all():
        tops, lefts = (
            [pre.locator(f"> .of-{name}").evaluate_all(f"all => all.map(e => e.getBoundingClientRect().{side})")
             for name in ("torch", "keras")]
            for side in ("top", "left")
        )  # fmt: skip
        assert tops[0] == pytest.approx(tops[1])
        assert max(lefts[0]) < min(lefts[1])
        assert pre.evaluate("pre => pre.scrollWidth <= pre.clientWidth")
        assert pre.inner_text().rstrip() == pre.text_content().rstrip(), "is copied as it was printed"
    page.set_viewport_size({"width": 420, "height": 800})
    expect(columns).to_have_count(0)


def test_two_columns_become_one_where_only_the_text_grows_narrower(open_page):
    """As on paper, or where a sidebar opens: the window keeps its width, and says nothing."""
    page = open_page("book/mnist_9_vs_4.html?framework=both", width=1700)
    columns = page.locator("pre.side-by-side:visible")
    expect(columns.first).to_be_visible()
    page.locator(".bd-article").evaluate("article => { article.style.width = '300px'; }")
    expect(columns).to_have_count(0)


def test_who_chose_a_framework_sees_one_column(open_page):
    page = open_page("book/mnist_9_vs_4.html?framework=keras", width=1700)
    pre = page.locator("pre.of-both:visible").first
    assert pre.evaluate("pre => getComputedStyle(pre).display") == "block"


@pytest.mark.parametrize("framework", NAMES)
@pytest.mark.parametrize("width", [1280, 1400, 1700])
def test_no_line_of_code_is_cut_on_a_laptop(open_page, framework, width):
    page = open_page(f"book/keras_weights.html?framework={framework}", width=width)
    cut = "all => all.filter((pre) => pre.scrollWidth > pre.clientWidth).map((pre) => pre.textContent)"
    code = page.locator(".cell_input pre:visible")
    assert code.count() > 10
    assert code.evaluate_all(cut) == []
    sizes = code.evaluate_all("all => all.map((pre) => parseFloat(getComputedStyle(pre).fontSize))")
    assert min(sizes) > 10.5
