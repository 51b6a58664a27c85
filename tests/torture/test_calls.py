"""A sample of the calls that scripts/torture --calls fails and kills one by one."""

from __future__ import annotations

import shutil

import pytest

from .calls import drill


@pytest.mark.skipif(shutil.which("strace") is None, reason="this machine has no strace")
@pytest.mark.parametrize("name", ["client keygen", "companion keygen", "companion init"])
def test_a_sample_of_calls(name: str) -> None:
    told: list[str] = []
    assert drill([name], sample=1, seed=1, tell=told.append) == []
    assert told == [f"{name}: 1 points"]
