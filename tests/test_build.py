"""What is built from the sources: the same bytes each time, from any checkout, with all that belongs into it and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from scripts.build_backend import SHIPPED
from tests.support import ROOT

Kind = Literal["sdist", "wheel"]
BUILD = "import sys; sys.path.insert(0, 'scripts'); import build_backend; getattr(build_backend, 'build_' + sys.argv[1])(sys.argv[2])"


def tracked() -> set[str]:
    """Return the names of the files of this version, or skip the test if git does not know them."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return {name for name in listing.stdout.decode().split("\0") if (ROOT / name).is_file()}


def build(kind: Kind, sources: Path, target: Path, umask: int = 0o022) -> Path:
    """Build as pip does, in a process whose folder is that of the sources."""
    target.mkdir()
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-c", BUILD, kind, str(target)]
    subprocess.run(command, cwd=sources, env=environment, umask=umask, stdout=subprocess.DEVNULL, check=True)
    (path,) = target.iterdir()
    return path


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows, as a clone has it."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", clone, tmp_path_factory.mktemp("built") / "wheel")


@pytest.fixture(scope="module")
def sdist(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", clone, tmp_path_factory.mktemp("built") / "sdist")


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    # As a user does it. What Python's own module takes differs between its versions.
    subprocess.run(["tar", "-xzf", sdist, "-C", folder], check=True)
    return folder / sdist.name.removesuffix(".tar.gz")


def files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_clone_with_another_umask_gives_the_same_bytes(kind: Kind, clone: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    first: Path = request.getfixturevalue(kind)
    other = tmp_path / "other"
    shutil.copytree(clone, other)
    for path in other.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o077)
        os.utime(path, (0, 0))
    assert build(kind, other, tmp_path / "built", umask=0o077).read_bytes() == first.read_bytes()


def test_what_an_earlier_build_left_does_not_ship(clone: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.copytree(clone, tmp_path / "clone")
    for name in ("build/lib/coffer_client/deleted.py", "coffer_secrets.egg-info/SOURCES.txt", "examples/coffers/shop/keys/web.key"):
        path = tmp_path / "clone" / name
        path.parent.mkdir(parents=True)
        path.write_text("coffer_client/deleted.py\n")
    assert build("wheel", tmp_path / "clone", tmp_path / "wheel").read_bytes() == wheel.read_bytes()
    with tarfile.open(build("sdist", tmp_path / "clone", tmp_path / "sdist")) as archive:
        assert [name for name in archive.getnames() if "deleted" in name or "web.key" in name] == []


def test_a_checkout_that_cannot_be_written_is_built_and_left_as_it_was(clone: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.copytree(clone, tmp_path / "clone")
    before = {*files(tmp_path / "clone")}
    for path in (tmp_path / "clone", *(tmp_path / "clone").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        assert build("wheel", tmp_path / "clone", tmp_path / "wheel").read_bytes() == wheel.read_bytes()
    finally:
        for path in (tmp_path / "clone", *(tmp_path / "clone").rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    # root may write where a mode forbids it.
    assert {*files(tmp_path / "clone")} == before


def test_the_wheel_has_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name: info.external_attr >> 16 for name, info in zip(archive.namelist(), archive.infolist(), strict=True)}
        script = archive.read("coffer_secrets-0.1.0.data/scripts/coffer-client")
    packages = {name for name in tracked() if name.startswith("coffer_") and name.endswith((".py", "py.typed"))}
    assert {name for name in names if ".dist-info/" not in name and ".data/" not in name} == packages
    assert script == (ROOT / "coffer_client" / "coffer-client").read_bytes()
    executable = {name for name, mode in names.items() if mode & 0o111}
    assert executable == {"coffer_secrets-0.1.0.data/scripts/coffer-client"}
    assert [name for name, mode in names.items() if mode & 0o444 != 0o444] == []


def test_the_source_archive_has_all_that_ships(unpacked: Path) -> None:
    ships = {name for name in tracked() if name.split("/")[0] in SHIPPED}
    # What is about the repository itself stays behind.
    assert [name for name in tracked() - ships if not name.startswith(".")] == []
    made = {"MANIFEST.in", "PKG-INFO", "setup.cfg"}
    assert {name for name in files(unpacked) if not name.startswith("coffer_secrets.egg-info/")} - made == ships
    assert (unpacked / "scripts" / "setup").stat().st_mode & 0o111


def test_the_source_archive_gives_the_same_wheel(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    assert build("wheel", unpacked, tmp_path / "wheel").read_bytes() == wheel.read_bytes()


def test_tests_run_from_the_source_archive(unpacked: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/protocol/test_address.py"]
    ran = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout
