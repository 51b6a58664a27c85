"""A sample of the drill of scripts/torture --calls: a few calls of each program are failed or killed."""

from __future__ import annotations

import shutil

import pytest

from .calls import SCENARIOS, drill

SEED = 20_271_128
SAMPLE = 2


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_call_that_fails_and_a_process_that_is_killed_need_nobody_to_clean_up(name: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    assert drill([name], sample=SAMPLE, seed=SEED, tell=print) == []
