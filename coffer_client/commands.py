"""What each command does. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from . import keyfile, output, run, settings
from .coffer import Coffer, expiry_warning
from .credential import Credential
from .errors import OutputError, UsageError
from .fetch import DEFAULT_TIMEOUT_S, retrieve
from .options import PROGRAM, Parsed

# Does what a command line says.
Handler: TypeAlias = Callable[[Parsed], None]


def tell(message: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{PROGRAM}: {message}\n")


def _write(data: bytes) -> None:
    """Write to stdout, all at once.

    Raises:
        OutputError: it does not take it.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would fail again, with a traceback, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"stdout cannot be written: {error.strerror}") from None


def _fetch(parsed: Parsed) -> Coffer:
    wanted = settings.load(
        server=parsed.text("server"), identity=parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ
    )
    coffer = retrieve(wanted, timeout_s=_timeout_s(parsed.text("timeout")))
    if warning := expiry_warning(coffer.release, datetime.now(UTC)):
        tell(f"warning: {warning}")
    return coffer


def _timeout_s(text: str | None) -> float:
    if text is None:
        return DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise UsageError("--timeout is a number of seconds above 0") from None


def get_secrets(parsed: Parsed) -> None:
    """`get`: print secrets."""
    keys = tuple(dict.fromkeys(parsed.arguments))
    name = parsed.text("format") or output.RAW
    if name == output.RAW:
        if len(keys) != 1:
            raise UsageError("raw prints one value and wants one KEY; for several or all there is --format shell, dotenv or json")
        _write(output.raw(_fetch(parsed)[keys[0]], terminal=sys.stdout.isatty()))
        return
    if name not in output.FORMATS:
        raise UsageError(f"--format is one of {', '.join((output.RAW, *output.FORMATS))}")
    _write(output.FORMATS[name](_fetch(parsed).select(keys)).encode())


def run_command(parsed: Parsed) -> None:
    """`run`: become a command that has the secrets in its environment."""
    run.execute(parsed.arguments, run.command_environment(_fetch(parsed), os.environb))


def make_identity(parsed: Parsed) -> None:
    """`keygen`: make an identity file, and print the line that the operator needs."""
    default = settings.default_identity_path(os.environ)
    path = parsed.arguments[0] if parsed.arguments else default
    bare = parsed.switch("bare")
    credential = Credential(identity=keyfile.create(path, bare=bare), bare=bare)
    if path == default:
        tell(f"made {path}, which get and run find by themselves")
    else:
        tell(f"made {path}; name it with --identity or {settings.IDENTITY}")
    tell("send this line to your operator, for [clients] in the definition; the name is free to choose")
    _write(f"{credential.clients_line()}\n".encode())


def print_id(parsed: Parsed) -> None:
    """`id`: print the public key as the definition has it; a public key text's id goes to stderr, as logs and lists show it."""
    credential = settings.load_credential(parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ)
    if not credential.bare:
        tell(f"the id of this key is {credential.id_text()}")
    _write(f"{credential.public_text()}\n".encode())


HANDLERS: Final[Mapping[str, Handler]] = {
    "get": get_secrets,
    "run": run_command,
    "keygen": make_identity,
    "id": print_id,
}
