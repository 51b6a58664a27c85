"""Logs: events with fields, to stderr. Ids are hex, names are checked ones; nothing that a stranger sent goes in as it came."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path

import structlog

from .config import Settings

_ROOT = Path(__file__).parent.parent
# Trio tries to accept again ten times a second where descriptors have run out; one line a minute says as much.
_REPEAT_S = 60.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure(settings: Settings) -> None:
    """Send the process's logs to stderr, in the form and from the level that the settings name."""
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
    """An event as a line of text without colours, as structlog's own renderer has it at five times the cost: a fetch is one line."""
    line = f"{event.pop('timestamp')} [{event.pop('level'):<9}] {event.pop('event')}"
    return line + "".join([f" {key}={_shown(value)}" for key, value in event.items()])


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


class AcceptErrors(logging.Handler):
    """Takes what trio says where a connection cannot be accepted, without its traceback, and not ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record, or leave it out where the last was less than a minute before it."""
        if self._last is not None and record.created < self._last + _REPEAT_S:
            return
        self._last = record.created
        log.error("connections cannot be accepted", reason=record.getMessage(), mend="raise the limit of open files (ulimit -n)")


def place_of(error: BaseException) -> str:
    """Where in the house an exception was raised, as `coffer_server/upload.py:12`: all of a traceback that shows no value."""
    place = "outside"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0].startswith("coffer_"):
            place = f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return place
