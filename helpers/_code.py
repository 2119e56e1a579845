"""A digest of the code that an experiment depends on, and of nothing else.

From the experiment's own name the statements are followed that bind the names it uses: functions, constants and data of
the notebook, and the functions of `helpers` that they call. They are compared as syntax trees without comments,
docstrings and annotations, so prose, prints, plots and layout change nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec, resolve_name
from pathlib import Path

PACKAGE = "helpers"
# Not part of what a statement does, or different in another Python.
_LEFT_OUT = {"ctx", "kind", "type_comment", "type_params", "annotation", "returns", "simple"}
_DEFERRED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def code_digest(name: str, cells: Sequence[str]) -> str:
    """A short digest of all that the function `name` depends on.

    Args:
        name: a name that the cells bind.
        cells: the sources of the executed cells, in the order in which they ran.

    Raises:
        ValueError: no cell binds the name.
    """
    statements = [statement for cell in cells for statement in ast.parse(cell).body]
    slices = _Slices()
    if not slices.follow("notebook", None, statements, name, len(statements)):
        raise ValueError(f"no executed cell defines {name!r}.")
    return hashlib.sha256(slices.text().encode()).hexdigest()[:16]


class _Slices:
    """The statements that are needed, of the notebook and of each module of `helpers`."""

    def __init__(self) -> None:
        self.needed: dict[str, dict[int, str]] = {}
        self.modules: dict[str, tuple[str | None, list[ast.stmt]]] = {}

    def text(self) -> str:
        """All of them, in an order that does not depend on how they were found."""
        parts = [f"{module}\n{needed[i]}" for module, needed in sorted(self.needed.items()) for i in sorted(needed)]
        return "\n".join(parts)

    def follow(self, module: str, package: str | None, statements: list[ast.stmt], path: str, end: int) -> bool:
        """Add the statements before `end` that make a name, and what those need. False if there are none.

        A path such as "pytorch.fit" is the attribute of a module if the name is an imported part of `helpers`.
        """
        name, *attributes = path.split(".")
        before = [i for i in range(end) if name in _bound(statements[i])]
        if not before:
            return False
        # What is done to an imported module, as in `torch.manual_seed(0)`, is no part of it.
        kept = isinstance(statements[before[-1]], (ast.Import, ast.ImportFrom))
        changes = [] if kept else [i for i in range(before[-1] + 1, end) if name in _changed(statements[i])]
        for index in (before[-1], *changes):
            statement = statements[index]
            if origin := _origins(statement, package).get(name):
                # The import itself may stand elsewhere or bring more: only what is used of it counts.
                self.follow_import(*origin, attributes)
            elif index not in self.needed.setdefault(module, {}):
                self.needed[module][index] = _canonical(statement)
                for used in _read_now(statement):
                    self.follow(module, package, statements, used, index)
                for used in _read_later(statement):
                    self.follow(module, package, statements, used, len(statements))
                for origin in _imported_inside(statement, package):
                    self.follow_import(*origin, [])
        return True

    def follow_import(self, module: str, attributes: list[str], more: list[str]) -> None:
        """Add what is used of a module of `helpers`: an attribute, or all of it."""
        attributes = attributes + more
        while attributes and _is_package(module) and find_spec(f"{module}.{attributes[0]}"):
            module, attributes = f"{module}.{attributes[0]}", attributes[1:]
        package, statements = self.source_of(module)
        if attributes:
            self.follow(module, package, statements, ".".join(attributes), len(statements))
        else:
            self.needed.setdefault(module, {}).update(enumerate(map(_canonical, statements)))

    def source_of(self, module: str) -> tuple[str | None, list[ast.stmt]]:
        """The package that a module's relative imports start from, and its statements."""
        if module not in self.modules:
            spec = find_spec(module)
            self.modules[module] = spec.parent, ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
        return self.modules[module]


def _is_package(module: str) -> bool:
    return find_spec(module).submodule_search_locations is not None


