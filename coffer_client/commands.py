"""What each command does. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeAlias

from . import duration, keyfile, output, run, settings
from .coffer import Coffer, expiry_warning
from .credential import Credential
from .errors import EnvironmentNameError, OutputError, UsageError
from .fetch import DEFAULT_MAX_STALE, DEFAULT_TIMEOUT_S, PASSING, retrieve
from .memory import Memory, describe, find_folders
from .options import PROGRAM, Parsed
from .source import Source

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


def _warn(message: str) -> None:
    tell(f"warning: {message}")


def _wanted(parsed: Parsed) -> settings.Settings:
    return settings.load(server=parsed.text("server"), identity=parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ)


def _source(parsed: Parsed) -> Source:
    return Source.of(_wanted(parsed), state=parsed.text("state"), cache=not parsed.switch("no-cache"), warn=_warn)


def _fetch(parsed: Parsed, source: Source) -> Coffer:
    max_stale = _span(parsed, "max-stale", DEFAULT_MAX_STALE)
    coffer = retrieve(source, timeout_s=_timeout_s(parsed.text("timeout")), max_stale=max_stale)
    if warning := expiry_warning(coffer.release, datetime.now(UTC)):
        _warn(warning)
    return coffer


def _span(parsed: Parsed, name: str, default: timedelta) -> timedelta:
    text = parsed.text(name)
    return default if text is None else duration.parse(text, f"--{name}")


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
        _write(output.raw(_fetch(parsed, _source(parsed))[keys[0]], terminal=sys.stdout.isatty()))
        return
    if name not in output.FORMATS:
        raise UsageError(f"--format is one of {', '.join((output.RAW, *output.FORMATS))}")
    _write(output.FORMATS[name](_fetch(parsed, _source(parsed)).select(keys)).encode())


def run_command(parsed: Parsed) -> None:
    """`run`: become a command that has the secrets in its environment; with `--watch`, stay beside it."""
    if parsed.switch("watch"):
        _supervise(parsed)
    if parsed.text("on-change") is not None or parsed.text("splay") is not None:
        raise UsageError("--on-change and --splay go with --watch")
    run.execute(parsed.arguments, run.command_environment(_fetch(parsed, _source(parsed)), os.environb))


def _supervise(parsed: Parsed) -> NoReturn:
    import random

    from . import supervise
    from .watching import Watcher

    change = supervise.Change.from_text(parsed.text("on-change") or supervise.RESTART)
    splay_s = _span(parsed, "splay", timedelta()).total_seconds()
    source = _source(parsed)
    # Refused before the command is started, not after.
    events = Watcher(source)
    first = _fetch(parsed, source)
    draw = random.SystemRandom().uniform
    supervisor = supervise.Supervisor(
        parsed.arguments, first, change=change, splay=lambda: draw(0, splay_s), tell=tell, inherited=os.environb
    )
    supervisor.run(events)


def watch_releases(parsed: Parsed) -> None:
    """`watch`: a line, or a command, for each release."""
    from .watching import Failure, Watcher

    command = parsed.text("exec")
    has_begun = is_failing = False
    for event in Watcher(_source(parsed)):
        if isinstance(event, Failure):
            # What is wrong from the start is for whoever has just typed it; later there may be nobody to type it again.
            if not has_begun and not isinstance(event.error, PASSING):
                raise event.error
            if not is_failing:
                tell(f"{event.error} (trying again)")
            is_failing = True
            continue
        has_begun, is_failing = True, False
        if command is None:
            issued = f"{event.release.issued:%Y-%m-%dT%H:%M:%SZ}" if event.release.issued else "-"
            _write(f"{issued} {event.release.serial}\n".encode())
        else:
            _run_for(event, command)


def _run_for(coffer: Coffer, command: str) -> None:
    """Run a shell's command with a release's secrets, and wait for it. Where it fails, the next release is another matter."""
    import subprocess

    try:
        variables = run.command_environment(coffer, os.environb)
    except EnvironmentNameError as error:
        tell(f"release {coffer.release.serial}: {error}")
        return
    words = ["/bin/sh", "-c", command]
    # Its stdin would be this process's, which has none to give.
    status = subprocess.run(words, env=dict(variables), stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 (what was asked for)
    if status:
        tell(f"release {coffer.release.serial}: the command ended with {status}")


def show_or_reset_trust(parsed: Parsed) -> None:
    """`trust`: print what is remembered, or forget it."""
    wanted = _wanted(parsed)
    memory = Memory(wanted, find_folders(state=parsed.text("state"), cache=True, environment=os.environ), warn=_warn)
    match parsed.arguments:
        case ():
            _write(describe(memory.recall()).encode())
        case ("reset",):
            _reset(memory, wanted, is_confirmed=parsed.switch("yes"))
        case _:
            raise UsageError(f"`{PROGRAM} trust` shows, and `{PROGRAM} trust reset` forgets; there is nothing else")


def _reset(memory: Memory, wanted: settings.Settings, *, is_confirmed: bool) -> None:
    question = (
        f"This client forgets which releases of {wanted.trust.coffer!r} it has seen, and whom it trusts beside its address. If the server "
        "lies, or was set back, it will not notice. Has your operator confirmed that the server is right?"
    )
    if not is_confirmed:
        if not sys.stdin.isatty():
            raise UsageError(f"{question} There is no terminal to answer at: --yes says so")
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("not confirmed: nothing was changed")
    try:
        was_there = memory.forget()
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}: nothing, or not everything, was forgotten") from None
    tell("forgotten: the next fetch begins with what the address says" if was_there else "there was nothing to forget")


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
    "watch": watch_releases,
    "trust": show_or_reset_trust,
    "keygen": make_identity,
    "id": print_id,
}
