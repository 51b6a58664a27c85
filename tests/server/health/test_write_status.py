"""What is noted of writes."""

from __future__ import annotations

import pytest

from coffer_server.errors import DeniedError, StoreError
from coffer_server.health.write_status import WriteStatus
from coffer_server.store.base import Trouble


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def fail(error: Exception) -> None:
    raise error


def test_what_is_under_way() -> None:
    status, clock = WriteStatus(), Clock()
    assert status.begun is None
    assert status.attempt(lambda: status.begun, clock) == 1000.0
    assert not status.is_under_way


def test_a_refusal_lasts_from_the_first_to_the_next_success() -> None:
    status, clock = WriteStatus(), Clock()
    with pytest.raises(StoreError):
        status.attempt(lambda: fail(StoreError("the disk is full")), clock)
    clock.at = 1005.5
    with pytest.raises(StoreError):
        status.attempt(lambda: fail(StoreError("the disk is gone")), clock)
    assert status.refused == Trouble(since=1000, reason="the disk is gone")
    assert not status.is_under_way
    assert status.attempt(lambda: 5, clock) == 5
    assert status.refused is None


def test_a_refused_request_says_nothing_of_the_store() -> None:
    status, clock = WriteStatus(), Clock()
    with pytest.raises(DeniedError):
        status.attempt(lambda: fail(DeniedError("no")), clock)
    assert status.refused is None
    assert not status.is_proven(clock.at, within_s=10)


def test_a_fault_of_the_server_is_one_of_writing() -> None:
    status, clock = WriteStatus(), Clock()
    with pytest.raises(ZeroDivisionError):
        status.attempt(lambda: fail(ZeroDivisionError("canary-18d0")), clock)
    assert status.refused == Trouble(since=1000, reason="the server failed (ZeroDivisionError): see its log")


def test_a_success_proves_for_a_while_that_writing_works() -> None:
    status, clock = WriteStatus(), Clock()
    status.attempt(lambda: None, clock)
    assert status.is_proven(1009.0, within_s=10)
    assert not status.is_proven(1010.0, within_s=10)
    # A clock that was set back proves nothing.
    assert not status.is_proven(999.0, within_s=10)
    with pytest.raises(StoreError):
        status.attempt(lambda: fail(StoreError("the disk is full")), clock)
    assert not status.is_proven(1000.0, within_s=10)
