"""The website, built once from the stored outputs, and a browser without a network to look at it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tools.pdf import launch

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile(r"^(?!file:|data:|blob:|about:)")

# In milliseconds. The chapters run beside the browser, and both cores may be busy with them.
expect.set_options(timeout=20_000)


def _pages() -> list[str]:
    """Every page that a reader can land on; the tests of the pages compare this list with the folder."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [f"{file}.html" for file in files] + ["genindex.html", "search.html", "404.html"]


PAGES = _pages()
CHAPTERS = [page for page in PAGES if (ROOT / page).with_suffix(".ipynb").exists()]


@dataclass
class Record:
    """What a page asked for and complained about, filled in while it is open."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    """The address and the kind of each request, in order."""
    foreign: list[str] = field(default_factory=list)
    """The requests that left this disk. None of them was answered."""
    failed: list[str] = field(default_factory=list)
    """The files that the page asked for and did not get."""
    console: list[str] = field(default_factory=list)
    """Errors and warnings on the console."""
    errors: list[str] = field(default_factory=list)
    """Exceptions that no script caught."""


# Of the scope of a file, so that all tests of one page run one after the other.
@pytest.fixture(scope="module", params=PAGES)
def path(request) -> str:
    """Each page in turn, such as `book/cluster_bias.html`."""
    return request.param


@pytest.fixture(scope="session")
def pages() -> list[str]:
    """All pages, in the order of the book."""
    return PAGES


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request) -> str:
    """Each page in turn that was made from a notebook."""
    return request.param


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the website, built from the working tree, once for all workers of this run."""
    base = tmp_path_factory.getbasetemp().resolve()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    output, report = shared / "site", shared / "site.json"
    command = [Path(sysconfig.get_path("scripts")) / "jupyter-book", "build", ROOT, "-W", "-n", "--keep-going"]
    with FileLock(shared / "site.lock", timeout=300):
        if not report.exists():
            done = subprocess.run([*command, "--quiet", "--path-output", output], capture_output=True, text=True)
            report.write_text(json.dumps({"code": done.returncode, "warnings": done.stderr}))
    result = json.loads(report.read_text())
    if result["code"]:
        pytest.fail(f"the site does not build:\n{result['warnings']}", pytrace=False)
    return output / "_build" / "html"


# One browser per file, not per run: while Playwright runs, its event loop is in the way of the chapters' kernels.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the installed one, or else Playwright's own."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, site) -> Iterator[Callable[..., Page]]:
    """A function that opens a page of the site, each time as a new visitor, with no network.

    `open_page("book/claims.html", color_scheme="dark", width=420)`: all arguments may be left out, and without a path
    the page is empty. `page.record` says what the page asked for and complained about.
    `open_page(path, context=page.context)` opens another page for the same visitor.
    """
    with _visits(browser, site) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shown(browser, site, path) -> Iterator[Page]:
    """The page at `path`, opened once for all tests of a file, which only look at it."""
    with _visits(browser, site) as open_page:
        yield open_page(path)


@pytest.fixture
def wait_until_stored(site) -> Callable[[Page, str, str], None]:
    """A function that waits until another window of the same visitor finds a value in the storage.

    The browser's storage is a process of its own, which each window tells of a choice, and asks, a moment later.
    """

    def wait(page: Page, key: str, value: str) -> None:
        other = page.context.new_page()
        # No script of this page touches the storage.
        other.goto(f"{site.as_uri()}/404.html")
        other.wait_for_function("([key, value]) => localStorage.getItem(key) === value", arg=[key, value])
        other.close()

    return wait


@pytest.fixture
def page(open_page) -> Page:
    """An empty page of a new visitor on a laptop, in the light scheme."""
    return open_page()


@contextmanager
def _visits(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []

    def open_page(
        path: str = "",
        *,
        color_scheme: str = "light",
        width: int = 1280,
        height: int = 800,
        java_script_enabled: bool = True,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            context = browser.new_context(
                color_scheme=color_scheme,
                viewport={"width": width, "height": height},
                java_script_enabled=java_script_enabled,
                reduced_motion="reduce",
            )
            context.route(FOREIGN, lambda route: route.abort())
            contexts.append(context)
        page = context.new_page()
        page.record = _listen(page)
        if path:
            page.goto(f"{site.as_uri()}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def _listen(page: Page) -> Record:
    record = Record()

    def on_request(request) -> None:
        record.requests.append((request.url, request.resource_type))
        if FOREIGN.match(request.url):
            record.foreign.append(request.url)

    def on_failed(request) -> None:
        if not FOREIGN.match(request.url):
            record.failed.append(f"{request.url}: {request.failure}")

    def on_console(message) -> None:
        if message.type in ("error", "warning"):
            record.console.append(f"{message.text} ({message.location['url']}:{message.location['lineNumber']})")

    page.on("request", on_request)
    page.on("requestfailed", on_failed)
    page.on("console", on_console)
    page.on("pageerror", lambda error: record.errors.append(str(error)))
    page.on("websocket", lambda socket: record.foreign.append(socket.url))
    return record
