"""What several commands share: reading the options of a source, fetching from it, writing."""

from __future__ import annotations

import os
import sys
import time

from coffer_protocol.lean import TYPE_CHECKING

from ...config import settings
from ...conversation.retrieval import retrieve
from ...conversation.source import Source
from ...errors import UsageError
from ...io.blocking import Sockets, finish
from ..options import NAMING, PROGRAM

if TYPE_CHECKING:
    from datetime import timedelta

    from coffer_common.command_line import Parsed
    from coffer_protocol.identity import Identity

    from ...coffer import Coffer
    from ...conversation.network import Network
    from ...delivery.naming import Naming


def tell(message: str) -> None:
    """Print a line for people on stderr."""
    say(f"{PROGRAM}: {message}\n")


def say(text: str) -> None:
    """Write to stderr. If stderr cannot be written, because its terminal is gone, the command continues."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        pass


def write(data: bytes) -> None:
    """Write to stdout at once.

    Raises:
        ReaderGoneError: nobody reads stdout any more.
        OutputError: stdout does not take it.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        from coffer_common.program import output_failure

        raise output_failure(error) from None


def warn(message: str) -> None:
    """Print a warning for people on stderr: something is wrong, and the command continues."""
    tell(f"warning: {message}")


def wanted(parsed: Parsed, identity: Identity | None = None) -> settings.Settings:
    """Return the settings: from the options that this command has, and otherwise from what is configured.

    Args:
        parsed: the command line.
        identity: the identity, if it should not be looked for.
    """
    return settings.load(
        server=parsed.text("server"),
        identity=identity or parsed.text("identity"),
        bare=parsed.switch("bare"),
        environment=os.environ,
        config=parsed.text("config"),
        state=parsed.text("state"),
        cache=False if parsed.values.get("no-cache") else None,
        timeout_s=timeout_s(parsed) if "timeout" in parsed.values else None,
        max_stale=span(parsed, "max-stale") if "max-stale" in parsed.values else None,
    )


def source(parsed: Parsed, network: Network | None = None) -> Source:
    """Return the server to ask, over plain sockets or another network, with what is remembered about it. Raises as `wanted`."""
    return Source.of(wanted(parsed), network or Sockets(), warn=warn)


def naming(parsed: Parsed) -> Naming:
    """Return which secrets were asked for, and under which names."""
    from ...delivery.naming import Naming

    return Naming(
        only=parsed.texts("only"), without=parsed.texts("except"), prefix=parsed.text("prefix") or "", upper=parsed.switch("upper")
    )


def refuse_naming(parsed: Parsed, reason: str) -> None:
    """Refuse the options of `naming` on a command line that cannot use them.

    Raises:
        UsageError: one of them was given.
    """
    if given := [option.flag for option in NAMING if parsed.values[option.name]]:
        raise UsageError(f"{' and '.join(given)}: {reason}")


def fetch(source: Source) -> Coffer:
    """Fetch once, and warn if the release expires soon. Raises as `retrieve`."""
    coffer = finish(retrieve(source))
    # Here, because it is loaded while the server works on its answer.
    from ...coffer import expiry_warning

    if warning := expiry_warning(coffer.release, time.time()):
        warn(warning)
    return coffer


def span(parsed: Parsed, name: str) -> timedelta | None:
    """Return the span of time that an option names, or None if it was not given. Raises as `durations.parse`."""
    text = parsed.text(name)
    if text is None:
        return None
    from coffer_common import durations

    return durations.parse(text, f"--{name}")


def timeout_s(parsed: Parsed) -> float | None:
    """Return the value of `--timeout` in seconds; None if it was not given. Raises as `durations.parse_timeout`."""
    text = parsed.text("timeout")
    if text is None:
        return None
    from coffer_common import durations

    return durations.parse_timeout(text, "--timeout")
