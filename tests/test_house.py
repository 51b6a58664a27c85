"""What holds for the house as a whole: who may import whom, types, style, and that every room has its tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import house
from tests.house import When
from tests.support import ROOT

# What the modules of a folder may import from the packages, in addition to their own folder and what is in it. For each file its own line
# counts, or else that of the innermost folder that has one.
SHARED = ("coffer_protocol/", "coffer_common/")
VALUES = ("coffer_client/coffer.py", "coffer_client/errors.py")
SQL = (
    "coffer_server/errors.py",
    "coffer_server/store/base.py",
    "coffer_server/store/cache.py",
    "coffer_server/store/events.py",
    "coffer_server/store/rules.py",
    "coffer_server/store/sealing.py",
    "coffer_server/store/snapshot.py",
)
MAY_IMPORT = {
    "coffer_protocol/": (),
    "coffer_protocol/crypto/": ("coffer_protocol/errors.py", "coffer_protocol/lean.py"),
    "coffer_common/": ("coffer_protocol/",),
    "coffer_client/": SHARED,
    "coffer_client/config/": (*SHARED, "coffer_client/errors.py"),
    "coffer_client/conversation/": (*SHARED, *VALUES, "coffer_client/config/", "coffer_client/trust_store.py"),
    "coffer_client/io/": (*SHARED, *VALUES, "coffer_client/conversation/network.py"),
    "coffer_client/delivery/": (*SHARED, *VALUES),
    "coffer_client/process/": (*SHARED, *VALUES, "coffer_client/config/names.py", "coffer_client/delivery/"),
    "coffer_client/cli/": (*SHARED, "coffer_client/"),
    "coffer_companion/": (*SHARED, "coffer_client/"),
    "coffer_companion/definition/": (*SHARED, "coffer_client/", "coffer_companion/errors.py"),
    "coffer_companion/importers/": (*SHARED, "coffer_companion/definition/", "coffer_companion/errors.py"),
    "coffer_companion/releases/": (
        *SHARED,
        "coffer_companion/connection.py",
        "coffer_companion/definition/",
        "coffer_companion/errors.py",
        "coffer_companion/settings.py",
        "coffer_companion/target.py",
    ),
    "coffer_companion/cli/": (*SHARED, "coffer_client/", "coffer_companion/"),
    "coffer_server/": SHARED,
    "coffer_server/store/": (*SHARED, "coffer_server/errors.py"),
    "coffer_server/store/sql/": (*SHARED, *SQL),
    "coffer_server/store/log/": (*SHARED, *SQL, "coffer_server/store/sql/"),
    "coffer_server/store/upkeep/": (*SHARED, *SQL, "coffer_server/store/sql/", "coffer_server/store/log/"),
    "coffer_server/store/shared/": (*SHARED, *SQL, "coffer_server/logs.py", "coffer_server/store/sql/", "coffer_server/store/sql_store.py"),
}
# What belongs to one place, with those who may import from there.
PRIVATE = {
    "coffer_client/cli/": ("coffer_client/__main__.py",),
    "coffer_companion/cli/": ("coffer_companion/__main__.py",),
    "coffer_server/cli.py": ("coffer_server/__main__.py",),
    # It needs typer, which an application's machine does not have.
    "coffer_common/application.py": ("coffer_companion/cli/__init__.py", "coffer_companion/cli/publishers.py", "coffer_server/cli.py"),
}
# Libraries, each with the places that may import it.
ROOMS = {
    "anyio": ("coffer_client/io/",),
    "cbor2": ("coffer_protocol/cbor.py",),
    "cryptography": ("coffer_protocol/crypto/",),
    "dotenv": ("coffer_companion/importers/",),
    "jinja2": ("coffer_client/delivery/template.py",),
    "nacl": ("coffer_protocol/crypto/",),
    "psycopg": ("coffer_server/store/sql/", "coffer_server/store/shared/"),
    "pydantic": ("coffer_client/pydantic_source.py",),
    "pydantic_settings": ("coffer_client/pydantic_source.py",),
    "rich": ("coffer_companion/cli/",),
    "socket": ("coffer_client/io/", "coffer_server/health/socket.py"),
    "_socket": ("coffer_client/io/",),
    "sqlalchemy": ("coffer_server/store/",),
    "sqlite3": ("coffer_server/store/sql/",),
    "ssl": (),
    "structlog": ("coffer_server/logs.py",),
    "tomlkit": ("coffer_companion/",),
    "tomli": ("coffer_companion/",),
    "trio": ("coffer_companion/", "coffer_server/"),
    "typer": ("coffer_common/application.py", "coffer_companion/cli/", "coffer_server/cli.py", "coffer_server/upkeep.py"),
}
# Modules that a folder does without. The protocol is pure: these would be a socket, a file, a clock, a log. The client's conversation
# waits for what it is given, and is the same for every way of waiting.
WAITING = ("_socket", "anyio", "asyncio", "select", "selectors", "socket", "ssl", "threading", "trio")
WITHOUT = {
    "coffer_protocol/": (*WAITING, "io", "logging", "os", "pathlib", "structlog", "tempfile", "time"),
    "coffer_client/conversation/": WAITING,
}
# cbor2 reads from a BytesIO.
NOT_PURE = {("coffer_protocol/cbor.py", "io")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ..errors import UsageError", {("coffer_client/errors.py", When.START)}),
        ("from . import exits, main", {("coffer_client/cli/exits.py", When.START), ("coffer_client/cli/main.py", When.START)}),
        ("from .commands import load", {("coffer_client/cli/commands/__init__.py", When.START)}),
        ("from coffer_protocol.crypto import hpke", {("coffer_protocol/crypto/hpke.py", When.START)}),
        ("import nacl.bindings", {("nacl.bindings", When.START)}),
        (
            "def f():\n    try:\n        from ..io import blocking\n    finally:\n        pass",
            {("coffer_client/io/blocking.py", When.CALL)},
        ),
        (
            "if TYPE_CHECKING:\n    from ..coffer import Coffer\nelse:\n    import os",
            {("coffer_client/coffer.py", When.NEVER), ("os", When.START)},
        ),
    ],
)
def test_imports_are_resolved(text: str, found: set[tuple[str, When]]) -> None:
    imports = house.imports_of(ast.parse(text), ("coffer_client", "cli"))
    assert {(imported.source or imported.module, imported.when) for imported in imports} == found


def test_a_circle_is_found() -> None:
    assert house.find_circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []
    assert set(house.find_circle({"a": ["b"], "b": ["c"], "c": ["b"]})) == {"b", "c"}


def line_of(source: house.Source) -> str:
    """The line of MAY_IMPORT that counts for a source."""
    return max((prefix for prefix in MAY_IMPORT if source.name.startswith(prefix)), key=len)


@pytest.mark.parametrize("prefix", MAY_IMPORT)
def test_imports_run_one_way(prefix: str) -> None:
    allowed = (prefix, *MAY_IMPORT[prefix])
    there = [source for source in house.sources() if line_of(source) == prefix]
    assert there
    wrong = [
        f"{source.name} imports {imported.source}"
        for source in there
        for imported in source.imports
        if imported.source and not imported.source.startswith(allowed)
    ]
    assert not wrong


@pytest.mark.parametrize("prefix", PRIVATE)
def test_what_belongs_to_one_place_is_imported_from_there_alone(prefix: str) -> None:
    importers = {
        source.name
        for source in house.sources()
        if not source.name.startswith(prefix)
        for imported in source.imports
        if imported.source and imported.source.startswith(prefix)
    }
    assert importers == set(PRIVATE[prefix])


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{source.name} imports {imported.module}"
        for source in house.sources()
        for imported in source.imports
        if not source.name.startswith(ROOMS.get(imported.module.partition(".")[0], ""))
    ]
    assert not wrong


@pytest.mark.parametrize("folder", WITHOUT)
def test_a_folder_does_without(folder: str) -> None:
    wrong = [
        f"{source.name} imports {imported.module}"
        for source in house.sources()
        if source.name.startswith(folder)
        for imported in source.imports
        if imported.module.partition(".")[0] in WITHOUT[folder] and (source.name, imported.module) not in NOT_PURE
    ]
    assert not wrong


def test_no_circle_of_imports() -> None:
    assert house.find_circle({source.name: house.loaded_sources(source) for source in house.sources()}) == []


def test_no_circle_of_types() -> None:
    """Nor with what is imported for type checkers: what two modules need from each other belongs to a third, or into one of them."""
    graph = {source.name: {imported.source for imported in source.imports if imported.source} for source in house.sources()}
    assert house.find_circle(graph) == []


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


CLASSES = {node.name: node for source in house.sources() for node in source.tree.body if isinstance(node, ast.ClassDef)}
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(owner: ast.Module | ast.ClassDef) -> list[Documented]:
    """What an owner makes public, without overloads, which are documented by the function that follows them."""
    there = [node for node in owner.body if isinstance(node, Documented) and not node.name.startswith("_")]
    return [node for node in there if "overload" not in map(ast.unparse, node.decorator_list)]


def documented_above(owner: ast.ClassDef) -> set[str]:
    """The methods that the bases of a class document."""
    bases = [CLASSES[name] for base in owner.bases if (name := ast.unparse(base).partition("[")[0].rpartition(".")[2]) in CLASSES]
    return {node.name for base in bases for node in public(base) if ast.get_docstring(node)}.union(*map(documented_above, bases))


@pytest.mark.parametrize("source", house.sources(), ids=lambda source: source.name)
def test_every_public_thing_is_documented(source: house.Source) -> None:
    """A method that implements an interface is documented there."""
    missing = [] if ast.get_docstring(source.tree) or not source.tree.body else [source.name]
    owners: list[ast.Module | ast.ClassDef] = [source.tree, *(node for node in public(source.tree) if isinstance(node, ast.ClassDef))]
    for owner in owners:
        elsewhere = documented_above(owner) if isinstance(owner, ast.ClassDef) else set()
        missing += [node.name for node in public(owner) if not ast.get_docstring(node) and node.name not in elsewhere]
    assert not missing


@pytest.mark.parametrize("source", house.sources(), ids=lambda source: source.name)
def test_no_docstring_only_points_elsewhere(source: house.Source) -> None:
    texts = [ast.get_docstring(node) or "" for node in ast.walk(source.tree) if isinstance(node, ast.Module | Documented)]
    assert not [text for text in texts if re.fullmatch(r"(See|As) `?[\w.]+`?\.?", text)]


# Sources without a test file of their name, with the reason and the file that tests each. A package that only lists its modules needs none.
ELSEWHERE = {
    # Entry points and launchers: what counts is what the process does.
    "coffer_client/__main__.py": "tests/client/test_process.py",
    "coffer_companion/__main__.py": "tests/common/test_program.py",
    "coffer_server/__main__.py": "tests/common/test_program.py",
    "coffer_client/cli/commands/run.py": "tests/client/test_process.py",
    # The public package: what it exports, and what importing it costs.
    "coffer_client/__init__.py": "tests/client/test_package.py",
    # Interfaces, and values without behaviour: each implementation goes through one contract.
    "coffer_protocol/suite/__init__.py": "tests/protocol/test_session.py",
    "coffer_server/store/base.py": "tests/server/store/test_contract.py",
    "coffer_server/store/sql/database.py": "tests/server/store/test_contract.py",
    # Constants and tables: they are compared with what they must agree with.
    "coffer_protocol/limits.py": "tests/docs/test_protocol_doc.py",
    "coffer_server/store/sql/schema.py": "tests/server/store/upkeep/test_prepare.py",
    # The program's name, and re-exports.
    "coffer_companion/__init__.py": "tests/companion/cli/test_cli.py",
    "coffer_companion/definition/__init__.py": "tests/companion/definition/test_loading.py",
}


def own_test(source: house.Source) -> str:
    """The test file of a source's name, in the folder that mirrors the source's."""
    package, *folders, file = source.name.split("/")
    folder = "/".join(["tests", package.removeprefix("coffer_"), *folders])
    subject = folder.rpartition("/")[2] if file == "__init__.py" else file.removesuffix(".py").strip("_")
    return f"{folder}/test_{subject}.py"


def holds_nothing(source: house.Source) -> bool:
    """Whether a source has a docstring alone."""
    return source.path.name == "__init__.py" and len(source.tree.body) <= 1


@pytest.mark.parametrize("source", [source for source in house.sources() if not holds_nothing(source)], ids=lambda source: source.name)
def test_every_module_has_the_test_file_of_its_name(source: house.Source) -> None:
    has_own = (ROOT / own_test(source)).is_file()
    if has_own:
        assert source.name not in ELSEWHERE
    else:
        assert source.name in ELSEWHERE, f"{own_test(source)} is missing"
        assert (ROOT / ELSEWHERE[source.name]).is_file()


def test_no_exception_outlives_its_source() -> None:
    assert ELSEWHERE.keys() <= {source.name for source in house.sources()}


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
