from __future__ import annotations

import structlog.testing

from coffer_server.refusals import Refusal, Refusals


def test_the_first_is_logged_and_the_next_within_a_minute_are_counted() -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            refusals.note(Refusal.UNKNOWN, address="192.0.2.1", client="AB")
        now = 59.9
        refusals.note(Refusal.UNKNOWN, address="192.0.2.1", client="AB")
        now = 60.0
        refusals.note(Refusal.UNKNOWN, address="192.0.2.1", client="CD")
    line = {"event": "refused", "log_level": "info", "what": "unknown or blocked client", "address": "192.0.2.1"}
    assert logs == [line | {"client": "AB", "times": 1}, line | {"client": "CD", "times": 6}]
    assert refusals.counts == {Refusal.UNKNOWN: 7}


def test_each_kind_and_each_address_has_its_own_line() -> None:
    refusals = Refusals(lambda: 0.0)
    with structlog.testing.capture_logs() as logs:
        for address in ("192.0.2.1", "192.0.2.2"):
            for kind in (Refusal.OPEN, Refusal.ASK):
                refusals.note(kind, address=address, client="AB")
                refusals.note(kind, address=address, client="AB")
    assert [(line["what"], line["address"]) for line in logs] == [
        ("upload denied", "192.0.2.1"),
        ("question denied", "192.0.2.1"),
        ("upload denied", "192.0.2.2"),
        ("question denied", "192.0.2.2"),
    ]


def test_what_is_remembered_is_bounded() -> None:
    refusals = Refusals(lambda: 0.0)
    with structlog.testing.capture_logs() as logs:
        for number in range(5000):
            refusals.note(Refusal.UNKNOWN, address=str(number), client="AB")
        # The last ones are remembered, the first are not.
        refusals.note(Refusal.UNKNOWN, address="4999", client="AB")
        refusals.note(Refusal.UNKNOWN, address="0", client="AB")
    assert len(logs) == 5001
