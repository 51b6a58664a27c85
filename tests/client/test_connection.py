from __future__ import annotations

import socket

import pytest

from coffer_client.connection import Deadline

PLENTY_S = 30.0


def test_a_deadline_that_is_over_lets_nothing_begin() -> None:
    with socket.socket() as sock, pytest.raises(TimeoutError):
        Deadline(0).apply(sock)


def test_a_deadline_is_one_for_all_that_is_done_under_it() -> None:
    deadline = Deadline(PLENTY_S)
    with socket.socket() as sock:
        given = []
        for _ in range(3):
            deadline.apply(sock)
            given.append(sock.gettimeout() or 0)
    assert PLENTY_S >= given[0] > given[1] > given[2] > 0
