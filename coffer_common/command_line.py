"""Read the command lines of the three programs: what a command takes, and what was typed.

Every usage error has one style: what is wrong, and a hint that says what to type. No error repeats the value of an option or an argument,
which may be a secret that was typed in the wrong place.

`coffer-client get` loads this module at each start, so it imports no typing, enum or dataclasses at run time (docs/decisions/).
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING, Record

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Final, TypeAlias

    # A switch is on or off. Another option has a text or None; if it is repeatable, it has its texts.
    Value: TypeAlias = str | bool | None | tuple[str, ...]

# The group of an option that belongs to no other, as the help titles it.
GENERAL: Final = "Options"


class Option(Record):
    """`--NAME METAVAR`; or the switch `--NAME`, if there is no metavar. If it is given twice, the last one counts.

    Attributes:
        name: without the dashes.
        metavar: its value, as the help shows it.
        choices: all of its values, if the metavar does not list them.
        help: what it does.
        group: under which title the help shows it.
        letter: if it has one, it can also be typed as `-LETTER`.
        is_repeatable: whether it may be given several times, and all of its values count.
        may_be_empty: whether an empty text is a value of it. For other options an empty text is most likely a variable that is not set.
    """

    name: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    help: str
    group: str = GENERAL
    letter: str | None = None
    is_repeatable: bool = False
    may_be_empty: bool = False

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return f"--{self.name}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every way to type it."""
        return (self.flag, f"-{self.letter}") if self.letter else (self.flag,)

    @property
    def entry(self) -> tuple[str, str]:
        """How the help lists it: how it is typed, and what it does."""
        flags = ", ".join(reversed(self.flags))
        return f"{flags} {self.metavar}" if self.metavar else flags, self.help

    @property
    def absent(self) -> Value:
        """Its value if it is not given."""
        if self.is_repeatable:
            return ()
        return None if self.metavar else False


VERSION: Final = Option(name="version", help="Print the version.")
HELP: Final = Option(name="help", letter="h", help="Print this help.")


class Arguments(Record):
    """What a command takes in addition to options.

    Attributes:
        metavar: one of them, as the help shows it.
        help: what they are.
        least, most: how many there may be; a `most` of None means any number.
        are_command_line: whether the first begins the line of another command, whose options are not ours.
    """

    metavar: str
    help: str
    least: int = 0
    most: int | None = None
    are_command_line: bool = False

    @property
    def usage(self) -> str:
        """How they are typed."""
        return (self.metavar if self.least else f"[{self.metavar}]") + ("..." if self.most is None else "")


class Command(Record):
    """One command.

    Attributes:
        line: the words that are typed for it, with the program.
        help: what it does.
        options: in the order of the help.
        arguments: what it takes in addition to options, in their order.
        examples: lines that a shell takes as they are.
        exits: the exit codes with which it can end.
    """

    line: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Arguments, ...] = ()
    examples: tuple[str, ...] = ()
    exits: tuple[int, ...] = (0, 1, 2)

    @property
    def name(self) -> str:
        """What is typed for it after the program."""
        return self.line.partition(" ")[2]

    @property
    def usage(self) -> str:
        """How it is typed."""
        options = ["[OPTION]..."] if self.options else []
        return " ".join((self.line, *options, *(taken.usage for taken in self.arguments)))


class Parsed(Record):
    """A command line: what was typed, not yet what it means."""

    values: Mapping[str, Value]
    arguments: tuple[str, ...]

    def text(self, name: str) -> str | None:
        """Return the value of an option, or None if it was not given."""
        value = self.values[name]
        assert value is None or isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a repeatable option, in their order."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return value

    def switch(self, name: str) -> bool:
        """Return whether a switch was given."""
        return self.values[name] is True


def no_such_command(line: str, word: str, known: Iterable[str], flags: Iterable[str]) -> UsageError:
    """Return what to raise for a word that is neither a command nor an option.

    Args:
        line: what was typed before it: the program, and perhaps a group of commands.
        word: the word.
        known: the commands that may follow.
        flags: the options that may follow.
    """
    if word.startswith("-"):
        return _no_such_option(word.partition("=")[0], flags, line)
    return UsageError(f"no such command {word!r}", hint=_near(word, known) or f"`{line} --help` lists the commands")


def parse(command: Command, words: Iterable[str]) -> Parsed | None:
    """Read what follows the name of a command.

    Returns:
        What was typed, or None if the line asks for help.

    Raises:
        UsageError: the command does not know such a line.
    """
    options = {flag: option for option in command.options for flag in option.flags}
    values = {option.name: option.absent for option in command.options}
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments += rest
        elif word == "-" or not word.startswith("-"):
            arguments.append(word)
            if command.arguments and command.arguments[0].are_command_line:
                arguments += rest
        else:
            for flag, attached in _flags(word, options):
                if flag in HELP.flags:
                    return None
                option = options.get(flag)
                if option is None:
                    raise _no_such_option(flag, (*options, *HELP.flags), command.line)
                values[option.name] = _value(option, values[option.name], attached, rest)
    _count(command, len(arguments))
    return Parsed(values=values, arguments=tuple(arguments))


def _count(command: Command, given: int) -> None:
    """Raise UsageError if a line has too few arguments, or too many."""
    needed = [taken.metavar for taken in command.arguments for _ in range(taken.least)]
    if given < len(needed):
        raise UsageError(f"an argument is missing: {needed[given]}", hint=f"`{command.line} --help` describes it")
    most = 0
    for taken in command.arguments:
        if taken.most is None:
            return
        most += taken.most
    if given > most:
        what = f"at most {most} argument{'' if most == 1 else 's'}" if most else "no arguments"
        raise UsageError(f"expected {what}, got {given}", hint=f"`{command.line} --help` describes them")


def _flags(word: str, options: Mapping[str, Option]) -> Iterator[tuple[str, str | None]]:
    """Yield each option of a word, with the value that the word gives it, or None. Letters may follow each other behind one dash."""
    if word.startswith("--"):
        flag, equals, text = word.partition("=")
        yield flag, text if equals else None
        return
    for place, letter in enumerate(word[1:], start=2):
        option = options.get(f"-{letter}")
        # As getopt reads it, what follows the letter of an option that takes a value is the value.
        if option and option.metavar and word[place:]:
            yield f"-{letter}", word[place:]
            return
        yield f"-{letter}", None


def _value(option: Option, before: Value, attached: str | None, rest: Iterator[str]) -> Value:
    if option.metavar is None:
        if attached is not None:
            raise UsageError(f"{option.flag} takes no value", hint=f"type {option.flag} alone")
        return True
    text = next(rest, None) if attached is None else attached
    if text is None:
        raise UsageError(f"{option.flag} needs a value", hint=f"type {option.flag} {option.metavar}")
    if not text and not option.may_be_empty:
        raise UsageError(f"{option.flag} is empty", hint=f"give it a value ({option.metavar}), or leave it out")
    return (*before, text) if isinstance(before, tuple) else text


def _no_such_option(flag: str, known: Iterable[str], line: str) -> UsageError:
    return UsageError(f"no such option {flag}", hint=_near(flag, known) or f"`{line} --help` lists the options")


def _near(word: str, known: Iterable[str]) -> str | None:
    """Return a question with the known words that may have been meant, or None if nothing is near."""
    # Only a mistake pays for loading this.
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in known}
    near = get_close_matches(word.lstrip("-").lower().replace("_", "-"), bare, n=2)
    return f"did you mean {' or '.join(bare[name] for name in near)}?" if near else None
