"""What a shell can offer in place of a metavar, and what else the scripts of all shells need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from coffer_common.command_line import HELP, VERSION, Command, Option

from ..options import KEYS


class Kind(Enum):
    """The source of what is offered."""

    NOTHING = auto()
    WORDS = auto()
    FILES = auto()
    FOLDERS = auto()
    KEYS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be typed in a place.

    Attributes:
        kind: its source.
        words: the words, if the source is the table. A word that ends in a colon is only a beginning.
    """

    kind: Kind
    words: tuple[str, ...] = ()


_KINDS: Final = {
    "DIR": Kind.FOLDERS,
    "FILE": Kind.FILES,
    "KEY": Kind.KEYS,
    "PATH": Kind.FILES,
    "PATTERN": Kind.KEYS,  # a key is the simplest pattern
    "TEMPLATE": Kind.FILES,
}
# The options that name the server and the credential.
_WHOSE: Final = ("server", "identity", "bare", "state", "config")
# The root's options, as they are typed.
ROOT_FLAGS: Final = (*VERSION.flags, *HELP.flags)


def offer(metavar: str, choices: tuple[str, ...] = ()) -> Offer:
    """Return what can replace a metavar. `a|b:NAME` is the word a, or a word that begins with `b:`; otherwise the name decides.

    Args:
        metavar: the metavar.
        choices: all values, if the metavar does not list them.
    """
    if words := choices or tuple(filter(None, (re.split("[A-Z]", part)[0] for part in metavar.split("|")))):
        return Offer(kind=Kind.WORDS, words=words)
    name = re.match(r"[A-Z]+", metavar)
    return Offer(kind=_KINDS.get(name.group(), Kind.NOTHING) if name else Kind.NOTHING)


def takes_command_line(command: Command) -> bool:
    """Return whether the line of another command follows the options."""
    return any(taken.are_command_line for taken in command.arguments)


def with_value(command: Command) -> Iterator[Option]:
    """Yield the options that take a value."""
    return (option for option in command.options if option.metavar is not None)


def source_options() -> Iterator[Option]:
    """Yield the options that say whose keys are wanted. A script passes them to the call that lists the keys."""
    return (option for option in KEYS.options if option.name in _WHOSE)


def brief(text: str) -> str:
    """Return the first sentence of a help text, because a shell has one line for it."""
    return text.split(". ", maxsplit=1)[0].removesuffix(".")


def fill(script: str, **parts: str) -> str:
    """Return a script with each @name@ replaced by the part of that name."""
    return re.sub("@([a-z_]+)@", lambda place: parts[place[1]], script)
