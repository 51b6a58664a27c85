"""`run`: a command in this process's place, with the secrets in its environment."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

from .errors import CommandNotExecutableError, CommandNotFoundError
from .output import Secrets, environment
from .settings import IDENTITY_TEXT


def command_environment(secrets: Secrets, inherited: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The command's variables: those of this process, without the identity's text, and the secrets, which win.

    Raises:
        EnvironmentNameError: a secret cannot stand in an environment.
    """
    kept = {name: value for name, value in inherited.items() if name != IDENTITY_TEXT.encode()}
    # UTF-8 whatever the locale says: what the operator wrote is what the command gets.
    return kept | {name.encode(): text.encode() for name, text in environment(secrets).items()}


def execute(command: Sequence[str], variables: Mapping[bytes, bytes]) -> NoReturn:
    """Become `command`: its arguments, its signals and its exit status are its own.

    Args:
        command: the program, looked up in the PATH of `variables` where it has no slash, and its arguments.
        variables: its whole environment.

    Raises:
        CommandNotFoundError: there is no such program.
        CommandNotExecutableError: it cannot be executed.
    """
    # Python ignores these two from its start, and what is ignored would stay so in the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), dict(variables))  # noqa: S606 (what was asked for, with no shell in between)
    except (FileNotFoundError, NotADirectoryError):
        raise CommandNotFoundError(f"{command[0]}: there is no such command") from None
    except OSError as error:
        if error.errno == errno.E2BIG:
            reason = "the secrets are too large for an environment (Linux takes 128 KiB in a value); fetch them with `get` instead"
        else:
            reason = error.strerror or str(error)
        raise CommandNotExecutableError(f"{command[0]}: {reason}") from None
