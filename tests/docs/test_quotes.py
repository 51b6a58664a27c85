"""What documents quote of the programs' messages is what the programs say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests import house
from tests.support import ROOT

# What stands for whatever a message puts in.
HOLE = "\0"


@cache
def messages() -> str:
    """Every text in the sources, one a line, with a hole for each value that is put into it."""
    found = []
    for source in house.sources():
        for node in ast.walk(source.tree):
            match node:
                case ast.Constant(value=str() as text):
                    found.append(text)
                case ast.JoinedStr(values=parts):
                    found.append("".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in parts))
    return "\n".join(text.replace("\n", " ") for text in found)


def is_said(quote: str) -> bool:
    """Whether a message has these words, in one text, in their order. `…` stands for anything; a number, or N, for any value."""
    pattern = ".*".join(re.sub(r"\bN\b|\d+", HOLE, re.escape(part.strip(" "))) for part in quote.split("…"))
    return re.search(pattern, messages()) is not None


def quotes(name: str) -> Iterator[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    for row in re.findall(r"^\|.*\|$", text, flags=re.MULTILINE):
        cells = row.strip("|").split(" | ")
        match name:
            case "docs/releases.md" if re.fullmatch(r" ?\d+ ?", cells[0]):
                yield from re.findall(r"\*([^*]+)\*", cells[1])
            case "docs/releases-client.md" if len(cells) == 3 and not cells[0].strip(" ").startswith("`…."):
                yield from re.findall(r"^ ?`([^`]+)` ?$", cells[0])


QUOTES = [(name, quote) for name in ("docs/releases.md", "docs/releases-client.md") for quote in quotes(name)]


@pytest.mark.parametrize(("name", "quote"), QUOTES)
def test_a_quoted_message_is_one(name: str, quote: str) -> None:
    assert is_said(quote)


def test_each_page_quotes() -> None:
    assert {name for name, _ in QUOTES} == {"docs/releases.md", "docs/releases-client.md"}
    assert len(QUOTES) > 25


@pytest.mark.parametrize("quote", ["release 7 was eaten by a dog", "the server is … not there at all …"])
def test_what_no_program_says(quote: str) -> None:
    assert not is_said(quote)
