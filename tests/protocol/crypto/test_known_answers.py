from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coffer_protocol.crypto import hpke, known_answers, primitives
from coffer_protocol.errors import SelfTestError, UnavailableError


def test_this_machine_computes_what_the_standards_say() -> None:
    known_answers.check()


def flipped(function: Callable[..., bytes]) -> Callable[..., bytes]:
    """Return the function of a library that was built wrongly: one bit of its answer differs."""

    def wrong(*arguments: Any, **named: Any) -> bytes:
        right = function(*arguments, **named)
        return bytes([right[0] ^ 1]) + right[1:]

    return wrong


@pytest.mark.parametrize(
    "name",
    ["mlkem_public", "mlkem_decapsulate", "x25519_public", "x25519", "sha3_256", "shake256", "hkdf_sha256_extract", "hkdf_sha256_expand"],
)
def test_a_wrong_primitive_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primitives, name, flipped(getattr(primitives, name)))
    with pytest.raises(SelfTestError, match="on this machine is wrong: install"):
        known_answers.check()


@pytest.mark.parametrize("name", ["seal", "open_sealed"])
def test_what_does_not_open_again_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpke, name, flipped(getattr(hpke, name)))
    with pytest.raises(SelfTestError, match="a sealed text"):
        known_answers.check()


def test_a_program_that_expects_missing_libraries_takes_wrong_ones_for_such() -> None:
    assert issubclass(SelfTestError, UnavailableError)
