"""What a shell can offer in the place of a metavar, and what else the scripts of all shells need to know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from ..options import HELP, KEYS, VERSION, Command, Option


class Kind(Enum):
    """Where what is offered comes from."""

    NOTHING = auto()
    WORDS = auto()
    FILES = auto()
    FOLDERS = auto()
    KEYS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can stand in a place.

    Attributes:
        kind: where it comes from.
        words: where that is the table. One that ends in a colon is a beginning.
    """

    kind: Kind
    words: tuple[str, ...] = ()


_KINDS: Final = {
    "DIR": Kind.FOLDERS,
    "FILE": Kind.FILES,
    "KEY": Kind.KEYS,
    "PATH": Kind.FILES,
    "PATTERN": Kind.KEYS,  # a key is the plainest of them
    "TEMPLATE": Kind.FILES,
}
# The options that say where secrets come from, and for whom.
_WHOSE: Final = ("server", "identity", "bare", "state", "config")
# The root's options, as they are typed.
ROOT_FLAGS: Final = (*VERSION.flags, *HELP.flags)


def offer(metavar: str) -> Offer:
    """What can stand in the place of a metavar. `a|b:NAME` is the word a, or one that begins with `b:`; of others the name decides."""
    if words := tuple(filter(None, (re.split("[A-Z]", part)[0] for part in metavar.split("|")))):
        return Offer(kind=Kind.WORDS, words=words)
    name = re.match(r"[A-Z]+", metavar)
    return Offer(kind=_KINDS.get(name.group(), Kind.NOTHING) if name else Kind.NOTHING)


def takes_command_line(command: Command) -> bool:
    """Whether another command's line begins behind the options."""
    return command.arguments is not None and command.arguments.are_command_line


def with_value(command: Command) -> Iterator[Option]:
    """The options that take a value."""
    return (option for option in command.options if option.metavar is not None)


def source_options() -> Iterator[Option]:
    """What says whose keys are wanted: it is handed on to the call that lists them."""
    return (option for option in KEYS.options if option.name in _WHOSE)


def brief(text: str) -> str:
    """The first sentence of a help text, for the one line that a shell has for it."""
    return text.split(". ", maxsplit=1)[0].removesuffix(".")


def fill(script: str, **parts: str) -> str:
    """A script with its parts in the places of their names, as in @name@."""
    return re.sub("@([a-z_]+)@", lambda place: parts[place[1]], script)
