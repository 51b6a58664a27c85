from __future__ import annotations

from coffer_server.unfinished import Unfinished


class Peer:
    """A peer that counts how often it is cut off."""

    def __init__(self) -> None:
        self.cuts = 0

    def cut_off(self) -> None:
        self.cuts += 1


def test_the_longest_message_is_cut_off_when_there_is_too_much_of_all() -> None:
    unfinished = Unfinished(limit_bytes=100)
    short, long = Peer(), Peer()
    unfinished.note(long, 60)
    unfinished.note(short, 40)
    assert (short.cuts, long.cuts, unfinished.total_bytes) == (0, 0, 100)
    unfinished.note(short, 41)
    assert (short.cuts, long.cuts, unfinished.total_bytes) == (0, 1, 41)


def test_a_message_that_is_whole_counts_no_more() -> None:
    unfinished = Unfinished(limit_bytes=100)
    first, second = Peer(), Peer()
    unfinished.note(first, 90)
    unfinished.note(first, 0)
    unfinished.note(second, 100)
    assert (first.cuts, second.cuts) == (0, 0)


def test_one_that_grows_alone_is_cut_off_itself() -> None:
    unfinished = Unfinished(limit_bytes=100)
    peer = Peer()
    unfinished.note(peer, 100)
    unfinished.note(peer, 101)
    assert (peer.cuts, unfinished.total_bytes) == (1, 0)
    # It may still end its session.
    unfinished.note(peer, 0)
    assert unfinished.total_bytes == 0
