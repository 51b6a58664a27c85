"""A server and a companion that are killed with -9 around a Commit, at each kind of point. scripts/torture --commits draws many more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .commits import CommitPoints, Plan, Torture, commit_points, plans

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="this machine has no strace")


def above(serial: int) -> str:
    return f"release {serial}, which was signed here, is not the coffer's so far: the next release goes above it"


def published(serial: int) -> str:
    return f"release {serial}, which was signed here and which the server had not confirmed, is published"


def test_a_plain_upload_goes_on_after_each_kind_of_death(tmp_path: Path) -> None:
    torture = Torture(tmp_path)
    torture.calls()
    calls = torture.calls()
    points: CommitPoints = commit_points(calls)
    # Two releases are there. Killed before it has remembered what it signed, nobody else has ever seen it: its serial is free.
    assert torture.round(Plan(companion=points.remember)) == ""
    # The fourth is signed, and was never sent.
    assert torture.round(Plan(companion=points.commit)) == above(4)
    # The sixth is confirmed and not remembered.
    assert torture.round(Plan(companion=points.accept)) == published(6)
    assert torture.round(Plan(companion=points.bye)) == ""
    # Both, with the Commit never sent.
    assert torture.round(Plan(companion=points.commit, server_bytes=0)) == above(8)
    # An answer comes in as many pieces as the kernel has at the time, so the companion dies at the answer to Commit or before it.
    torture.round(Plan(companion=points.answer))
    # The server alone: at once, and in the middle of what it writes.
    for server_bytes in (0, 60_000):
        torture.round(Plan(server_bytes=server_bytes))


def test_what_is_drawn_has_every_kind_of_victim(tmp_path: Path) -> None:
    from .commits import Call

    drawn = plans([Call(name="sendto", number=1)], 30, 7)
    assert drawn == plans([Call(name="sendto", number=1)], 30, 7)
    assert len({(plan.companion is None, plan.server_bytes is None) for plan in drawn}) == 3
