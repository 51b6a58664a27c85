from __future__ import annotations

import pytest

from coffer_client.cli.completion import SCRIPTS
from coffer_client.cli.options import COMMANDS, COMPLETION


def test_the_help_names_the_shells_that_there_are() -> None:
    (taken,) = COMPLETION.arguments
    assert set(taken.metavar.split("|")) == set(SCRIPTS)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_knows_every_command_and_is_the_same_each_time(shell: str) -> None:
    script = SCRIPTS[shell]()
    assert [command.name for command in COMMANDS if command.name not in script] == []
    assert script == SCRIPTS[shell]()
