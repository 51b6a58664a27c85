from __future__ import annotations

import subprocess
import sys

import pytest

from coffer_client.cli.commands import load
from coffer_client.cli.options import COMMANDS


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_a_handler_in_the_module_of_its_name(name: str) -> None:
    handler = load(name)
    assert (handler.__module__, handler.__name__) == (f"coffer_client.cli.commands.{name}", "main")


def test_no_other_command_is_loaded() -> None:
    program = "import sys; from coffer_client.cli.commands import load; load('id'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    commands = "coffer_client.cli.commands"
    assert {name for name in loaded if name.startswith(f"{commands}.")} == {f"{commands}.id", f"{commands}.common"}
