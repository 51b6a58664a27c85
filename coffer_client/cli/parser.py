"""Read command lines by the table in `options`.

Every usage error has one style: what is wrong, and a hint that says what to type. No error repeats the value of an option or an argument,
which may be a secret that was typed in the wrong place.
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING, Record

from ..errors import UsageError
from .options import COMMANDS, HELP_FLAGS, PROGRAM, VERSION, Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .options import Option, Value


class Parsed(Record):
    """A command line: what was typed, not yet what it means.

    Raises:
        UsageError: there are too few arguments, or too many; or an option is empty.
    """

    command: Command
    values: Mapping[str, Value]
    arguments: tuple[str, ...]

    def __post_init__(self) -> None:
        taken = self.command.arguments
        least, most = (taken.least, taken.most) if taken else (0, 0)
        if taken and len(self.arguments) < least:
            raise UsageError(f"an argument is missing: {taken.metavar}", hint=f"{_help_of(self.command)} describes it")
        if most is not None and len(self.arguments) > most:
            what = f"at most {most} argument{'' if most == 1 else 's'}" if most else "no arguments"
            raise UsageError(f"expected {what}, got {len(self.arguments)}", hint=f"{_help_of(self.command)} describes them")
        for option in self.command.options:
            value = self.values[option.name]
            if "" in (value if isinstance(value, tuple) else (value,)) and not option.may_be_empty:
                raise UsageError(f"{option.flag} is empty", hint=f"give it a value ({option.metavar}), or leave it out")

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


def find(name: str) -> Command:
    """Return the command of that name.

    Raises:
        UsageError: there is no such command.
    """
    for command in COMMANDS:
        if command.name == name:
            return command
    if name.startswith("-"):
        raise _no_such_option(name.partition("=")[0], (*HELP_FLAGS, *VERSION.flags), f"`{PROGRAM} --help`")
    known = [command.name for command in COMMANDS]
    raise UsageError(f"no such command {name!r}", hint=_near(name, known) or f"`{PROGRAM} --help` lists the commands")


def parse(command: Command, words: Sequence[str]) -> Parsed | None:
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
            if command.arguments and command.arguments.are_command_line:
                arguments += rest
        else:
            for flag, attached in _flags(word, options):
                if flag in HELP_FLAGS:
                    return None
                option = options.get(flag)
                if option is None:
                    raise _no_such_option(flag, (*options, *HELP_FLAGS), _help_of(command))
                values[option.name] = _value(option, values[option.name], attached, rest)
    return Parsed(command=command, values=values, arguments=tuple(arguments))


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
    return (*before, text) if isinstance(before, tuple) else text


def _help_of(command: Command) -> str:
    return f"`{PROGRAM} {command.name} --help`"


def _no_such_option(flag: str, known: Iterable[str], help_line: str) -> UsageError:
    return UsageError(f"no such option {flag}", hint=_near(flag, known) or f"{help_line} lists the options")


def _near(word: str, known: Iterable[str]) -> str | None:
    """Return a question with the known words that may have been meant, or None if nothing is near."""
    # Only a mistake pays for loading this.
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in known}
    near = get_close_matches(word.lstrip("-").lower().replace("_", "-"), bare, n=2)
    return f"did you mean {' or '.join(bare[name] for name in near)}?" if near else None
