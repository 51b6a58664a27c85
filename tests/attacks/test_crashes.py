"""What happens around a Commit: a program that is killed with -9, and a disk that is full. The next plain `upload` needs no person.

tests/torture does the same at every point of a real server and a real companion.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import pytest

from coffer_companion.settings import PublisherState
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.head import claimed_untrusted

from .conftest import Team, ended, ok

_GUARD_S = 60.0


def state_file(team: Team, who: str = "one") -> Path:
    """Return the file with what a publisher remembers."""
    (path,) = (team.home(who) / ".local/state/coffer/publisher").glob("*.json")
    return path


def kill(pid: int) -> None:
    """End a process with -9."""
    os.kill(pid, signal.SIGKILL)


def fill_the_disk(pid: int) -> None:
    """Let a process write no byte more into any file."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def interrupted(team: Team, value: str, when: str, what: Callable[[int], None]) -> subprocess.CompletedProcess[str]:
    """Upload a value, and do something to the companion's process when the server has come to a point: one of the calls in `Lies`."""
    team.define("one", {"web": value})
    pids: Queue[int] = Queue()
    setattr(team.server.lies, when, lambda: what(pids.get(timeout=_GUARD_S)))
    process = team.start_companion("one", "upload", "secrets.toml")
    pids.put(process.pid)
    done = ended(process)
    setattr(team.server.lies, when, lambda: None)
    return done


def signed_once(team: Team, known: dict[int, bytes]) -> None:
    """Assert that no serial has two heads among those that are known, those of the server, and those that the publisher has signed."""
    history = team.server.store.state().get(team.coffer)
    releases = {} if history is None else history.releases
    shown = [(serial, sha256(release.signed)) for serial, release in releases.items()]
    signed = [(release.serial, release.sha256) for release in PublisherState.load(state_file(team)).signed]
    for serial, digest in [*shown, *signed]:
        assert known.setdefault(serial, digest) == digest


@pytest.mark.parametrize("is_first", [True, False])
def test_a_companion_that_is_killed_behind_its_commit_finds_the_release(team: Team, is_first: bool) -> None:
    heads: dict[int, bytes] = {}
    if not is_first:
        ok(team.upload("one", {"web": "before"}))
    serial = 1 if is_first else 2
    assert interrupted(team, "new", "after_commit", kill).returncode == -signal.SIGKILL
    signed_once(team, heads)
    done = team.upload("one", {"web": "new"})
    assert f"release {serial}, which was signed here and which the server had not confirmed, is published" in ok(done)
    assert "nothing to change" in done.stderr
    assert ok(team.get("web")) == "new"
    # It is told once.
    again = team.upload("one", {"web": "newer"})
    assert "which was signed here" not in ok(again)
    assert ok(team.get("web")) == "newer"
    signed_once(team, heads)
    assert sorted(heads) == list(range(1, serial + 2))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_companion_whose_commit_is_lost_goes_on_above_it(team: Team, is_first: bool) -> None:
    heads: dict[int, bytes] = {}
    if not is_first:
        ok(team.upload("one", {"web": "before"}))
    serial = 1 if is_first else 2
    team.server.lies.refuses = True
    assert interrupted(team, "new", "before_commit", kill).returncode == -signal.SIGKILL
    team.server.lies.refuses = False
    signed_once(team, heads)
    done = team.upload("one", {"web": "new"})
    assert f"release {serial}, which was signed here, is not the coffer's so far: the next release goes above it" in ok(done)
    assert ok(team.get("web")) == "new"
    signed_once(team, heads)
    newest = claimed_untrusted(team.server.store.state()[team.coffer].signed)
    assert newest.serial == serial + 1
    assert sorted(heads) == list(range(1, serial + 2))


def test_a_full_disk_behind_the_commit_does_not_make_a_published_upload_fail(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    done = interrupted(team, "second", "after_commit", fill_the_disk)
    assert "published release 2 of shop" in done.stderr
    assert f"warning: release 2 is published, but {state_file(team)}" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    ok(done)
    assert ok(team.get("web")) == "second"
    again = team.upload("one", {"web": "second"})
    assert "release 2, which was signed here and which the server had not confirmed, is published" in ok(again)
    assert "nothing to change" in again.stderr


def test_a_full_disk_before_the_commit_publishes_nothing(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    done = interrupted(team, "second", "on_open", fill_the_disk)
    assert done.returncode == 1
    assert f"{state_file(team)}: this publisher's memory of its releases cannot be written (File too large)" in done.stderr
    assert "hint: nothing was changed. Make room" in done.stderr
    assert ok(team.get("web")) == "first"
    ok(team.upload("one", {"web": "second"}))
    assert ok(team.get("web")) == "second"