def _origins(statement: ast.stmt, package: str | None) -> dict[str, tuple[str, list[str]]]:
    """By name: the module of `helpers` and the attribute that an import binds to it. Empty for all else."""
    pairs = {}
    if isinstance(statement, ast.ImportFrom):
        source = "." * statement.level + (statement.module or "")
        source = resolve_name(source, package) if statement.level else source
        pairs = {alias.asname or alias.name: (source, [alias.name]) for alias in statement.names}
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.split(".")[0]
            pairs[alias.asname or top] = (alias.name if alias.asname else top, [])
    return {name: origin for name, origin in pairs.items() if origin[0].split(".")[0] == PACKAGE}


def _imported_inside(statement: ast.stmt, package: str | None) -> Iterator[tuple[str, list[str]]]:
    """What the functions in a statement import of `helpers` when they are called."""
    for node in ast.walk(statement):
        if node is not statement:
            yield from _origins(node, package).values()


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is below it, without the inside of functions and classes, and without a loop's own names."""
    yield node
    if not isinstance(node, _DEFERRED):
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.comprehension) and child is node.target):
                yield from _outside_functions(child)


def _bound(*statements: ast.AST) -> set[str]:
    """The names that statements make."""
    names = set()
    for node in (node for statement in statements for node in _outside_functions(statement)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.split(".")[0])
    return names


def _changed(statement: ast.stmt) -> set[str | None]:
    """The names whose values a statement changes in place: `x[0] = 1`, `x.a = 1`, `x.append(1)`."""
    names = set()
    for node in _outside_functions(statement):
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            names.add(_path(node, last=False))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            names.add(_path(node.value.func, last=False))
    return {name.split(".")[0] for name in names if name}


def _path(node: ast.AST, last: bool = True) -> str | None:
    """The name with its attributes, "pytorch.fit", or None if the node is something else."""
    attributes = []
    while isinstance(node, ast.Attribute) or (not last and isinstance(node, ast.Subscript)):
        attributes.append(getattr(node, "attr", ""))
        node = node.value
    if not isinstance(node, ast.Name) or not (last or attributes):
        return None
    return ".".join([node.id, *reversed(attributes)])


def _read_now(statement: ast.stmt) -> set[str]:
    """The names, with attributes, that a statement reads when it runs."""
    return set(_reads(statement, inside=False))


def _read_later(statement: ast.stmt) -> set[str]:
    """The names, with attributes, that the functions in a statement read when they are called."""
    return set(_reads(statement, inside=True)) - _read_now(statement)


def _reads(node: ast.AST, inside: bool) -> Iterator[str]:
    if path := _path(node):
        yield path
    elif isinstance(node, _DEFERRED):
        early = [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        own = set()
        if not isinstance(node, ast.ClassDef):
            early += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            own = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        for part in early:
            yield from _reads(part, inside)
        if inside:
            body = node.body if isinstance(node.body, list) else [node.body]
            shared = {name for part in body for each in ast.walk(part) for name in _declared(each)}
            own = (own | _bound(*body)) - shared
            yield from (path for part in body for path in _reads(part, inside) if path.split(".")[0] not in own)
    else:
        loops = getattr(node, "generators", ())
        own = {part.id for loop in loops for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
        children = [child for field, child in ast.iter_fields(node) if field not in _LEFT_OUT]
        flat = [part for child in children for part in (child if isinstance(child, list) else [child])]
        for part in flat:
            if isinstance(part, ast.AST):
                yield from (path for path in _reads(part, inside) if path.split(".")[0] not in own)


def _declared(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, (ast.Global, ast.Nonlocal)) else []


def _canonical(node: object) -> str:
    """A syntax tree as text that is the same in every Python from 3.11 on."""
    if isinstance(node, list):
        return "[" + ",".join(map(_canonical, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {field: value for field, value in ast.iter_fields(node) if field not in _LEFT_OUT}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
        fields["body"] = [part for part in node.body if not _is_text(part)]
    parts = [f"{field}={_canonical(value)}" for field, value in fields.items() if value is not None and value != []]
    return f"{type(node).__name__}({','.join(parts)})"


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or another text that stands alone and does nothing."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
