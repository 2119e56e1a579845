"""The ledger in a browser: what its rows say and where they lead, and that the filters show the right ones.

What is expected is read from the notebooks and from the ledger's source, not from the page.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import nbformat
import pytest

BOOK = Path(__file__).parents[2] / "book"
LEDGER = "book/claims.html"
# Longest first: each verdict is of the first kind that it starts with.
KINDS = ("does not hold", "holds, but", "holds if", "holds")
HEADING = """id => {
  const heading = document.getElementById(id).querySelector("h2, h3").cloneNode(true);
  heading.querySelector(".headerlink").remove();
  return heading.textContent.replaceAll("’", "'");
}"""
SHOWN = "rows => rows.filter(row => row.checkVisibility()).map(row => row.id.toUpperCase())"


class Claim(NamedTuple):
    """What a chapter found."""

    chapter: str
    verdict: str
    figures: dict[str, str]


def read_claims() -> dict[str, Claim]:
    """Every claim for which the chapters' outputs hold a verdict."""
    claims = {}
    for path in BOOK.glob("*.ipynb"):
        outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
        outputs = [output for output in outputs if "scrapbook" in output.get("metadata", {})]
        texts = {o.metadata.scrapbook.name: o.data.get("application/papermill.record/text/plain") for o in outputs}
        for name in (name.removesuffix("_verdict") for name in texts if name.endswith("_verdict")):
            verdict, torch, keras = (literal_eval(texts[f"{name}_{part}"]) for part in ("verdict", "pytorch", "keras"))
            claims[name] = Claim(path.stem, verdict, {"PyTorch": torch, "Keras": keras})
    return claims


