from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from coffer_client.cli.completion import bash
from coffer_client.cli.options import COMMANDS, GET

from .shells import COMMANDS_AND_OPTIONS, KEYS, NOTHING, OTHER_COMMANDS, OWN_COMPLETION, Terminal, terminal

# The package that many systems have, by which bash loads scripts, and completes what stands behind another command.
PACKAGE: Final = Path("/usr/share/bash-completion/bash_completion")


@pytest.fixture
def typing(cached: dict[str, str], home: Path) -> Iterator[Terminal]:
    """A bash that has read the script."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (home / "script").write_text(bash.script(), encoding="utf-8")
    with terminal("bash", "--norc", "--noprofile", "-i", environment=cached, cwd=home) as shell:
        shell.do("bind 'set show-all-if-ambiguous on'; set +H; source ./script")
        yield shell


@pytest.mark.parametrize(
    "lines",
    [COMMANDS_AND_OPTIONS, KEYS, OTHER_COMMANDS, NOTHING],
    ids=["commands and options", "keys", "other commands", "nothing"],
)
def test_what_is_typed_is_completed(typing: Terminal, home: Path, lines: Mapping[str, str]) -> None:
    for line, given in lines.items():
        assert (line, typing.given(line)) == (line, given.replace("{home}", str(home)))


def test_all_that_there_is_is_shown(typing: Terminal) -> None:
    shown = typing.shown("coffer-client get --\t")
    assert all(option.flag in shown for option in GET.options)
    shown = typing.shown("coffer-client \t")
    assert all(command.name in shown for command in COMMANDS)


def test_where_there_is_no_cache_nothing_is_shown(typing: Terminal) -> None:
    typing.do("unset COFFER_SERVER")
    assert typing.given("coffer-client get db.u\t") == "<get><db.u>"
    assert "COFFER_SERVER" not in typing.shown("coffer-client get db.u\t")


def test_the_package_bash_completion_loads_it_and_helps(cached: dict[str, str], home: Path) -> None:
    if not PACKAGE.exists():
        pytest.skip("bash-completion is not installed")
    folder = home / ".local" / "share" / "bash-completion" / "completions"
    folder.mkdir(parents=True)
    (folder / "coffer-client").write_text(bash.script(), encoding="utf-8")
    with terminal("bash", "--norc", "--noprofile", "-i", environment=cached, cwd=home) as shell:
        shell.do(f"source {PACKAGE}")
        for line, given in {**OTHER_COMMANDS, **OWN_COMPLETION}.items():
            assert (line, shell.given(line)) == (line, given)


def test_a_strict_shell_has_nothing_to_say(typing: Terminal) -> None:
    typing.do("set -u; shopt -s failglob")
    shown = typing.shown("coffer-client get --format=raw --timeout 5 \t")
    assert "db.url" in shown
    assert "bash:" not in shown
