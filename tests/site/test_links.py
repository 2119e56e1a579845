"""Every internal address leads somewhere, and every page can be linked into. Needs no browser."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# What has an address that a page loads, and what one that a reader may follow.
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
FOLLOWED = {"a": "href", "form": "action"}


@cache
def parsed(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(file: Path) -> set[str]:
    soup = parsed(file)
    return {tag["id"] for tag in soup.find_all(id=True)} | {tag["name"] for tag in soup.find_all("a", {"name": True})}


def addresses(file: Path, names: dict[str, str]) -> set[str]:
    return {tag[names[tag.name]].strip() for tag in parsed(file).find_all(list(names)) if tag.get(names[tag.name])}


def problem(site: Path, file: Path, address: str) -> str | None:
    """Why an address on a page leads nowhere, or None."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    if parts.path.startswith("/"):
        return "begins with /, which is the whole disk for a reader without a server"
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if site not in target.parents:
        return "leads out of the site"
    if not target.is_file():
        return "no such file"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target):
        return f"no element with this id on {target.name}"
    return None


def test_the_folder_holds_the_pages_that_are_tested(site, pages):
    found = {str(file.relative_to(site)) for file in site.rglob("*.html")}
    assert {name for name in found if not name.startswith("_static/")} == {*pages, "index.html"}


def test_links_and_anchors_resolve(site, path):
    file = site / path
    every = sorted(addresses(file, FOLLOWED) | addresses(file, LOADED))
    bad = {address: reason for address in every if (reason := problem(site, file, address))}
    assert not bad, f"on {path}: {bad}"
    assert len(every) > 10, f"{path} has hardly a link: was it parsed?"


def test_nothing_is_loaded_from_another_host(site, path):
    """The browser's requests say the same, except for what a page asks for only later."""
    for address in addresses(site / path, LOADED):
        parts = urlsplit(address)
        canonical = f'<link href="{address}" rel="canonical"' in (site / path).read_text(encoding="utf-8")
        assert (parts.scheme in ("", "data") and not parts.netloc) or canonical, f"{path} loads {address}"


def test_style_sheets_find_what_they_name(site):
    for sheet in sorted(site.rglob("*.css")):
        css = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        for address in re.findall(r"(?:url\(|@import )\s*[\"']?([^\"')\s]+)", css):
            if address.startswith(("data:", "#")):
                continue
            name = sheet.relative_to(site)
            assert not urlsplit(address).netloc, f"{name} loads {address}"
            assert (sheet.parent / unquote(urlsplit(address).path)).is_file(), f"{name} names {address}: no such file"


def test_ids_are_unique(site, path):
    counts = Counter(tag["id"] for tag in parsed(site / path).find_all(id=True))
    assert [name for name, count in counts.items() if count > 1] == []


def test_images_have_a_text(site, path):
    for image in parsed(site / path).find_all("img"):
        assert image.has_attr("alt"), f"{path}: no alt on {image['src']}"
        if image.find_parent("article"):
            text = image["alt"].strip()
            assert len(text) > 15 and Path(image["src"]).stem not in text, f"{path}: alt of {image['src']}: {text!r}"


def test_the_root_leads_to_the_book(site):
    """This is the address that people share: it must say what it is, and work without following a refresh."""
    soup = parsed(site / "index.html")
    assert soup.html and soup.html.get("lang") and soup.title and soup.title.text.strip()
    assert soup.find("a", href="book/index.html"), "no link for readers whose browser does not refresh"
    assert "url=book/index.html" in soup.find("meta", attrs={"http-equiv": re.compile("refresh", re.I)})["content"]


def test_each_page_leads_to_its_neighbours(site, pages):
    chapters = [page for page in pages if page.startswith("book/")]
    for before, here, after in zip([None, *chapters], chapters, [*chapters[1:], None], strict=False):
        soup = parsed(site / here)
        for side, target in (("left-prev", before), ("right-next", after)):
            link = soup.select_one(f".prev-next-footer a.{side}")
            leads_to = link and str(((site / here).parent / link["href"]).resolve().relative_to(site))
            assert leads_to == target, f"{here}: {side}"


def test_a_chapter_offers_its_notebook(site, chapter):
    """Byte for byte the one that the tests execute."""
    links = parsed(site / chapter).select("a.btn-download-source-button")
    found = [((site / chapter).parent / link["href"]).resolve() for link in links]
    notebook = Path(__file__).parents[2] / Path(chapter).with_suffix(".ipynb")
    assert [file.name for file in found if file.suffix == ".ipynb"] == [notebook.name]
    assert found[0].read_bytes() == notebook.read_bytes()


def test_every_framework_cell_of_a_chapter_is_in_a_tab(site, chapter):
    tags = {f"tag_framework-{name}": f"framework-{name}" for name in ("torch", "keras")}
    for cell in parsed(site / chapter).find_all("div", class_=list(tags)):
        [tab] = {tags[name] for name in cell["class"] if name in tags}
        assert cell.find_parent(class_=tab), cell.text.strip()[:60]
