"""`keys`: print the names of the secrets, and no value."""

from __future__ import annotations

from datetime import timedelta

from coffer_common.command_line import Parsed

from ...coffer import Coffer
from ...conversation.source import Source
from ...errors import CacheError
from ...io.blocking import finish
from .common import fetch, source, span, write


def main(parsed: Parsed) -> None:
    """Print the keys. They have no control characters (docs/protocol.md, 6), so each fits on a line."""
    origin = source(parsed)
    coffer = _cached(parsed, origin) if parsed.switch("cached") else fetch(origin)
    write("".join(f"{key}\n" for key in coffer).encode())


def _cached(parsed: Parsed, origin: Source) -> Coffer:
    try:
        max_stale = span(parsed, "max-stale")
        return finish(origin.from_cache(timedelta.max if max_stale is None else max_stale))
    except CacheError as error:
        raise CacheError(f"the cache cannot be used: {error}") from error
