"""Lays out the help of the three programs: sections in two columns, wrapped to the width of the terminal.

This needs nothing but Python, so that the help is the same with every version of every library.
"""

from __future__ import annotations

import os
import sys

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Final, TypeAlias

# A term, such as an option, and what it does.
Entry: TypeAlias = "tuple[str, str]"

INDENT: Final = "  "
# Without a terminal; the longest lines that are easy to read; and the shortest that hold both columns.
_WIDTH: Final = 80
_WIDEST: Final = 100
_NARROWEST: Final = 40
# A term that is longer has a line of its own.
_TERM_WIDTH: Final = 22


def terminal_width(environment: Mapping[str, str]) -> int:
    """Return the width of the help: COLUMNS, or the width of the terminal at stdout, within limits."""
    columns = environment.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        width = int(columns)
    else:
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH
        except (OSError, ValueError):
            width = _WIDTH
    return max(_NARROWEST, min(width, _WIDEST))


def page(usage: str, paragraphs: Iterable[str], lines: Iterable[str], width: int) -> str:
    """Return a whole help.

    Args:
        usage: how the program or the command is typed.
        paragraphs: what it does.
        lines: the lines of the sections, from `sections`.
        width: the width in columns.
    """
    told = (line for paragraph in paragraphs for line in ("", *fill(paragraph, width)))
    return "\n".join((*fill(f"Usage: {usage}", width, INDENT * 2), *told, *lines, ""))


def sections(entries_of: Mapping[str, Sequence[Entry]], width: int) -> Iterator[str]:
    """Yield the lines of sections in the same two columns, each after an empty line and its title. One without entries is left out."""
    terms = [term for entries in entries_of.values() for term, _ in entries]
    column = max((len(term) for term in terms if len(term) <= _TERM_WIDTH), default=0)
    indent = INDENT * 2 + " " * column
    for title, entries in entries_of.items():
        yield from ("", f"{title}:") if entries else ()
        for term, text in entries:
            first, *others = fill(text, width - len(indent))
            if len(term) <= column:
                yield f"{INDENT}{term:{column}}{INDENT}{first}".rstrip()
            else:
                yield f"{INDENT}{term}"
                yield f"{indent}{first}"
            yield from (f"{indent}{other}" for other in others)


def fill(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text in lines of at most this width, unless a word is longer. All lines but the first are indented."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
