"""`run`: a command with the secrets in its environment, in this process's place or beside it."""

from __future__ import annotations

import errno
import os
import signal

from coffer_protocol.lean import TYPE_CHECKING

from ..config.names import IDENTITY_TEXT
from ..delivery.naming import PLAIN, environment
from ..errors import CommandNotExecutableError, CommandNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Final, NoReturn

    from ..delivery.naming import Naming
    from ..delivery.text import Secrets

# Python ignores these two from its start, and what is ignored would stay so in a command.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def secret_variables(secrets: Secrets, naming: Naming = PLAIN) -> dict[bytes, bytes]:
    """The variables that hold the secrets.

    Args:
        secrets: by their keys.
        naming: which of them, under which names.

    Raises:
        EnvironmentNameError: a secret cannot stand in an environment.
        NoSuchKeyError: a pattern of `naming` is like no key.
    """
    # UTF-8 whatever the locale says: what the operator wrote is what the command gets.
    return {name.encode(): text.encode() for name, text in environment(secrets, naming).items()}


def command_environment(secrets: Secrets, inherited: Mapping[bytes, bytes], naming: Naming = PLAIN) -> dict[bytes, bytes]:
    """The command's variables: those of this process, without the identity's text, and the secrets, which win.

    Args:
        secrets: by their keys.
        inherited: this process's variables; none of them where the command is to have the secrets alone.
        naming: which secrets, under which names.

    Raises:
        EnvironmentNameError: a secret cannot stand in an environment.
        NoSuchKeyError: a pattern of `naming` is like no key.
    """
    kept = {name: value for name, value in inherited.items() if name != IDENTITY_TEXT.encode()}
    return kept | secret_variables(secrets, naming)


def execute(command: Sequence[str], variables: Mapping[bytes, bytes]) -> NoReturn:
    """Become `command`: its arguments, its signals and its exit status are its own.

    Args:
        command: the program, looked up in the PATH of `variables`, or of this process where they have none; and its arguments.
        variables: its whole environment.

    Raises:
        CommandNotFoundError: there is no such program.
        CommandNotExecutableError: it cannot be executed.
    """
    numbers = list(_IGNORED_BY_PYTHON)
    # Python only takes note of an interrupt, and looks at its notes no more once it is another program. One that is ignored stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in numbers]

    def become(path: bytes) -> NoReturn:
        os.execve(path, list(command), dict(variables))  # noqa: S606 (what was asked for, with no shell in between)

    try:
        _first_that_can(command[0], variables, become)
    finally:
        # Whoever is still here goes on as before.
        for number, handler in before:
            signal.signal(number, handler)
    raise AssertionError("a process does not come back from another program")


def spawn(
    command: Sequence[str], variables: Mapping[bytes, bytes], *, mask: Iterable[int], streams: Mapping[int, int] | None = None
) -> int:
    """Start `command` beside this process, in its group, and return its process number.

    Args:
        command, variables: as for `execute`.
        mask: the signals that are blocked in it, whatever this process blocks.
        streams: for numbers of its files, those of this process's that they are; the others are as here.

    Raises:
        As `execute`.
    """
    actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in (streams or {}).items()]

    def start(path: bytes) -> int:
        return os.posix_spawn(path, list(command), dict(variables), setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON, file_actions=actions)

    return _first_that_can(command[0], variables, start)


def _first_that_can(program: str, variables: Mapping[bytes, bytes], begin: Callable[[bytes], int]) -> int:
    """Begin the first program of that name that can be begun, and return its process number."""
    failure: OSError | None = None
    for path in _candidates(program, variables):
        try:
            return begin(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            failure = failure or error
        except OSError as error:
            # What is there and cannot be executed tells more than that another folder does not have it.
            failure = error
            if error.errno != errno.EACCES:
                break
    raise _unusable(program, failure or FileNotFoundError(errno.ENOENT, ""), variables) from None


def _candidates(program: str, variables: Mapping[bytes, bytes]) -> list[bytes]:
    name = os.fsencode(program)
    if b"/" in name:
        return [name]
    path = variables.get(b"PATH", os.environb.get(b"PATH"))
    search = {} if path is None else {"PATH": os.fsdecode(path)}
    return [os.path.join(os.fsencode(folder), name) for folder in os.get_exec_path(search)]


def _unusable(program: str, error: OSError, variables: Mapping[bytes, bytes]) -> CommandNotFoundError | CommandNotExecutableError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        # Every other variable is as this process has it.
        is_by_secret = "/" not in program and variables.get(b"PATH", os.environb.get(b"PATH")) != os.environb.get(b"PATH")
        place = " by the PATH that is a secret: name it by its whole path, or leave that out with --except" if is_by_secret else ""
        return CommandNotFoundError(f"{program}: there is no such command{place}")
    if error.errno == errno.E2BIG:
        reason = "the secrets are too large for an environment (Linux takes 128 KiB in a value); fetch them with `get` instead"
    else:
        reason = error.strerror or str(error)
    return CommandNotExecutableError(f"{program}: {reason}")
