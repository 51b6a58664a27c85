"""`run`: a command with the secrets in its environment, in place of this process or as its child."""

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

# Python ignores these two signals from its start, and a command would inherit that.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def secret_variables(secrets: Secrets, naming: Naming = PLAIN) -> dict[bytes, bytes]:
    """Return the variables that hold the secrets.

    Args:
        secrets: the secrets by key.
        naming: which secrets, under which names.

    Raises:
        EnvironmentNameError: a secret cannot be put into an environment.
        NoSuchKeyError: a pattern of `naming` matches no key.
    """
    # UTF-8, whatever the locale says: the command gets what the operator wrote.
    return {name.encode(): text.encode() for name, text in environment(secrets, naming).items()}


def command_environment(secrets: Secrets, inherited: Mapping[bytes, bytes], naming: Naming = PLAIN) -> dict[bytes, bytes]:
    """Return the command's variables: those of this process without the identity's text, and the secrets, which take precedence.

    Args:
        secrets: the secrets by key.
        inherited: this process's variables; empty if the command gets the secrets alone.
        naming: which secrets, under which names.

    Raises:
        EnvironmentNameError: a secret cannot be put into an environment.
        NoSuchKeyError: a pattern of `naming` matches no key.
    """
    kept = {name: value for name, value in inherited.items() if name != IDENTITY_TEXT.encode()}
    return kept | secret_variables(secrets, naming)


def execute(command: Sequence[str], variables: Mapping[bytes, bytes]) -> NoReturn:
    """Replace this process by `command`, with its own arguments, signals and exit status.

    Args:
        command: the program and its arguments. The program is looked up in the PATH of `variables`, or in that of this process if they
            have none.
        variables: the command's whole environment.

    Raises:
        CommandNotFoundError: there is no such program.
        CommandNotExecutableError: it cannot be executed.
    """
    numbers = list(_IGNORED_BY_PYTHON)
    # Python only records an interrupt, to handle it later, and another program would never handle it. A SIGINT that is ignored stays
    # ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in numbers]

    def become(path: bytes) -> NoReturn:
        os.execve(path, list(command), dict(variables))  # noqa: S606 (the user asked for this command, and no shell is involved)

    try:
        _first_that_can(command[0], variables, become)
    finally:
        # The command did not start: this process continues as before.
        for number, handler in before:
            signal.signal(number, handler)
    raise AssertionError("execve returned")


def spawn(
    command: Sequence[str], variables: Mapping[bytes, bytes], *, mask: Iterable[int], streams: Mapping[int, int] | None = None
) -> int:
    """Start `command` as a child in this process's group, and return its process id.

    Args:
        command, variables: as for `execute`.
        mask: the signals that are blocked in the command, whatever this process blocks.
        streams: the command's file descriptors that differ from this process's, and for each the one of this process that it copies.

    Raises:
        As `execute`.
    """
    actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in (streams or {}).items()]

    def start(path: bytes) -> int:
        return os.posix_spawn(path, list(command), dict(variables), setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON, file_actions=actions)

    return _first_that_can(command[0], variables, start)


def _first_that_can(program: str, variables: Mapping[bytes, bytes], begin: Callable[[bytes], int]) -> int:
    """Start the first program of that name that can be started, and return its process id."""
    failure: OSError | None = None
    for path in _candidates(program, variables):
        try:
            return begin(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            failure = failure or error
        except OSError as error:
            # That a program cannot be executed says more than that another folder does not have it.
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
        # A PATH that differs from this process's can only be a secret.
        is_by_secret = "/" not in program and variables.get(b"PATH", os.environb.get(b"PATH")) != os.environb.get(b"PATH")
        place = " in the PATH that is a secret: give its whole path, or leave that secret out with --except" if is_by_secret else ""
        return CommandNotFoundError(f"{program}: there is no such command{place}")
    if error.errno == errno.E2BIG:
        reason = "the secrets are too large for an environment (Linux allows 128 KiB in a value): fetch them with `get` instead"
    else:
        reason = error.strerror or str(error)
    return CommandNotExecutableError(f"{program}: {reason}")
