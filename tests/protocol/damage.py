"""Values like a given one, each with one item of another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# One value of each type that protocol 1 has.
_SAMPLES: tuple[Any, ...] = (None, True, 7, "text", b"bytes", 1.5, [], {})


def others(value: Any) -> Iterator[Any]:
    """Yield `value` with each of its items, at every depth, in turn of each other type."""
    yield from (sample for sample in _SAMPLES if type(sample) is not type(value))
    if isinstance(value, list):
        for place, item in enumerate(value):
            for other in others(item):
                yield [*value[:place], other, *value[place + 1 :]]
