from __future__ import annotations

import os
import signal

import pytest

from coffer_client.cli.commands.following import releases, run_shell
from coffer_client.coffer import Coffer
from coffer_client.errors import CommandFailedError
from coffer_protocol.errors import CofferError, KeyNotFoundError, RollbackError, UnreachableError

from ...releases import make_accepted

FIRST, SECOND = Coffer(make_accepted({"n": 1})), Coffer(make_accepted({"n": 2}))


def test_the_first_of_failures_in_a_row_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Coffer | CofferError] = [
        UnreachableError("nobody there"),
        UnreachableError("still nobody"),
        FIRST,
        RollbackError("went back", hint="ask the operator"),
        KeyNotFoundError("not known"),
        SECOND,
        UnreachableError("gone again"),
    ]
    assert list(releases(events, meanwhile="waiting")) == [FIRST, SECOND]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "coffer-client: nobody there (waiting)",
        "coffer-client: went back (waiting)",
        "hint: ask the operator",
        "coffer-client: gone again (waiting)",
    ]


def test_what_does_not_pass_ends_it_at_the_start_alone(capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Coffer | CofferError] = [UnreachableError("nobody there"), RollbackError("went back"), KeyNotFoundError("not known")]
    with pytest.raises(KeyNotFoundError):
        list(releases(events))
    assert list(releases(events, has_begun=True)) == []
    assert capfd.readouterr().err.count("nobody there (trying again)") == 2


def test_a_shells_command_has_the_variables_that_it_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    run_shell('echo "$here"; cat', {b"here": b"it is"})
    assert capfd.readouterr().out == "it is\n"


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -TERM $$", -signal.SIGTERM), ("no-such-command 2>&-", 127)])
def test_a_command_that_fails_is_told_with_its_status(command: str, status: int) -> None:
    with pytest.raises(CommandFailedError, match=f"--exec: the command ended with {status}$"):
        run_shell(command, os.environb)
