"""What goes to stderr."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from coffer_server import logs
from coffer_server.config import Settings
from coffer_server.logs import AcceptErrors, log, place_of
from coffer_server.store.snapshot import Outline


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    log.info("fetch served", serial=3)
    log.debug("not at this level")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["serial"], event["level"]) == ("fetch served", 3, "info")
    assert event["timestamp"].endswith("Z")


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_level="debug"))
    log.debug("protocol error", reason="TurnError")
    captured = capsys.readouterr()
    assert "protocol error reason=TurnError" in captured.err
    assert captured.out == ""
    assert "\x1b" not in captured.err


def record(created: float) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": "accept returned %s", "args": ("EMFILE",), "exc_info": (OSError, OSError(), None)})
    made.created = created
    return made


def test_running_out_of_descriptors_is_said_once_a_minute() -> None:
    handler = AcceptErrors()
    with structlog.testing.capture_logs() as events:
        for created in (100.0, 100.1, 159.9, 160.1):
            handler.emit(record(created))
    assert [event["reason"] for event in events] == ["accept returned EMFILE"] * 2


def test_the_place_of_an_error() -> None:
    with pytest.raises(AttributeError) as error:
        Outline.of("web-shop", [None])  # type: ignore[list-item]
    assert place_of(error.value).startswith("coffer_server/store/snapshot.py:")
    assert place_of(ValueError()) == "outside"