def read_ledger() -> tuple[dict[str, str], dict[str, str]]:
    """Claim -> its document, and claim -> the heading of its experiment, in the order of the ledger."""
    documents, experiments, document = {}, {}, ""
    for line in (BOOK / "claims.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("```{claim-table}"):
            document = line.split()[1]
        elif claim := re.match(r"(\w+): ", line) if document else None:
            documents[claim[1]] = document
        elif line.startswith("→ "):
            experiments[[*documents][-1]] = line.removeprefix("→ ")
    return documents, experiments


CLAIMS, (DOCUMENT_OF, EXPERIMENT_OF) = read_claims(), read_ledger()
DOCUMENTS = sorted(set(DOCUMENT_OF.values()))
FIRST, *_, LAST = DOCUMENT_OF


def expected(document: str = "", verdict: str = "") -> set[str]:
    """The claims of a document with a kind of verdict, by what the notebooks hold."""
    return {
        name
        for name, claim in CLAIMS.items()
        if (not document or DOCUMENT_OF[name] == document)
        and (not verdict or next(kind for kind in KINDS if claim.verdict.startswith(kind)) == verdict)
    }


def shown(page) -> set[str]:
    """The claims whose rows can be seen."""
    return set(page.eval_on_selector_all("tr.claim", SHOWN))


def choose(page, **fields: str) -> None:
    """Choose from the lists by what they show: document="001: ..." by its number."""
    for name, label in fields.items():
        options = page.locator(f"select[name={name}] option").all_text_contents()
        page.select_option(f"select[name={name}]", label=next(o for o in options if o.split(":")[0] == label))


def as_shown(text: str) -> str:
    """What is printed between backticks is code on the page."""
    return text.replace("`", "")


def figures_of(claim: Claim, chosen: str = "both") -> list[str]:
    """The lines of figures that a row should show."""
    if len(set(claim.figures.values())) == 1:
        return [f"Both: {as_shown(claim.figures['Keras'])}"]
    return [f"{name}: {as_shown(text)}" for name, text in claim.figures.items() if chosen in ("both", name)]


def shown_figures(page) -> dict[str, list[str]]:
    """The lines of figures that can be seen, by claim."""
    return page.eval_on_selector_all(
        "tr.claim",
        """rows => Object.fromEntries(rows.map(row => [row.id.toUpperCase(),
        [...row.querySelectorAll(".figure-of")].filter(p => p.checkVisibility()).map(p => p.textContent)]))""",
    )


def test_every_row_shows_what_its_chapter_found(open_page):
    page = open_page(LEDGER)
    verdicts = page.eval_on_selector_all(
        "tr.claim", "rows => rows.map(row => [row.id.toUpperCase(), row.cells[2].textContent])"
    )
    assert len(verdicts) == len(CLAIMS) == len(DOCUMENT_OF)
    assert dict(verdicts) == {name: as_shown(claim.verdict) for name, claim in CLAIMS.items()}
    assert shown_figures(page) == {name: figures_of(claim) for name, claim in CLAIMS.items()}


def test_the_data_are_what_the_chapters_pasted(site):
    rows = json.loads((site / "book" / "claims.json").read_text(encoding="utf-8"))
    assert {row["claim"]: (row["verdict"], row["figures"]) for row in rows} == {
        name: (claim.verdict, claim.figures) for name, claim in CLAIMS.items()
    }


def links_of_rows(page, link: str) -> dict[str, str]:
    """Claim -> the address of a link in its row."""
    rows = page.eval_on_selector_all(
        "tr.claim",
        "(rows, link) => rows.map(row => [row.id.toUpperCase(), row.querySelector(link).getAttribute('href')])",
        link,
    )
    return dict(rows)


def test_every_claim_leads_to_the_section_of_its_experiment(open_page):
    """To the heading that the ledger's source names, and not to the verdicts at the chapter's end."""
    page = open_page(LEDGER)
    links = links_of_rows(page, "th a")
    assert set(links) == set(EXPERIMENT_OF) == set(CLAIMS)
    for chapter in {claim.chapter for claim in CLAIMS.values()}:
        page.goto(page.url.rsplit("/", 1)[0] + f"/{chapter}.html")
        for name in (name for name, claim in CLAIMS.items() if claim.chapter == chapter):
            file, anchor = links[name].split("#")
            heading = page.evaluate(HEADING, anchor)
            assert (file, heading) == (f"{chapter}.html", re.sub("[`*]", "", EXPERIMENT_OF[name]))
            assert not re.match("What (we|was) found|Exercises|Predict first", heading)


def test_a_reader_lands_on_the_experiment(open_page):
    page = open_page(LEDGER)
    page.click(f"#{FIRST.lower()} th a")
    page.wait_for_url(f"**/{CLAIMS[FIRST].chapter}.html#*")
    heading = page.locator(":target > :is(h2, h3)")
    page.wait_for_function("box => box.getBoundingClientRect().top < innerHeight / 2", arg=heading.element_handle())
    header = page.locator(".bd-header-article").bounding_box()
    assert heading.bounding_box()["y"] >= header["y"] + header["height"]


def test_every_verdict_leads_to_a_cell_that_says_what_the_row_says(open_page):
    page = open_page(LEDGER)
    links = links_of_rows(page, ".verdict a")
    assert set(links) == set(CLAIMS)
    for chapter in {claim.chapter for claim in CLAIMS.values()}:
        page.goto(page.url.rsplit("/", 1)[0] + f"/{chapter}.html")
        for name in (name for name, claim in CLAIMS.items() if claim.chapter == chapter):
            file, anchor = links[name].split("#")
            assert file == f"{chapter}.html"
            printed = page.evaluate(
                "id => document.getElementById(id)?.closest('.cell').querySelector('.cell_output').textContent", anchor
            )
            assert f"{name}: {CLAIMS[name].verdict}" in printed.splitlines()


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("number", [0, 1])
def test_a_reader_lands_on_the_box_of_the_claim(open_page, number, width):
    """In document 001 one cell prints all verdicts: the second box stands below the first."""
    name = [name for name, document in DOCUMENT_OF.items() if document == "001"][number]
    page = open_page(LEDGER, width=width)
    page.click(f"#{name.lower()} .verdict a")
    page.wait_for_url(f"**/{CLAIMS[name].chapter}.html#claim-{name.lower()}")
    box = page.locator(f".cell > #claim-{name.lower()}.verdict-box")
    page.wait_for_function("box => box.getBoundingClientRect().top < innerHeight / 2", arg=box.element_handle())
    header = page.locator(".bd-header-article").bounding_box()
    assert box.bounding_box()["y"] >= header["y"] + header["height"]
    assert box.evaluate("box => getComputedStyle(box).outlineStyle") == "solid"


def test_a_box_says_what_the_row_says_and_its_cell_can_be_opened(open_page):
    page = open_page(f"book/{CLAIMS[LAST].chapter}.html")
    for name in (name for name, claim in CLAIMS.items() if claim.chapter == CLAIMS[LAST].chapter):
        box = page.locator(f"#claim-{name.lower()}")
        labels, texts = ([t.strip() for t in box.locator(kind).all_text_contents()] for kind in ("dt", "dd"))
        assert as_shown(CLAIMS[name].verdict) in texts
        lines = [f"{label}: {text}" for label, text in zip(labels, texts, strict=True)]
        assert [line for line in lines if line.startswith(("PyTorch", "Keras", "Both"))] == figures_of(CLAIMS[name])
    cell = page.locator(f".cell:has(> #claim-{LAST.lower()})")
    assert not cell.locator("pre").first.is_visible()
    cell.locator("summary").click()
    assert cell.locator("pre").first.is_visible()


@pytest.mark.parametrize("filtered", ["", f"?document={DOCUMENT_OF[FIRST]}&text=fit"], ids=["all", "filtered"])
def test_a_row_can_be_linked_to(open_page, filtered):
    row = LAST.lower()
    page = open_page(f"{LEDGER}{filtered}#{row}")
    page.wait_for_function("id => document.getElementById(id).getBoundingClientRect().top < innerHeight", arg=row)
    top = page.locator(f"#{row}").bounding_box()["y"]
    assert page.locator(".bd-header-article").bounding_box()["y"] + 40 < top < 800


def test_a_link_to_a_document_that_is_filtered_out_leads_there(open_page):
    page = open_page(f"{LEDGER}?document={DOCUMENTS[0]}")
    page.click("table.claim-summary a >> nth=-1")
    page.wait_for_function("!location.search")
    assert shown(page) == set(CLAIMS)
    # The claims that failed come first.
    of_last = [name.lower() for name, document in DOCUMENT_OF.items() if document == DOCUMENTS[-1]]
    assert 0 < min(page.locator(f"#{name}").bounding_box()["y"] for name in of_last) < 800


def test_the_filters_show_the_claims_of_a_document_with_a_verdict(open_page):
    page = open_page(LEDGER)
    for document in ("", *DOCUMENTS):
        for verdict in ("", *KINDS):
            choose(page, document=document or "all", verdict=verdict or "all")
            found = expected(document, verdict)
            assert shown(page) == found, (document, verdict)
            assert page.locator("[role=status]").text_content() == f"{len(found)} of {len(CLAIMS)} claims"
            headings = page.locator("section section > h2:visible").all_text_contents()
            assert [heading.split(":")[0] for heading in headings] == sorted({DOCUMENT_OF[name] for name in found})
            chapters = {(DOCUMENT_OF[name], CLAIMS[name].chapter) for name in found}
            assert page.locator(".claims-of-chapter:visible").count() == len(chapters)
        page.click("text=Show all")
        page.wait_for_function("!location.search")
        assert shown(page) == set(CLAIMS)


def test_the_figures_of_one_framework(open_page):
    page = open_page(LEDGER)
    for framework in ("PyTorch", "Keras", "both"):
        choose(page, framework=framework)
        assert shown_figures(page) == {name: figures_of(claim, framework) for name, claim in CLAIMS.items()}
        assert shown(page) == set(CLAIMS)


def test_words_are_searched_in_all_that_a_row_says(open_page):
    page = open_page(LEDGER)
    words = max((claim.verdict for claim in CLAIMS.values()), key=len)
    page.fill("input[name=text]", words.upper())
    assert shown(page) == {name for name, claim in CLAIMS.items() if words in claim.verdict}
    page.fill("input[name=text]", "no claim says this")
    assert shown(page) == set() and page.locator("[role=status]").text_content().startswith("0 of")


def test_the_summary_counts_and_each_count_shows_what_it_counts(open_page):
    page = open_page(LEDGER)
    kinds = page.locator("table.claim-summary thead th").all_text_contents()[2:]
    rows = page.locator("table.claim-summary tbody tr")
    assert sorted(kinds) == sorted(KINDS) and rows.count() == len(DOCUMENTS) + 1
    for row in rows.all():
        document = row.locator("th").text_content().split(":")[0]
        for cell, kind in zip(row.locator("td").all(), ["", *kinds], strict=True):
            found = expected("" if document == "all documents" else document, kind)
            assert cell.text_content() == str(len(found))
            if cell.locator("button").count():
                cell.locator("button").click()
                assert shown(page) == found and cell.locator("button[aria-pressed=true]").count() == 1
                assert page.locator("table.claim-summary [aria-pressed=true]").count() == 1
                cell.locator("button").click()
                assert shown(page) == set(CLAIMS)
            else:
                assert not found or found == set(CLAIMS)


def test_the_address_keeps_the_filter(open_page, site):
    document, verdict = max(product(DOCUMENTS, KINDS), key=lambda pair: len(expected(*pair)))
    words = max((CLAIMS[name].verdict for name in expected(document, verdict)), key=len)
    page = open_page(LEDGER)
    choose(page, document=document, verdict=verdict, framework="Keras")
    page.fill("input[name=text]", words)
    found = shown(page)
    assert set() < found < expected(document, verdict)
    page.wait_for_url("**text=*")
    again = open_page(page.url.removeprefix(f"{site.as_uri()}/"))
    assert f"document={document}" in again.url and shown(again) == found
    assert again.locator("select[name=framework]").input_value() == "keras"
    assert again.locator("input[name=text]").input_value() == words
    page.reload()
    assert shown(page) == found


def test_an_address_with_a_value_that_is_not_on_the_list_shows_all(open_page):
    page = open_page(f"{LEDGER}?{urlencode({'document': 'none', 'verdict': 'perhaps'})}")
    assert shown(page) == set(CLAIMS)
    assert page.locator(".claim-filter option:checked").all_text_contents() == ["all", "all", "both"]


def test_the_filters_work_from_the_keyboard(open_page):
    page = open_page(LEDGER)
    last = next(kind for kind in KINDS if expected(verdict=kind))
    page.focus("table.claim-summary tbody tr:last-child button >> nth=-1")
    page.keyboard.press("Space")
    assert shown(page) == expected(verdict=last)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "document"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert shown(page) == expected(DOCUMENTS[1], last)
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type("no claim")
    page.keyboard.press("Enter")
    assert shown(page) == set()
    page.wait_for_url("**text=no+claim*")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("!location.search")
    assert shown(page) == set(CLAIMS)


def test_every_control_has_a_name(open_page):
    page = open_page(LEDGER)
    form = page.get_by_role("search", name="Filter the claims")
    for label in ("Document", "Verdict", "Figures of"):
        assert form.get_by_role("combobox", name=label, exact=True).count() == 1
    assert form.get_by_role("searchbox", name="Contains").count() == 1
    name = f"{len(expected(DOCUMENTS[0]))}: {DOCUMENTS[0]}: "
    assert page.get_by_role("button", name=name).count() > 0


def test_without_scripts_all_claims_show_and_nothing_is_there_to_press(open_page):
    page = open_page(LEDGER, java_script_enabled=False)
    assert page.locator("tr.claim:visible").count() == len(CLAIMS)
    assert page.locator("table.claim-summary tr:last-child td").first.text_content() == str(len(CLAIMS))
    assert page.locator("article :is(form, button, select, input):visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_rows_fit_and_verdicts_have_a_mark_and_a_colour(open_page, width, scheme):
    page = open_page(LEDGER, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    parts = page.eval_on_selector_all(
        "tr.claim > *",
        "all => all.map(cell => [cell.getBoundingClientRect().right, cell.scrollWidth - cell.clientWidth])",
    )
    assert all(right <= width and hidden <= 0 for right, hidden in parts)
    looks = page.eval_on_selector_all(
        ".verdict",
        """all => all.map(verdict => [verdict.textContent, getComputedStyle(verdict, "::before").content,
        getComputedStyle(verdict).color])""",
    )
    marks, colours = ({(look[0], look[i]) for look in looks} for i in (1, 2))
    kinds = {kind for kind in KINDS if expected(verdict=kind)}
    assert len(marks) == len({mark for _, mark in marks}) == len(kinds)
    assert len(colours) == len({colour for _, colour in colours}) == len(kinds)


def test_the_page_complains_about_nothing(open_page):
    page = open_page(LEDGER)
    choose(page, document=DOCUMENTS[-1], framework="PyTorch")
    assert page.record.errors == page.record.console == page.record.foreign == page.record.failed == []
