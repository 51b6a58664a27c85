"""What holds for every page: its links and the paths that it names lead somewhere, and its lists are complete."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import house
from tests.support import ROOT

FOLDERS = ("", "docs", "docs/decisions", "examples", "examples/*", "examples/*/*", "bench", ".github", ".github/*", "tests/vectors")
PAGES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md".lstrip("/")))
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
# Folders of the repository whose files a page may name as they are.
NAMED = re.compile(r"`((?:\.github|coffer_\w+|docs|examples|bench|scripts|tests)/[\w./-]*)`")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its blocks of code and its comments."""
    return re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(page))):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_paths_that_are_named_are_there(page: Path) -> None:
    missing = [name for name in NAMED.findall(prose(text_of(page))) if not (ROOT / name).exists()]
    assert not missing


def test_decisions_are_all_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[[^\]]+\]\(([^)]+)\) \|", text_of(folder / "README.md"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")


def test_packages_import_what_the_architecture_says() -> None:
    table = re.findall(r"^\| `(coffer_\w+)` \| .+ \| (.+) \|$", text_of(ROOT / "docs" / "architecture.md"), flags=re.MULTILINE)
    allowed = {package: set(re.findall(r"`(\w+)`", others)) for package, others in table}
    assert allowed.keys() == set(house.PACKAGES)
    for source in house.sources():
        package = source.name.split("/")[0]
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                other = node.module.split(".")[0]
                assert other not in allowed or other == package or other in allowed[package], f"{source.name} imports {other}"


def test_hooks_run_what_the_tests_run() -> None:
    entries = re.findall(r"entry: \.venv/bin/python (.+)$", text_of(ROOT / ".pre-commit-config.yaml"), flags=re.MULTILINE)
    assert [entry.split()[1] for entry in entries] == ["ruff", "ruff", "mypy"]
    for entry in entries:
        files = [] if "mypy" in entry else [Path(__file__).relative_to(ROOT).as_posix()]
        command = [sys.executable, *entry.split(), *files]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
