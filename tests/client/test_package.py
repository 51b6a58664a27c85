"""`import coffer_client`: what it offers, how little it does, and how little an installation brings."""

from __future__ import annotations

import copy
import json
import os
import pickle
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import coffer_client
from coffer_client.errors import BusyServerError, RefusedClientError
from coffer_protocol.errors import CofferError, ServerError
from tests.house import PACKAGES
from tests.support import ROOT


def run_bare(program: str, cwd: Path) -> str:
    """Run a program in an interpreter that knows where the sources are and nothing else: no variable, so no home. It leaves no bytecode."""
    paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", f"import sys; sys.path[:0] = {paths!r}\n{program}"],
        cwd=cwd,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ----------------------------------------------------------------------------------------------------------------- exports


def test_every_name_is_there_and_is_in_dir() -> None:
    for name in coffer_client.__all__:
        assert getattr(coffer_client, name) is not None
    assert set(coffer_client.__all__) <= set(dir(coffer_client))
    assert len(set(coffer_client.__all__)) == len(coffer_client.__all__)


def test_names_and_their_modules_are_one_list() -> None:
    assert sorted(name for names in coffer_client._NAMES.values() for name in names) == sorted(coffer_client.__all__)


def test_no_module_stands_in_the_place_of_a_name() -> None:
    assert {module.name for module in pkgutil.iter_modules(coffer_client.__path__)} & set(coffer_client.__all__) == set()


def test_a_name_that_does_not_exist_is_an_attribute_error(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="module 'coffer_client' has no attribute 'nonsense'"):
        _ = coffer_client.nonsense  # type: ignore[attr-defined]
    run_bare(
        """
try:
    from coffer_client import nonsense
except ImportError as error:
    assert "nonsense" in str(error)
else:
    raise AssertionError
""",
        tmp_path,
    )


@pytest.mark.parametrize("statement", ["from coffer_client import *", "from coffer_client import fetch", "import coffer_client.fetching"])
def test_names_come_by_each_form_of_import(statement: str, tmp_path: Path) -> None:
    program = (
        f"{statement}\nimport coffer_client\nassert callable(coffer_client.fetch)\nfrom coffer_client import fetch\nassert callable(fetch)"
    )
    run_bare(program, tmp_path)


def test_a_star_takes_exactly_the_names(tmp_path: Path) -> None:
    program = "import json\nbefore = {*globals(), 'before'}\nfrom coffer_client import *\nprint(json.dumps([*{*globals()} - before]))"
    assert sorted(json.loads(run_bare(program, tmp_path))) == sorted(coffer_client.__all__)


@pytest.mark.parametrize("name", [name for name in coffer_client.__all__ if isinstance(getattr(coffer_client, name), type)])
def test_classes_are_pickled_by_where_they_are(name: str) -> None:
    exported = getattr(coffer_client, name)
    assert pickle.loads(pickle.dumps(exported)) is exported
    assert copy.deepcopy(exported) is exported


@pytest.mark.parametrize(
    "error",
    [
        ServerError("limit", "too many"),
        BusyServerError("busy", "later"),
        RefusedClientError("suite", "it is bare", hint="do this"),
        coffer_client.NoSuchKeyError("no 'key'"),
        coffer_client.WrongTypeError("it is text"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_another_process(error: CofferError) -> None:
    """As multiprocessing and concurrent.futures bring them; an error that cannot be pickled breaks their pools."""
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)


# ---------------------------------------------------------------------------------------------------- an import, and no more

WATCHED = """
import json, sys, threading

# Python's own machinery opens modules; for reading, and by these ends of their names.
MODULES = (".py", ".pyc", ".so")
seen = []


def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if str(path).endswith(MODULES) and mode in ("r", "rb", None) and not flags & 3:
            return
    elif not event.startswith(("socket.", "subprocess.", "os.", "fcntl.", "shutil.", "signal.", "tempfile.", "urllib.")):
        return
    elif event in ("os.listdir", "os.scandir"):
        # How the import system looks into folders.
        return
    seen.append([event, repr(arguments)])


threads = threading.enumerate()
sys.addaudithook(watch)
{statement}
assert threading.enumerate() == threads
print(json.dumps(seen))
"""


@pytest.mark.parametrize("statement", ["import coffer_client", "from coffer_client import *"])
def test_an_import_needs_no_configuration_and_touches_nothing_but_modules(statement: str, tmp_path: Path) -> None:
    assert json.loads(run_bare(WATCHED.replace("{statement}", statement), tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("open('x')", "open"),
        ("import socket; socket.socket()", "socket.__new__"),
        ("import os; os.mkdir('y')", "os.mkdir"),
    ],
)
def test_what_it_might_touch_would_be_seen(statement: str, event: str, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert [name for name, _ in json.loads(run_bare(WATCHED.replace("{statement}", statement), tmp_path))] == [event]


def loaded_by(statement: str, cwd: Path) -> set[str]:
    return {*run_bare(f"before = {{*sys.modules}}\n{statement}\nprint(*{{*sys.modules}} - before)", cwd).split()}


def test_an_import_loads_the_package_alone(tmp_path: Path) -> None:
    # Every module of ours begins with `from __future__`, which some versions of Python have loaded before.
    assert loaded_by("import coffer_client", tmp_path) - {"__future__"} == {"coffer_client"}


def test_errors_load_no_cryptography(tmp_path: Path) -> None:
    loaded = loaded_by("from coffer_client import CofferError, NoSuchKeyError", tmp_path)
    assert loaded & {"nacl", "cryptography", "cbor2", "socket", "coffer_client.fetching"} == set()


# ------------------------------------------------------------------------------------------- what an installation brings

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needed(requirements: Iterable[str]) -> set[str]:
    """The names of the distributions that these need, and of those that they need in turn, on this machine."""
    found: set[str] = set()
    waiting = [*map(Requirement, requirements)]
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += map(Requirement, metadata.requires(name) or ())
    return found


def test_the_base_installation_needs_three_libraries() -> None:
    assert {Requirement(text).name for text in PROJECT["dependencies"]} == {"pynacl", "cbor2", "cryptography"}


def test_the_base_installation_is_at_most_eight_packages_and_30_mb() -> None:
    """With Coffer itself, as `pip list` counts them. Nothing is downloaded: the distributions are those of the tests."""
    others = needed(PROJECT["dependencies"])
    assert {"pynacl", "cbor2", "cryptography", "cffi"} <= others
    assert len(others) + 1 <= 8
    files = [path.locate() for name in others for path in metadata.files(name) or ()]
    own = [path for folder in PACKAGES for path in (ROOT / folder).rglob("*") if path.is_file()]
    size_bytes = sum(os.stat(path).st_size for path in (*files, *own) if os.path.isfile(path))
    assert 10_000_000 < size_bytes < 30_000_000
