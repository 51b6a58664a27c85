"""A server that is killed with -9 at random moments of real uploads. scripts/torture does it a thousand times."""

from __future__ import annotations

from pathlib import Path

from .torture import torture

SEED = 20_270_115


def test_nothing_is_lost_and_nothing_is_half_there(tmp_path: Path) -> None:
    acknowledged, found = torture(tmp_path, rounds=50, seed=SEED)
    print(f"seed {SEED}: {acknowledged} releases acknowledged, {found} more committed when the server died")
    # Else it was killed before anything had begun, and this shows nothing. How many there are depends on the machine's load.
    assert acknowledged > 0
