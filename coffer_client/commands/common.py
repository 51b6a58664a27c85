"""What several commands do alike: read the options of a source, fetch from it, write."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

from .. import duration, settings
from ..blocking import Sockets, finish
from ..coffer import Coffer, expiry_warning
from ..errors import OutputError, UsageError
from ..fetch import DEFAULT_MAX_STALE, DEFAULT_TIMEOUT_S, retrieve
from ..naming import Naming
from ..options import NAMING, PROGRAM, Parsed
from ..source import Source


def tell(message: str) -> None:
    """A line for people, on stderr. Where that is gone, as a terminal may be, nobody is left to be told, and what was begun goes on."""
    try:  # noqa: SIM105 (contextlib would cost the start of `get` and `run`)
        sys.stderr.write(f"{PROGRAM}: {message}\n")
    except OSError:
        pass


def write(data: bytes) -> None:
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


def warn(message: str) -> None:
    """A line for people about what is not as it should be, where the command goes on."""
    tell(f"warning: {message}")


def wanted(parsed: Parsed) -> settings.Settings:
    """From where, what, and as whom. Raises as `settings.load`."""
    return settings.load(server=parsed.text("server"), identity=parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ)


def source(parsed: Parsed) -> Source:
    """The source that the options name, with its files. Raises as `settings.load`."""
    return Source.of(wanted(parsed), Sockets(), state=parsed.text("state"), cache=not parsed.switch("no-cache"), warn=warn)


def naming(parsed: Parsed) -> Naming:
    """Which secrets, under which names."""
    return Naming(
        only=parsed.texts("only"), without=parsed.texts("except"), prefix=parsed.text("prefix") or "", upper=parsed.switch("upper")
    )


def refuse_naming(parsed: Parsed, reason: str) -> None:
    """Refuse the options of `naming` on a line that has no use for them.

    Raises:
        UsageError: one was given.
    """
    if given := [option.flag for option in NAMING if parsed.values[option.name]]:
        raise UsageError(f"{' and '.join(given)}: {reason}")


def fetch(parsed: Parsed, source: Source) -> Coffer:
    """The secrets, as the options want them; a release that is about to expire is told of. Raises as `fetch.retrieve`."""
    max_stale = span(parsed, "max-stale", DEFAULT_MAX_STALE)
    coffer = finish(retrieve(source, timeout_s=_timeout_s(parsed.text("timeout")), max_stale=max_stale))
    if warning := expiry_warning(coffer.release, datetime.now(UTC)):
        warn(warning)
    return coffer


def span(parsed: Parsed, name: str, default: timedelta) -> timedelta:
    """The span of time that an option names. Raises as `duration.parse`."""
    text = parsed.text(name)
    return default if text is None else duration.parse(text, f"--{name}")


def _timeout_s(text: str | None) -> float:
    if text is None:
        return DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise UsageError("--timeout is a number of seconds above 0") from None
