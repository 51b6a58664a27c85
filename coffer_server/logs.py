"""The server's logs: events with fields, written to stderr. Ids are logged as hex, names only when checked, a stranger's bytes never."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path

import structlog

from .config import Settings

_ROOT = Path(__file__).parent.parent
# When the process has no descriptors left, trio tries to accept ten times a second. One line a minute is enough.
_REPEAT_S = 60.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure(settings: Settings) -> None:
    """Send the process's logs to stderr, in the format and from the level that the settings name."""
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    elif sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(pad_event_to=0)
    else:
        renderer = render_text
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    accepting = logging.getLogger("trio.serve_listeners")
    accepting.propagate = False
    accepting.handlers = [AcceptErrors()]


def render_text(_logger: object, _name: str, event: structlog.typing.EventDict) -> str:
    """Return an event as a line of text without colours.

    The line is that of structlog's own renderer, which costs five times as much, and every fetch writes a line.
    """
    line = f"{event.pop('timestamp')} [{event.pop('level'):<9}] {event.pop('event')}"
    return line + "".join([f" {key}={_shown(value)}" for key, value in event.items()])


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


class AcceptErrors(logging.Handler):
    """A handler that logs trio's errors when a connection cannot be accepted: without the traceback, and once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record, or drop it if the last one was logged less than a minute before."""
        if self._last is not None and record.created < self._last + _REPEAT_S:
            return
        self._last = record.created
        log.error("cannot accept connections", reason=record.getMessage(), hint="raise the limit of open files (ulimit -n)")


def place_of(error: BaseException) -> str:
    """Return the place in Coffer's code that raised an exception, such as `coffer_server/upload.py:12`: a traceback would show values."""
    place = "outside"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0].startswith("coffer_"):
            place = f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return place
