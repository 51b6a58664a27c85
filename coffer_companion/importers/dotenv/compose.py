"""Reads .env files as Docker Compose does (compose-go's package dotenv, with an empty environment)."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from .lines import UNREADABLE, Fault, Found, UnsetError, assigned, line_of, lookup

_BLANK: Final = "\t\v\f\r \x85\xa0"
_NAME: Final = re.compile(r"(?P<name>[^\n=:]*)(?P<end>[\n=:]|\Z)")
_NAME_CHARACTERS: Final = re.compile(rf"[\w.\-\[\]{re.escape(_BLANK)}]*")
_EXPORT: Final = re.compile(rf"export(?=\s)[{re.escape(_BLANK)}]*")
_QUOTED: Final = {
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
# A backslash before another character stays.
_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\"\\$])|0([0-3][0-7]{2}))")
_ESCAPED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$"}
_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[_a-z][_a-z0-9]*)|\{(?P<braced>[_a-z][_a-z0-9]*)(?:(?P<how>:?[-+?])(?P<word>[^${}\n]*))?\}|(?P<other>\{))",
    re.IGNORECASE | re.ASCII,
)


def read(text: str) -> Found:
    """Yield what Compose finds in a file. After a fault, over which Compose ends, this goes on with the next line."""
    text = text.replace("\r\n", "\n")
    values: dict[str, str] = {}
    at = 0
    while (at := _statement(text, at)) < len(text):
        line = line_of(text, at)
        if (export := _EXPORT.match(text, at)) is not None:
            at = export.end()
        key = _NAME.match(text, at)
        assert key is not None, "the pattern matches any text"
        at = key.end()
        name = key["name"].rstrip()
        if key["end"] not in ("=", ":") or " " in name or not _NAME_CHARACTERS.fullmatch(name):
            yield Fault(line=line, text=UNREADABLE)
            at = _next_line(text, key.start())
            continue
        while text[at : at + 1] and text[at] in _BLANK:
            at += 1
        quote = text[at : at + 1]
        if quote not in _QUOTED:
            end = _next_line(text, at)
            raw, at = text[at:end].removesuffix("\n").partition(" #")[0].rstrip(), end
        elif (quoted := _QUOTED[quote].match(text, at)) is None:
            yield Fault(line=line, text="the quotes do not end: end them, or make the line a comment")
            at = _next_line(text, at)
            continue
        else:
            raw, at = quoted[1].replace(f"\\{quote}", quote) if quote == "'" else _ESCAPE.sub(_character, quoted[1]), quoted.end()
        found = assigned(line, name, partial(str, raw) if quote == "'" else partial(_expand, raw, values))
        if not isinstance(found, Fault):
            values[found.name] = found.value
        yield found


def _statement(text: str, at: int) -> int:
    """Return the offset of the next statement, after white space and comments."""
    while at < len(text):
        if text[at] == "#":
            at = _next_line(text, at)
        elif text[at].isspace():
            at += 1
        else:
            break
    return at


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _character(found: re.Match[str]) -> str:
    return _ESCAPED[found[1]] if found[1] else chr(int(found[2], 8))


def _expand(raw: str, values: dict[str, str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if found["other"]:
            raise UnsetError("has an expansion that cannot be imported")
        name, how, word = found["plain"] or found["braced"], found["how"], found["word"]
        value = values.get(name)
        is_there = value is not None and not (how is not None and how.startswith(":") and not value)
        match how and how[-1]:
            case "-":
                return value if is_there and value is not None else word
            case "+":
                return word if is_there else value or ""
            case _:
                return lookup(values, name)

    return _REFERENCE.sub(replaced, raw)
