"""The page of the helpers holds every public name and no other, and their docstrings say what each argument is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.util.inventory import InventoryFile

import helpers
import helpers.keras
from helpers import plots

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "api.md"
NAMES = [found.name for found in pkgutil.iter_modules(helpers.__path__) if not found.name.startswith("_")]
MODULES = [importlib.import_module(f"helpers.{name}") for name in NAMES]
LISTED = re.compile(r"\{py:\w+\}`~(helpers\.[\w.]+)`")
SETTINGS = ("autodoc_", "napoleon_", "nitpick_", "default_role", "add_module_names", "html_domain_indices")
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:    .*\n|\n)+)", re.MULTILINE)
DESCRIBED = re.compile(r"^    (\w+): ", re.MULTILINE)


def public_names() -> dict[str, object]:
    """Full name -> what it names. A module without `__all__` is an error here."""
    return {f"{module.__name__}.{name}": getattr(module, name) for module in MODULES for name in module.__all__}


def public_members() -> dict[str, object]:
    """The public methods and properties that the public classes define themselves."""
    return {
        f"{name}.{key}": member
        for name, thing in public_names().items()
        if inspect.isclass(thing)
        for key, member in vars(thing).items()
        if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


def explained() -> dict[str, object]:
    """All that must explain itself: functions, classes and their members."""
    return {name: thing for name, thing in (public_names() | public_members()).items() if not is_constant(thing)}


def is_constant(thing: object) -> bool:
    return not (inspect.isclass(thing) or inspect.isfunction(thing) or isinstance(thing, property))


each = pytest.mark.parametrize(("name", "thing"), explained().items(), ids=explained())


def parameters(thing: object) -> list[inspect.Parameter]:
    """What one can pass. An exception takes a message, which needs no words."""
    if isinstance(thing, property) or (inspect.isclass(thing) and issubclass(thing, Exception)):
        return []
    return [parameter for parameter in inspect.signature(thing).parameters.values() if parameter.name != "self"]


def described(thing: object) -> list[str]:
    """The arguments, or the attributes, that a docstring describes, in its order."""
    sections = SECTION.findall(f"{inspect.getdoc(thing)}\n")
    return [name for section in sections for name in DESCRIBED.findall(section)]


# The docstrings.


@each
def test_every_public_thing_has_a_docstring_of_its_own(name, thing):
    # A dataclass without a docstring is given its signature for one, and a subclass that of its parent.
    own = thing.fget.__doc__ if isinstance(thing, property) else vars(thing).get("__doc__", thing.__doc__)
    assert own and not own.startswith(f"{name.rpartition('.')[2]}("), f"{name} has no docstring"


@each
def test_the_described_arguments_are_those_of_the_signature(name, thing):
    names = [parameter.name for parameter in parameters(thing)]
    if described(thing) or len(names) > 2:
        assert described(thing) == names


@each
def test_every_argument_and_result_has_a_type(name, thing):
    function = thing.fget if isinstance(thing, property) else thing
    assert [p.name for p in parameters(thing) if p.annotation is p.empty] == []
    if inspect.isfunction(function):
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty


# The page, built alone with the settings of the book.


@dataclass
class Built:
    """The page as HTML, the names that can be linked to, and what the build said."""

    html: BeautifulSoup
    names: set[str]
    said: str


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    folder = tmp_path_factory.mktemp("api")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    settings = {key: value for key, value in config.items() if key.startswith(SETTINGS)}
    settings["extensions"] = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "helpers_api"]
    (folder / "conf.py").write_text(
        f"import sys\nsys.path[:0] = {[str(ROOT), str(ROOT / 'book' / 'extensions')]}\nglobals().update({settings})\n",
        encoding="utf-8",
    )
    (folder / "index.md").write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    # A new process: this one has loaded the frameworks, which the book is built without.
    process = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-n", "-b", "html", folder, folder / "html"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    with (folder / "html" / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    names = {name for kind, found in inventory.items() if kind.startswith("py:") for name in found}
    html = BeautifulSoup((folder / "html" / "index.html").read_text(encoding="utf-8"), "html.parser")
    return Built(html, names, process.stdout + process.stderr)


def test_the_page_is_built_without_a_warning_and_without_noise(built):
    assert built.said == ""


def test_the_page_holds_every_public_name_and_no_other(built):
    modules = {module.__name__ for module in MODULES}
    # Sphinx knows a class also by the name of the module that defines it.
    defined = {f"{thing.__module__}.{thing.__name__}" for thing in public_names().values() if inspect.isclass(thing)}
    assert built.names == modules | defined | public_names().keys() | public_members().keys()


def test_every_name_can_be_linked_to(built):
    ids = {element["id"] for element in built.html.find_all(id=True)}
    assert public_names().keys() | public_members().keys() <= ids


def test_the_list_on_top_holds_every_public_name_and_no_other():
    listed = LISTED.findall(PAGE.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(public_names())


def test_no_part_of_a_sentence_is_called_a_type(built):
    """Napoleon takes what stands before a colon for a type. Ours stand behind the signature and beside the argument."""
    terms = [term for term in built.html.find_all("dt") if re.search("[Tt]ype:?$", term.text.strip())]
    assert [term.find_next_sibling("dd").text.strip() for term in terms] == []


def test_a_figure_of_matplotlib_is_not_taken_for_ours(built):
    for name in plots.__all__:
        signature = built.html.find(id=f"helpers.plots.{name}")
        assert signature.find("a", href=re.compile("interactive")) is None, name
    assert "matplotlib.figure.Figure" in built.html.find(id="helpers.plots.curves").text


def test_every_argument_stands_on_the_page_with_its_type(built):
    missing = []
    for name, thing in explained().items():
        items = built.html.find(id=name).find_next_sibling("dd").select("dl.field-list :is(li, p)")
        typed = {item.strong.text for item in items if item.strong and item.em}
        missing += [f"{name}: {argument}" for argument in described(thing) if argument not in typed]
    assert missing == []
