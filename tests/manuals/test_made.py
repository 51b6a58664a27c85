"""What is committed is what the generator makes, and an installation puts it where man and the shells look."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.manuals import man
from docs.manuals.__main__ import HELP, PROGRAMS, SHARE, made
from tests.docs.commands import missing_programs
from tests.support import ROOT
from tests.test_house import tracked_files


@pytest.mark.parametrize("name", made())
def test_what_is_committed_is_what_is_made(name: str) -> None:
    path = ROOT / name
    assert path.exists(), f"{name} is missing: scripts/manuals makes it"
    assert path.read_text(encoding="utf-8") == made()[name], f"{name} is not what is made now: scripts/manuals makes it again"


def test_nothing_is_left_of_what_is_made_no_longer() -> None:
    there = {path.relative_to(ROOT).as_posix() for folder in (SHARE, HELP) for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert there == {name for name in made() if name.startswith((SHARE, HELP))}


def test_an_installation_has_it(tmp_path: Path) -> None:
    if missing := missing_programs("man"):
        pytest.skip(f"this machine has no {missing[0]}")
    # Building writes beside the sources; these are a copy, as a clone would have them.
    clone, prefix = tmp_path / "clone", tmp_path / "prefix"
    for path in tracked_files():
        (clone / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, clone / path.relative_to(ROOT))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--ignore-installed", "--prefix", prefix, clone], check=True, capture_output=True)
    for name in made():
        if name.startswith(SHARE):
            assert (prefix / name.removeprefix("docs/")).read_bytes() == (ROOT / name).read_bytes()
    # man finds pages beside the programs in PATH.
    environment = {"PATH": f"{prefix / 'bin'}:/usr/bin:/bin"}
    pages = [name.removesuffix(".1") for program in PROGRAMS for name in man.pages(program)]
    found = subprocess.run(["man", "-w", *pages], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(prefix / "share" / "man" / "man1" / f"{page}.1") for page in pages]
