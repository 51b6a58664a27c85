from __future__ import annotations

import pytest

from coffer_protocol.errors import ChainError, ForkError, ReleaseError
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence

EVIDENCE = Evidence(kind=FORK, known=b"known", shown=b"shown")


def test_the_kinds_are_apart() -> None:
    assert len({FORK, BROKEN_CHAIN, RESTART}) == 3


@pytest.mark.parametrize("kind", [ForkError, ChainError])
def test_an_error_carries_its_evidence(kind: type[ReleaseError]) -> None:
    assert kind("no").evidence is None
    error = kind("no", hint="ask").with_evidence(EVIDENCE)
    assert error.evidence == EVIDENCE
    assert error.hint == "ask"
