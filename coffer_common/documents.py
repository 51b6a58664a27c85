"""Readers of TOML and JSON. Each text gives values, or one error with its line.

The libraries raise Python's own errors for some texts: a number of thousands of digits, or hundreds of nested brackets. They also change a
number silently if a float cannot hold it. This module gives an error with a line for both.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from coffer_protocol.lean import TYPE_CHECKING

from .errors import TextFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

# A key of 255 characters has at most 128 parts, each a table. Python's stack holds more than this.
DEPTH: Final = 200

_PLACE: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
# The libraries show the names of tables as a tuple of Python.
_TUPLE: Final = re.compile(r"\((?:(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?:, |,)?)+\)")
_KEY: Final = re.compile(r"(?<=inline table key )(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CONFLICT: Final = re.compile(r"(?:<{7}|={7}|>{7})(?: |$)")


class InexactNumber:
    """A number that a float cannot hold: it is too large, too small, or has too many digits."""

    __slots__ = ()


class _TooDeepError(Exception):
    pass


def parse_toml(text: str, name: str, *, loads: Callable[..., dict[str, Any]] | None = None, remedy: str | None = None) -> dict[str, Any]:
    """Return the tables of a TOML text. A number that a float cannot hold becomes an `InexactNumber`.

    Args:
        text: the text.
        name: what errors call it, such as the path of its file.
        loads: the parser, which takes what `tomllib.loads` takes; None for that one.
        remedy: what errors tell the user to do; None for what fits each error.

    Raises:
        TextFileError: the text is not TOML, nests tables or arrays more than 200 deep, or has an integer of thousands of digits.
    """
    if loads is None:
        # A client without a configuration file needs no parser.
        import tomllib

        loads = tomllib.loads
    parser = loads

    def parse(part: str) -> dict[str, Any]:
        tables = parser(part, parse_float=_number)
        _check_depth(tables)
        return tables

    try:
        return parse(text)
    except (ValueError, RecursionError, _TooDeepError) as error:
        if (found := _PLACE.fullmatch(str(error))) is None:
            raise _refusal(error, text, name, parse, remedy) from None
    lines = text.split("\n")
    line, column = (len(lines), len(lines[-1]) + 1) if found[2] is None else (int(found[2]), int(found[3]))
    if _CONFLICT.match(lines[line - 1]):
        raise TextFileError(name, "this line is the mark of a merge conflict", remedy or "resolve the conflict", line, 1)
    raise TextFileError(name, f"this is not TOML ({_named(found[1])})", remedy or "correct the line", line, column)


def parse_json(text: str, name: str, *, members: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Return the value of a JSON text. A number that a float cannot hold becomes an `InexactNumber`.

    Args:
        text: the text.
        name: what errors call it, such as the path of its file.
        members: makes an object's value of its members.

    Raises:
        TextFileError: the text is not JSON (RFC 8259), nests objects or arrays more than 200 deep, or has an integer of thousands of
            digits.
    """
    import json

    def parse(part: str) -> Any:
        value = json.loads(part, parse_float=_number, parse_constant=_no_constant, object_pairs_hook=members)
        _check_depth(value)
        return value

    try:
        return parse(text)
    except json.JSONDecodeError as error:
        raise TextFileError(name, f"this is not JSON ({error.msg})", "correct the line", error.lineno, error.colno) from None
    except (ValueError, RecursionError, _TooDeepError) as error:
        raise _refusal(error, text, name, parse) from None


class _NoConstantError(ValueError):
    pass


def _no_constant(name: str) -> object:
    raise _NoConstantError(name)


def _refusal(error: Exception, text: str, name: str, parse: Callable[[str], object], remedy: str | None = None) -> TextFileError:
    """Return the error for a person in place of an error without a line."""
    match error:
        case _NoConstantError():
            reason, otherwise = f"JSON has no number {error}", "write it as text, in quotes"
        case RecursionError() | _TooDeepError():
            reason, otherwise = f"the values are nested more than {DEPTH} deep", "take them out of each other"
        case _:
            reason, otherwise = "the integer is too long", "write it as text, in quotes: an integer has at most 64 bits"
    return TextFileError(name, reason, remedy or otherwise, _line_of(type(error), text, parse), 1)


def _line_of(error: type[Exception], text: str, parse: Callable[[str], object]) -> int:
    """Return the first line with which the text ends in an error of this very type. Both libraries read from the first line to the last."""
    lines = text.split("\n")

    def fails(count: int) -> bool:
        try:
            parse("\n".join(lines[:count]))
        except (ValueError, RecursionError, _TooDeepError) as found:
            return type(found) is error
        return False

    return bisect_left(range(1, len(lines)), True, key=fails) + 1


def _check_depth(value: Any) -> None:
    """Raise _TooDeepError if the tables and arrays of a value are nested too deep."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _TooDeepError


def _inside(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return []


def _number(text: str) -> float | InexactNumber:
    """Return the float in a text."""
    from decimal import Decimal, InvalidOperation
    from math import isfinite

    value = float(text)
    if text.lstrip("+-") in ("inf", "nan"):
        return value
    try:
        # What a float shows is the shortest text that gives it again.
        is_exact = isfinite(value) and Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:
        is_exact = False
    return value if is_exact else InexactNumber()


def _named(message: str) -> str:
    """Return a library's message with the name of a table as TOML writes it. What does not look like a name may be a secret."""
    from ast import literal_eval

    def name(found: re.Match[str]) -> str:
        parts = literal_eval(found[0])
        return ".".join(parts) if all(map(_NAME.fullmatch, parts)) else "a table"

    return _KEY.sub(lambda found: found[0] if _NAME.fullmatch(literal_eval(found[0])) else "that it has", _TUPLE.sub(name, message))
