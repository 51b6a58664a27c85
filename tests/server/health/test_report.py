"""What a server says of itself, as JSON and as text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coffer_server.errors import NotServingError
from coffer_server.health.report import Health, Reads, Status, Writes, as_text
from coffer_server.store.base import Trouble

WELL = Health(
    at=1_800_000_060,
    version="0.1.0",
    pid=4711,
    started=1_800_000_000,
    is_stopping=False,
    listening=("127.0.0.1:26337", "[::1]:26337"),
    database="database coffer on db1.example.org",
    event=17,
    releases={"shop": 5, "billing": 2},
    reads=Reads.DATABASE,
    reads_trouble=None,
    writes=Writes.ACCEPTED,
    writes_trouble=None,
    connections=12,
    max_connections=16_384,
    watchers=3,
)
AWAY = replace(
    WELL,
    reads=Reads.MEMORY,
    reads_trouble=Trouble(since=1_800_000_030, reason="connection refused"),
    writes=Writes.REFUSED,
    writes_trouble=Trouble(since=1_800_000_030, reason="the database is away"),
)


@pytest.mark.parametrize(
    ("health", "status", "code"),
    [
        (WELL, Status.OK, 0),
        (AWAY, Status.DEGRADED, 7),
        (replace(WELL, reads=Reads.FAILING), Status.DEGRADED, 7),
        (replace(WELL, writes=Writes.REFUSED), Status.DEGRADED, 7),
        (replace(WELL, writes=Writes.WAITING), Status.DEGRADED, 7),
        (replace(AWAY, is_stopping=True), Status.STOPPING, 3),
    ],
)
def test_the_whole_in_one_word_and_one_number(health: Health, status: Status, code: int) -> None:
    assert (health.status, health.exit_code) == (status, code)
    assert json.loads(health.to_json())["status"] == status.value
    assert as_text(health).splitlines()[0] == status.value


@pytest.mark.parametrize("health", [WELL, AWAY, replace(WELL, event=None, releases={}, is_stopping=True)])
def test_json_there_and_back(health: Health) -> None:
    assert Health.from_json(health.to_json()) == health
    assert "\n" not in health.to_json()


def test_json_for_scripts() -> None:
    said = json.loads(AWAY.to_json())
    assert (said["reads"], said["writes"], said["releases"]["shop"], said["event"]) == ("memory", "refused", 5, 17)
    assert said["reads_trouble"] == {"since": 1_800_000_030, "reason": "connection refused"}


@pytest.mark.parametrize("text", ["", "{}", "[]", "5", WELL.to_json()[:-1], WELL.to_json().replace('"event"', '"other"'), "\ufffd"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(NotServingError, match="different version of Coffer"):
        Health.from_json(text)


def test_text_for_people() -> None:
    assert as_text(WELL).splitlines() == [
        "ok",
        "  reads        from the database",
        "  writes       accepted",
        "  serves       billing 2, shop 5 (event 17)",
        "  connections  12 of 16384, 3 of them watching",
        "  listens      127.0.0.1:26337 [::1]:26337",
        "  database     database coffer on db1.example.org",
        "  runs         since 2027-01-15T08:00:00Z, version 0.1.0, process 4711",
    ]
    assert as_text(AWAY).splitlines()[1:3] == [
        "  reads        from memory since 2027-01-15T08:00:30Z: connection refused",
        "  writes       refused since 2027-01-15T08:00:30Z: the database is away",
    ]
    broken = replace(WELL, event=None, releases={}, reads=Reads.FAILING, reads_trouble=Trouble(since=1_800_000_030, reason="it is damaged"))
    assert as_text(broken).splitlines()[1] == "  reads        failing since 2027-01-15T08:00:30Z: it is damaged"
    assert as_text(broken).splitlines()[3] == "  serves       the part that can still be read"
