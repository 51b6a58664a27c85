"""What is noted of writes."""

from __future__ import annotations

import pytest

from coffer_server.errors import DeniedError, StoreError
from coffer_server.health.write_status import Writing
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
    writing, clock = Writing(), Clock()
    assert writing.begun is None
    assert writing.attempt(lambda: writing.begun, clock) == 1000.0
    assert not writing.is_under_way


def test_a_refusal_lasts_from_the_first_to_the_next_success() -> None:
    writing, clock = Writing(), Clock()
    with pytest.raises(StoreError):
        writing.attempt(lambda: fail(StoreError("the disk is full")), clock)
    clock.at = 1005.5
    with pytest.raises(StoreError):
        writing.attempt(lambda: fail(StoreError("the disk is gone")), clock)
    assert writing.refused == Trouble(since=1000, reason="the disk is gone")
    assert not writing.is_under_way
    assert writing.attempt(lambda: 5, clock) == 5
    assert writing.refused is None


def test_a_refused_request_says_nothing_of_the_store() -> None:
    writing, clock = Writing(), Clock()
    with pytest.raises(DeniedError):
        writing.attempt(lambda: fail(DeniedError("no")), clock)
    assert writing.refused is None
    assert not writing.is_proven(clock.at, within_s=10)


def test_a_fault_of_the_server_is_one_of_writing() -> None:
    writing, clock = Writing(), Clock()
    with pytest.raises(ZeroDivisionError):
        writing.attempt(lambda: fail(ZeroDivisionError("canary-18d0")), clock)
    assert writing.refused == Trouble(since=1000, reason="the server failed (ZeroDivisionError); its log says where")


def test_a_success_proves_for_a_while_that_writing_works() -> None:
    writing, clock = Writing(), Clock()
    writing.attempt(lambda: None, clock)
    assert writing.is_proven(1009.0, within_s=10)
    assert not writing.is_proven(1010.0, within_s=10)
    # A clock that was set back proves nothing.
    assert not writing.is_proven(999.0, within_s=10)
    with pytest.raises(StoreError):
        writing.attempt(lambda: fail(StoreError("the disk is full")), clock)
    assert not writing.is_proven(1000.0, within_s=10)
