"""What holds for the house as a whole: who may import whom, types, style, and that every room has its tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import house
from tests.support import ROOT

PACKAGES = ("coffer_protocol", "coffer_common", "coffer_server", "coffer_companion", "coffer_client")
MAY_IMPORT = {
    "coffer_protocol": set[str](),
    "coffer_common": {"coffer_protocol", "coffer_client"},
    "coffer_server": {"coffer_protocol", "coffer_common"},
    "coffer_client": {"coffer_protocol", "coffer_common"},
    "coffer_companion": {"coffer_protocol", "coffer_common", "coffer_client"},
}
# Libraries that belong to one room, each with the modules that may import it.
ROOMS = {
    "jinja2": {"coffer_client/delivery/template.py"},
    "nacl": {"coffer_protocol/crypto/primitives.py", "coffer_protocol/crypto/sodium.py"},
    "cryptography": {"coffer_protocol/crypto/primitives.py"},
    "cbor2": {"coffer_protocol/cbor.py"},
    "anyio": {"coffer_client/io/eventloop.py"},
    "sqlalchemy": {"coffer_server/store/"},
    "sqlite3": {"coffer_server/store/"},
    "psycopg": {"coffer_server/store/"},
    "pydantic": {"coffer_client/pydantic_source.py"},
    "pydantic_settings": {"coffer_client/pydantic_source.py"},
}
# The protocol is pure: these would be a socket, a file, a clock, a log.
IMPURE = {
    "socket",
    "ssl",
    "asyncio",
    "trio",
    "anyio",
    "selectors",
    "select",
    "time",
    "logging",
    "structlog",
    "pathlib",
    "tempfile",
    "os",
    "io",
}
# The client's conversation waits for what it is given, and is the same whoever waits.
CONVERSATION = {f"coffer_client/conversation/{name}.py" for name in ("connection", "network", "source", "verifying", "watching")}
WAITING = {"socket", "_socket", "ssl", "asyncio", "trio", "anyio", "selectors", "select", "threading"}
PURE_EXCEPTIONS = {("coffer_protocol/cbor.py", "io")}  # cbor2 reads from a BytesIO


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """The top-level names of what a module imports from elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.split(".")[0]


def test_imports_run_one_way() -> None:
    for name, tree in sources():
        package = name.split("/")[0]
        others = {other for other in imported(tree) if other in PACKAGES and other != package}
        assert others <= MAY_IMPORT[package], name


def test_libraries_stay_in_their_rooms() -> None:
    for name, tree in sources():
        for library in set(imported(tree)) & ROOMS.keys():
            assert any(name.startswith(room) for room in ROOMS[library]), f"{name} imports {library}"


def test_the_protocol_is_pure() -> None:
    for name, tree in sources():
        if name.startswith("coffer_protocol/"):
            impure = {other for other in imported(tree) if other in IMPURE and (name, other) not in PURE_EXCEPTIONS}
            assert not impure, name


def test_the_clients_conversation_waits_for_nothing_of_its_own() -> None:
    trees = dict(sources())
    for name in CONVERSATION:
        assert not set(imported(trees[name])) & WAITING, name


def listed(docstring: str) -> list[str]:
    """What a package's docstring lists: "name.py" and "folder/", each on an indented line before what it holds."""
    return re.findall(r"^    (\w+(?:\.py|/)) +\S.*$", docstring, re.MULTILINE)


FOLDERS = [source for source in house.sources() if source.path.name == "__init__.py"]


@pytest.mark.parametrize("package", FOLDERS, ids=lambda package: package.name)
def test_a_package_lists_its_modules(package: house.Source) -> None:
    folder = package.path.parent
    modules = [path.name for path in folder.glob("*.py") if path != package.path]
    modules += [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    assert sorted(listed(ast.get_docstring(package.tree, clean=False) or "")) == sorted(modules)


def test_every_public_thing_is_documented() -> None:
    missing = []
    for name, tree in sources():
        if ast.get_docstring(tree) is None and tree.body:
            missing.append(name)
        owners: list[ast.Module | ast.ClassDef] = [tree]
        owners += [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for owner in owners:
            for node in owner.body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                    # Overloads are documented by the function that follows them.
                    if "overload" in map(ast.unparse, node.decorator_list):
                        continue
                    missing += [] if ast.get_docstring(node) else [f"{name}: {node.name}"]
    assert not missing


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["ruff check", "ruff format", "mypy --strict"],
)
def test_style_and_types(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_secret_text_is_committed() -> None:
    """The seeds of the vectors are public; no other secret text belongs into the repository."""
    secret = re.compile(r"COFFER-SECRET-KEY-1[A-Z2-7]{50,}")
    found = [
        path.relative_to(ROOT).as_posix() for path in tracked_files() if secret.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == ["tests/vectors/identities.json"]
