"""What is kept in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from coffer_server.store.cache import ENTRY_BYTES, Cache


@dataclass(frozen=True)
class Value:
    """A value of a size."""

    size_bytes: int = 0


def entries(count: int) -> int:
    """The size of a cache that holds so many values of no size."""
    return count * ENTRY_BYTES


def test_what_is_put_can_be_got_until_it_is_dropped() -> None:
    cache = Cache(entries(2))
    value = Value()
    cache.put("a", value)
    assert cache.get("a", Value) is value
    cache.drop("a")
    cache.drop("a")
    assert cache.get("a", Value) is None
    assert cache.size_bytes == 0


def test_what_was_not_asked_for_longest_makes_room() -> None:
    cache = Cache(entries(2))
    for key in "ab":
        cache.put(key, Value())
    cache.get("a", Value)
    cache.put("c", Value())
    assert [key for key, _ in cache.items()] == ["a", "c"]
    assert cache.size_bytes == entries(2)


def test_a_large_value_makes_room_for_itself() -> None:
    cache = Cache(entries(3) + 10)
    for key in "abc":
        cache.put(key, Value())
    cache.put("d", Value(size_bytes=11))
    assert [key for key, _ in cache.items()] == ["c", "d"]
    assert cache.size_bytes == entries(2) + 11


def test_one_that_is_too_large_is_not_kept_and_costs_no_other() -> None:
    cache = Cache(entries(2))
    cache.put("a", Value())
    assert cache.get_or_make("b", Value, lambda: Value(size_bytes=entries(2))).size_bytes == entries(2)
    assert [key for key, _ in cache.items()] == ["a"]


def test_one_takes_the_place_of_another_with_its_key() -> None:
    cache = Cache(entries(1) + 5)
    cache.put("a", Value(size_bytes=5))
    cache.put("a", Value(size_bytes=3))
    assert cache.size_bytes == entries(1) + 3
    cache.put("a", Value(size_bytes=6))
    assert cache.get("a", Value) is None


def test_it_is_made_once() -> None:
    cache = Cache(entries(1))
    made = cache.get_or_make("a", Value, Value)
    assert cache.get_or_make("a", Value, pytest.fail) is made


def test_what_fails_to_be_made_can_be_made_later() -> None:
    cache = Cache(entries(1))
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("a", Value, lambda: Value(1 // 0))
    assert cache.get_or_make("a", Value, Value) == Value()


def test_threads_that_want_the_same_wait_for_one() -> None:
    cache = Cache(entries(2))
    begun, go_on, kept, results = threading.Event(), threading.Event(), Value(), []

    def slow() -> Value:
        begun.set()
        assert go_on.wait(10)
        return kept

    first = threading.Thread(target=lambda: results.append(cache.get_or_make("a", Value, slow)))
    second = threading.Thread(target=lambda: results.append(cache.get_or_make("a", Value, pytest.fail)))
    first.start()
    assert begun.wait(10)
    second.start()
    # Another key does not wait.
    other = Value()
    assert cache.get_or_make("b", Value, lambda: other) is other
    go_on.set()
    first.join()
    second.join()
    assert results == [kept, kept]
