"""What a dialect makes of a .env file: assignments and faults, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

# A name that is not like this may be part of a secret, so no error repeats it.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A variable that gets a value.

    Attributes:
        line: its line, from 1.
        name: the variable.
        value: the value.
    """

    line: int
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that cannot be imported.

    Attributes:
        line: its line, from 1.
        text: what is wrong and what to do, without any value.
    """

    line: int
    text: str


# What a file has, in its order.
Found: TypeAlias = Iterator[Assignment | Fault]
Dialect: TypeAlias = Callable[[str], Found]

UNREADABLE: Final = "this is not NAME=VALUE: correct it, or make it a comment"


class UnsetError(Exception):
    """A value refers to a variable that has no value. The text says to which, as far as that is safe."""


def shown(name: str) -> str | None:
    """Return a name as an error may repeat it; None if it does not look like one."""
    return name if _NAME.fullmatch(name) else None


def unset(name: str) -> UnsetError:
    """Return the error about a variable that a value refers to."""
    return UnsetError(f"refers to {shown(name) or 'a variable'}, which the file does not set before")


def line_of(text: str, offset: int) -> int:
    """Return the line of an offset in a text, from 1."""
    return text.count("\n", 0, offset) + 1


def assigned(line: int, name: str, expand: Callable[[], str]) -> Assignment | Fault:
    """Return a variable with its value, or what is wrong with it.

    Args:
        line: its line.
        name: the variable.
        expand: returns the value. It raises UnsetError if the value refers to a variable that has none.
    """
    if (known := shown(name)) is None:
        return Fault(line=line, text="what is before the = is not a name for a variable: correct it, or make the line a comment")
    try:
        return Assignment(line=line, name=name, value=expand())
    except UnsetError as error:
        return Fault(line=line, text=f"{known} {error}: write the whole text, and make it a from_template in the definition later")


def lookup(values: Mapping[str, str], name: str) -> str:
    """Return the value of a variable of the file.

    Raises:
        UnsetError: the file has not set it.
    """
    try:
        return values[name]
    except KeyError:
        raise unset(name) from None
