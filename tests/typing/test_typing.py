"""Coffer's types, as a user's checker sees them: of a wheel that was built and installed, by its py.typed, under mypy --strict."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from datetime import UTC, date, datetime, time
from pathlib import Path
from zipfile import ZipFile

import pytest

from coffer_client.coffer import Coffer
from tests.client.releases import make_accepted
from tests.support import ROOT

from . import as_user

_HERE = Path(__file__).parent


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coffer's wheel."""
    built = tmp_path_factory.mktemp("wheel")
    done = run("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", built, ROOT, cwd=built)
    assert done.returncode == 0, done.stderr
    (path,) = built.iterdir()
    return path


@pytest.fixture(scope="module")
def told(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of both files, in an environment that has Coffer as pip would install it, and beside it what these tests have."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "venv", symlinks=True)
    (packages,) = folder.glob("venv/lib/*/site-packages")
    with ZipFile(wheel) as archive:
        archive.extractall(packages)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "libraries.pth").write_text(f"{libraries}\n")
    for name in ("as_user.py", "mistakes.py"):
        shutil.copy(_HERE / name, folder)
    options = ["--strict", "--no-error-summary", "--config-file=", f"--python-executable={folder}/venv/bin/python", "--cache-dir=cache"]
    done = run("mypy", *options, "as_user.py", "mistakes.py", cwd=folder)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if ": note: " not in line]


def test_every_package_says_that_it_is_typed(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.split("/")[0] for name in names if name.count("/") == 1 and name.endswith(".py")}
    assert packages == {"coffer_protocol", "coffer_common", "coffer_client", "coffer_companion", "coffer_server"}
    assert {f"{package}/py.typed" for package in packages} <= set(names)


def test_what_a_user_writes_has_the_types_that_it_should_have(told: list[str]) -> None:
    assert [line for line in told if line.startswith("as_user.py")] == []


def test_each_mistake_is_refused_for_its_reason_and_nothing_else_is(told: list[str]) -> None:
    lines = (_HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    expected = {(number, text.partition("# refused: ")[2]) for number, text in enumerate(lines, 1) if "# refused: " in text}
    refused = [re.fullmatch(r"mistakes\.py:(\d+): error: .*\[([a-z-]+)\]", line) for line in told if line.startswith("mistakes.py")]
    assert len(expected) == 15
    assert {(int(found[1]), found[2]) for found in refused if found is not None} == expected
    assert None not in refused


def test_what_a_user_writes_runs_as_its_types_say() -> None:
    coffer = Coffer(
        make_accepted(
            {
                "text": "x",
                "int": 1,
                "float": 1.5,
                "bool": True,
                "bytes": b"x",
                "date": date(2031, 1, 31),
                "datetime": datetime(2031, 1, 31, 8, tzinfo=UTC),
                "time": time(8),
            }
        )
    )
    as_user.takes_values_by_their_types(coffer)
    as_user.takes_values_or_defaults(coffer)
    assert as_user.reads_a_mapping(coffer) == coffer
    as_user.catches_what_is_raised(coffer)
    # Without pydantic's plugin, a checker wants the fields as arguments.
    assert as_user.Settings().db.url.get_secret_value() == "a test's"  # type: ignore[call-arg]
