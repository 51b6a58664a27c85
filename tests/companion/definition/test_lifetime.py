"""Lifetimes."""

from __future__ import annotations

import pytest

from coffer_companion.definition import LifetimeError, parse_lifetime
from coffer_protocol.errors import CofferError


@pytest.mark.parametrize(("text", "seconds"), [("12h", 43_200), ("400d", 34_560_000), ("52w", 31_449_600), ("1h", 3600), ("never", None)])
def test_read(text: str, seconds: int | None) -> None:
    assert parse_lifetime(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "400", "d", "-1d", "0d", "1.5d", "400 d", "400D", "1y", "Never", "36526d", "9999999999w", "1d\n", "٤d", " 1d"]
)
def test_refused(text: str) -> None:
    with pytest.raises(LifetimeError, match="lifetime") as caught:
        parse_lifetime(text)
    assert isinstance(caught.value, CofferError)
    assert isinstance(caught.value, ValueError)
