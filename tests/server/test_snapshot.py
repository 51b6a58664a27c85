"""Snapshots and their cache."""

from __future__ import annotations

import threading

import pytest

from coffer_protocol.primitives import sha256
from coffer_server.store.snapshot import Leaf, Snapshot, SnapshotCache


def snapshot(size: int) -> Snapshot:
    return Snapshot("web-shop", [Leaf(number.to_bytes(32, "big"), 2, 1, sha256(b"x"), 1) for number in range(0, 2 * size, 2)])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 13])
def test_index_of(size: int) -> None:
    made = snapshot(size)
    assert [made.index_of((2 * number).to_bytes(32, "big")) for number in range(size)] == list(range(size))
    for missing in range(1, 2 * size + 3, 2):
        with pytest.raises(KeyError):
            made.index_of(missing.to_bytes(32, "big"))


def test_it_is_built_once() -> None:
    cache = SnapshotCache()
    kept = snapshot(2)
    assert cache.get("a", 1, lambda: kept) is kept
    assert cache.get("a", 1, pytest.fail) is kept


def test_threads_that_want_the_same_wait_for_one() -> None:
    cache = SnapshotCache()
    begun, go_on, kept, results = threading.Event(), threading.Event(), snapshot(1), []

    def slow() -> Snapshot:
        begun.set()
        assert go_on.wait(10)
        return kept

    first = threading.Thread(target=lambda: results.append(cache.get("a", 1, slow)))
    second = threading.Thread(target=lambda: results.append(cache.get("a", 1, pytest.fail)))
    first.start()
    assert begun.wait(10)
    second.start()
    # Another coffer does not wait.
    other = snapshot(3)
    assert cache.get("b", 1, lambda: other) is other
    go_on.set()
    first.join()
    second.join()
    assert results == [kept, kept]


def test_an_older_release_does_not_replace_a_newer() -> None:
    cache = SnapshotCache()
    new, old = snapshot(2), snapshot(1)
    cache.put("a", 2, new)
    assert cache.get("a", 1, lambda: old) is old
    assert cache.get("a", 2, pytest.fail) is new


def test_what_was_not_asked_for_longest_is_dropped() -> None:
    cache = SnapshotCache(max_leaves=4)
    kept = {name: snapshot(2) for name in "abc"}
    cache.put("a", 1, kept["a"])
    cache.put("b", 1, kept["b"])
    cache.get("a", 1, pytest.fail)
    cache.put("c", 1, kept["c"])
    assert cache.get("a", 1, pytest.fail) is kept["a"]
    rebuilt = snapshot(2)
    assert cache.get("b", 1, lambda: rebuilt) is rebuilt


def test_one_that_is_too_large_is_kept_alone() -> None:
    cache = SnapshotCache(max_leaves=1)
    large = snapshot(5)
    cache.put("a", 1, large)
    assert cache.get("a", 1, pytest.fail) is large
