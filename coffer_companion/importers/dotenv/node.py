"""Reads .env files as npm's dotenv does (its `parse`, which expands nothing). Node's own `--env-file` gives the same values."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from .lines import UNREADABLE, Fault, Found, assigned, line_of

_LINE: Final = re.compile(
    r"""
    ^ \s* (?:export\s+)? (?P<name>[A-Za-z0-9_.-]+)
    (?: \s*=\s*? | :\s+? )
    (?P<value> \s*'(?:\\'|[^'])*' | \s*"(?:\\"|[^"])*" | \s*`(?:\\`|[^`])*` | [^#\n]+ )?
    \s* (?:\#.*)? $
    """,
    re.MULTILINE | re.VERBOSE,
)
_QUOTES: Final = re.compile(r"""^(['"`])(.*)\1$""", re.MULTILINE | re.DOTALL)


def read(text: str) -> Found:
    """Yield what npm's dotenv finds in a file. It skips what it cannot read; here that is a fault."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    end = 0
    for found in _LINE.finditer(text):
        yield from _skipped(text, end, found.start())
        end = found.end()
        value = (found["value"] or "").strip()
        yield assigned(line_of(text, found.start("name")), found["name"], partial(_unquoted, value))
    yield from _skipped(text, end, len(text))


def _skipped(text: str, start: int, end: int) -> Found:
    for number, line in enumerate(text[start:end].split("\n"), line_of(text, start)):
        if line.strip() and not line.lstrip().startswith("#"):
            yield Fault(line=number, text=UNREADABLE)


def _unquoted(value: str) -> str:
    inner = _QUOTES.sub(r"\2", value)
    # Only these two, and only between double quotes.
    return inner.replace("\\n", "\n").replace("\\r", "\r") if value.startswith('"') else inner
