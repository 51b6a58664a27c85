"""The sources as the tests of the house read them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

from tests.support import ROOT

PACKAGES = ("coffer_protocol", "coffer_common", "coffer_server", "coffer_companion", "coffer_client")


class When(Enum):
    """When an import happens."""

    START = "when the module is loaded"
    CALL = "when a function is called"
    NEVER = "never: it is for type checkers"


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import of a source.

    Attributes:
        module: the name of what is imported, as "nacl.bindings".
        source: the source that this is, as "coffer_client/errors.py"; None if it is no part of the packages.
        when: when it happens.
    """

    module: str
    source: str | None
    when: When


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of the packages."""

    path: Path

    @cached_property
    def name(self) -> str:
        """Its path in the repository, as "coffer_client/errors.py"."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """What it holds."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """What it holds, parsed."""
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All that it imports, relative imports resolved."""
        return tuple(imports_of(self.tree, PurePosixPath(self.name).parent.parts))


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the packages."""
    return tuple(Source(path=path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def imports_of(parent: ast.AST, folder: tuple[str, ...], when: When = When.START) -> Iterator[Import]:
    """What is imported below a node of a source in this folder."""
    for node in ast.iter_child_nodes(parent):
        match node:
            case ast.Import():
                yield from (_import(alias.name, when) for alias in node.names)
            case ast.ImportFrom():
                base = ".".join([*(folder[: len(folder) + 1 - node.level] if node.level else ()), *([node.module] if node.module else ())])
                for alias in node.names:
                    # What is imported from a package may be a name of it, or a module in it.
                    inner = _import(f"{base}.{alias.name}", when)
                    yield inner if inner.source else _import(base, when)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from imports_of(ast.Module(node.body, []), folder, When.NEVER)
                yield from imports_of(ast.Module(node.orelse, []), folder, when)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from imports_of(node, folder, When.CALL if when is When.START else when)
            case _:
                yield from imports_of(node, folder, when)


@cache
def _import(module: str, when: When) -> Import:
    name = module.replace(".", "/")
    found = next((file for file in (f"{name}.py", f"{name}/__init__.py") if name.startswith(PACKAGES) and (ROOT / file).is_file()), None)
    return Import(module=module, source=found, when=when)


def loaded_sources(source: Source) -> set[str]:
    """The sources that one source loads, when it starts or later, with the packages that they are in, which Python loads first."""
    names = {imported.source for imported in source.imports if imported.source and imported.when is not When.NEVER}
    packages = {f"{folder}/__init__.py" for name in names for folder in PurePosixPath(name).parents if folder.name}
    # A module is loaded by its own packages, which need not be complete before it is.
    own = {f"{folder}/__init__.py" for folder in PurePosixPath(source.name).parents}
    return names | (packages - own)


def find_circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a circle in a graph, as the nodes on the way round; nothing if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []
