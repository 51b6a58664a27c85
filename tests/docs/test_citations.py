"""Each passage of docs/protocol.md that something cites is there.

A citation is the page, a comma, and the number of a section: `docs/protocol.md, 7`. Several sections are joined by a comma, "and" or "to".
One heading inside of the section may follow in quotes: `docs/protocol.md, 7, "Changing keys"`.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support import ROOT

PAGE = ROOT / "docs" / "protocol.md"
# The page itself, and what has examples of citations.
EXCEPTIONS = {"docs/protocol.md", "tests/docs/test_citations.py"}
# The vectors come with their own page, which calls the protocol by another name.
NAMES = r"(?:PROTOCOL|protocol)\.md"
NUMBER = r"\d+[a-z]?\b"
CITATION = re.compile(rf'{NAMES}(?:\]\([^)]*\))?, (?P<numbers>{NUMBER}(?:(?:,| and| to) {NUMBER})*)(?:, "(?P<heading>[^"]+)")?')
# A citation may go on behind the end of a line, and of a comment's.
LINE_END = re.compile(r"\s*\n\s*(?:#|//)?\s*")


def headings(text: str) -> dict[str, set[str]]:
    """The numbers of the page's sections, each with the headings inside of it."""
    found: dict[str, set[str]] = {}
    section = ""
    for level, title in re.findall(r"^(##+) (.+)$", text, flags=re.MULTILINE):
        if level == "##":
            section = title.split(".")[0]
            found[section] = set()
        else:
            found[section].add(title)
    return found


def unresolved(text: str, sections: dict[str, set[str]]) -> list[str]:
    """The citations in a text that lead nowhere."""
    missing = []
    for match in CITATION.finditer(LINE_END.sub(" ", text)):
        numbers = re.findall(NUMBER, match["numbers"])
        heading = match["heading"]
        if not set(numbers) <= sections.keys() or (heading and heading not in sections[numbers[-1]]):
            missing.append(match[0])
    return missing


def test_every_citation_is_of_a_passage_that_is_there() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    sections = headings(PAGE.read_text(encoding="utf-8"))
    missing, count = [], 0
    for name in listing.stdout.split("\0"):
        path = ROOT / name
        if name and name not in EXCEPTIONS and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            count += len(CITATION.findall(text))
            missing += [f"{name}: {citation}" for citation in unresolved(text, sections)]
    assert not missing
    assert count > 50


def test_sections_are_numbered_as_everybody_cites_them() -> None:
    assert list(headings(PAGE.read_text(encoding="utf-8"))) == ["1", "2", "3", "4", "5", "6", "7", "8", "8a", "9", "10"]


@pytest.mark.parametrize(
    "text",
    [
        "docs/protocol.md, 11",
        "(docs/protocol.md, 8b)",
        "docs/protocol.md, 7 and 12",
        "docs/protocol.md, 2 to 40",
        "docs/protocol.md,\n# 11",
        '[protocol.md](protocol.md), 7, "Changing locks"',
        'docs/protocol.md, 3, "Changing keys"',
    ],
)
def test_what_leads_nowhere_is_found(text: str) -> None:
    assert unresolved(text, headings(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "docs/protocol.md, 7",
        "docs/protocol.md, 8a: a list, 12 of them",
        "docs/protocol.md, 1, 2 and 3",
        "docs/protocol.md,\n    # 2 to 4",
        '[protocol.md](../protocol.md), 7, "Changing keys"',
        "docs/protocol.md has it",
    ],
)
def test_what_is_there_is_not(text: str) -> None:
    assert not unresolved(text, headings(PAGE.read_text(encoding="utf-8")))
