"""`run`: a command with the secrets in its environment, in this process's place or beside it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NoReturn

from .errors import CommandNotExecutableError, CommandNotFoundError
from .naming import PLAIN, Naming
from .output import Secrets, environment
from .settings import IDENTITY_TEXT

# Python ignores these two from its start, and what is ignored would stay so in a command.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def command_environment(secrets: Secrets, inherited: Mapping[bytes, bytes], naming: Naming = PLAIN) -> dict[bytes, bytes]:
    """The command's variables: those of this process, without the identity's text, and the secrets, which win.

    Raises:
        EnvironmentNameError: a secret cannot stand in an environment.
        NoSuchKeyError: a pattern of `naming` is like no key.
    """
    kept = {name: value for name, value in inherited.items() if name != IDENTITY_TEXT.encode()}
    # UTF-8 whatever the locale says: what the operator wrote is what the command gets.
    return kept | {name.encode(): text.encode() for name, text in environment(secrets, naming).items()}


def execute(command: Sequence[str], variables: Mapping[bytes, bytes]) -> NoReturn:
    """Become `command`: its arguments, its signals and its exit status are its own.

    Args:
        command: the program, looked up in the PATH of `variables` where it has no slash, and its arguments.
        variables: its whole environment.

    Raises:
        CommandNotFoundError: there is no such program.
        CommandNotExecutableError: it cannot be executed.
    """
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in _IGNORED_BY_PYTHON]
    try:
        os.execvpe(command[0], list(command), dict(variables))  # noqa: S606 (what was asked for, with no shell in between)
    except OSError as error:
        # This process goes on, as it was.
        for number, handler in before:
            signal.signal(number, handler)
        raise _unusable(command[0], error) from None


def spawn(command: Sequence[str], variables: Mapping[bytes, bytes], *, mask: Iterable[int]) -> int:
    """Start `command` beside this process, in its group, and return its process number.

    Args:
        command, variables: as for `execute`.
        mask: the signals that are blocked in it, whatever this process blocks.

    Raises:
        As `execute`.
    """
    failure: OSError | None = None
    for path in _candidates(command[0], variables):
        try:
            return os.posix_spawn(path, list(command), dict(variables), setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)
        except (FileNotFoundError, NotADirectoryError) as error:
            failure = failure or error
        except OSError as error:
            # What is there and cannot be executed tells more than that another folder does not have it.
            failure = error
            if error.errno != errno.EACCES:
                break
    raise _unusable(command[0], failure or FileNotFoundError(errno.ENOENT, "")) from None


def _candidates(program: str, variables: Mapping[bytes, bytes]) -> list[bytes]:
    name = os.fsencode(program)
    if b"/" in name:
        return [name]
    search = {"PATH": os.fsdecode(variables[b"PATH"])} if b"PATH" in variables else {}
    return [os.path.join(os.fsencode(folder), name) for folder in os.get_exec_path(search)]


def _unusable(program: str, error: OSError) -> CommandNotFoundError | CommandNotExecutableError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return CommandNotFoundError(f"{program}: there is no such command")
    if error.errno == errno.E2BIG:
        reason = "the secrets are too large for an environment (Linux takes 128 KiB in a value); fetch them with `get` instead"
    else:
        reason = error.strerror or str(error)
    return CommandNotExecutableError(f"{program}: {reason}")
