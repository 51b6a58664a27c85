"""Finds the line and column of each key in a TOML text.

tomli tells what a document holds, but not where. This scanner reads a text that tomli has accepted, so it checks nothing. It only has to
know where keys, values and comments end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, TypeAlias

import tomli

# From the top of the document: the keys of tables, and the indices of arrays.
KeyPath: TypeAlias = tuple[str | int, ...]

_BLANK: Final = re.compile(r"[ \t]*")
# Between statements, and between the items of an array, there may be white space, newlines and comments.
_GAP: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY: Final = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|\'[^\'\n]*\'|[^\s.=\[\]{},"\'#]+')
# At most two quotes directly before the closing three belong to the string.
_SCALAR: Final = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""(?:"{0,2})'
    r"|'''[^']*(?:'(?!'')[^']*)*'''(?:'{0,2})"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}\n#]+",
    re.DOTALL,
)


class Positions:
    """The lines and columns of the keys of one TOML document. Both are counted from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        """Scan `text`, which `documents.parse_toml` has read without an error."""
        # As tomli reads it, so that offsets agree with those of tomli.
        text = text.replace("\r\n", "\n")
        self._text = text
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._offsets = _Scanner(text).document()

    def of(self, path: KeyPath) -> tuple[int, int]:
        """Return the line and column of a key or of an array's item. If the path does not exist, return those of its nearest parent."""
        while path and path not in self._offsets:
            path = path[:-1]
        offset = self._offsets.get(path, 0)
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line_text(self, path: KeyPath) -> str:
        """Return the text of the line that `of` names."""
        line, _ = self.of(path)
        start = self._line_starts[line - 1]
        end = self._text.find("\n", start)
        return self._text[start : len(self._text) if end < 0 else end]


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._offsets: dict[KeyPath, int] = {}
        # How many items each array of tables has so far: `[a.b]` is inside the last of `[[a]]`.
        self._items: dict[KeyPath, int] = {}

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(brackets=2)
            elif self._text[self._at] == "[":
                table = self._header(brackets=1)
            else:
                self._pair(table)
            self._skip(_GAP)
        return self._offsets

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomli accepted what this scanner cannot follow"
        self._at = match.end()

    def _key(self) -> list[tuple[str, int]]:
        """Return the parts of a dotted key, each with its offset. Stop before what follows the key."""
        parts = []
        while True:
            self._skip(_BLANK)
            start = self._at
            self._skip(_KEY)
            parts.append((_unquote(self._text[start : self._at]), start))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _header(self, *, brackets: int) -> KeyPath:
        """Return the path of `[table]`, or of a new item of `[[array]]`."""
        self._at += brackets
        *parents, (name, offset) = self._key()
        self._at += brackets
        path: KeyPath = ()
        for parent, parent_offset in parents:
            path += (parent,)
            self._offsets.setdefault(path, parent_offset)
            if path in self._items:
                path += (self._items[path] - 1,)
        path += (name,)
        if brackets == 1:
            # A header of its own counts more than a mention in the header of another table.
            self._offsets[path] = offset
            return path
        self._offsets.setdefault(path, offset)
        index = self._items.get(path, 0)
        self._items[path] = index + 1
        path += (index,)
        self._offsets[path] = offset
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        for name, offset in self._key():
            path += (name,)
            self._offsets.setdefault(path, offset)
        # Skip the equals sign.
        self._at += 1
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_GAP)
        index = 0
        while self._text[self._at] != "]":
            self._offsets[(*path, index)] = self._at
            self._value((*path, index))
            index += 1
            self._separator()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_GAP)
        while self._text[self._at] != "}":
            self._pair(path)
            self._separator()
        self._at += 1

    def _separator(self) -> None:
        self._skip(_GAP)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_GAP)


def _unquote(token: str) -> str:
    if token[0] not in "\"'":
        return token
    if token[0] == "'" or "\\" not in token:
        return token[1:-1]
    # tomli reads the escapes.
    text: str = tomli.loads(f"key = {token}")["key"]
    return text
