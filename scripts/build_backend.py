"""Build Coffer's wheel and source archive with setuptools, from a copy of the sources.

A build in place ships what earlier builds left in `build/`, modules that were deleted since among it, and needs sources that it can write.
A copy has neither fault. It has fixed modes, so that the same sources and the same SOURCE_DATE_EPOCH give the same bytes.

pip, uv and build call these functions as https://peps.python.org/pep-0517/ says. What is not here has the default of that page.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from setuptools import build_meta  # type: ignore[import-untyped]

__all__ = ["build_editable", "build_sdist", "build_wheel"]

# An editable installation refers to the sources themselves.
build_editable = build_meta.build_editable

# What ships in a source archive. Of the rest of a clone, a build looks at nothing.
SHIPPED = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml", ".gitignore"),
    *("coffer_client", "coffer_common", "coffer_companion", "coffer_protocol", "coffer_server"),
    *("bench", "docs", "examples", "scripts", "tests"),
)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the wheel into a folder, and return its name."""
    target = Path(wheel_directory).absolute()
    with copied():
        name: str = build_meta.build_wheel(str(target), config_settings)
    return name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build the source archive into a folder, and return its name."""
    target = Path(sdist_directory).absolute()
    with copied() as copy:
        (copy / "MANIFEST.in").write_text("graft .\n")
        name: str = build_meta.build_sdist("dist", config_settings)
        repack(copy / "dist" / name, target / name)
    return name


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """Copy what ships of the current folder, without what git ignores, and be in the copy for a while."""
    root, umask = Path.cwd(), os.umask(0o022)
    lines = [line for path in (root / ".gitignore", root / "examples" / ".gitignore") for line in path.read_text().splitlines()]
    ignored = shutil.ignore_patterns(*(line.strip("/") for line in lines if not line.startswith("#")))
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "sources")
            copy.mkdir()
            for name in SHIPPED:
                if (root / name).is_dir():
                    shutil.copytree(root / name, copy / name, ignore=ignored)
                else:
                    shutil.copy(root / name, copy / name)
            for path in copy.rglob("*"):
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            with contextlib.chdir(copy):
                yield copy
    finally:
        os.umask(umask)


def repack(source: Path, target: Path) -> None:
    """Write an archive again, without the times, users and order that the machine gave it."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    with (
        tarfile.open(source) as unordered,
        target.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w") as ordered,
    ):
        for member in sorted(unordered.getmembers(), key=lambda member: member.name):
            again = tarfile.TarInfo(member.name)
            again.type, again.mode, again.size, again.mtime = member.type, member.mode, member.size, epoch
            ordered.addfile(again, unordered.extractfile(member))
