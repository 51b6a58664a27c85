from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from coffer_client.cli.completion import zsh
from coffer_client.cli.completion.offers import brief
from coffer_client.cli.options import COMMANDS, GET

from .shells import COMMANDS_AND_OPTIONS, KEYS, NOTHING, OTHER_COMMANDS, OWN_COMPLETION, Terminal, terminal


@pytest.fixture
def typing(cached: dict[str, str], home: Path) -> Iterator[Terminal]:
    """A zsh that has read the script."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (home / "script").write_text(zsh.script(), encoding="utf-8")
    with terminal("zsh", "-f", "-i", environment=cached, cwd=home) as shell:
        shell.do("autoload -U compinit; compinit -D -u; unsetopt banghist; source ./script")
        yield shell


@pytest.mark.parametrize(
    "lines",
    [COMMANDS_AND_OPTIONS, KEYS, {**OTHER_COMMANDS, **OWN_COMPLETION}, NOTHING],
    ids=["commands and options", "keys", "other commands", "nothing"],
)
def test_what_is_typed_is_completed(typing: Terminal, home: Path, lines: Mapping[str, str]) -> None:
    for line, given in lines.items():
        assert (line, typing.given(line)) == (line, given.replace("{home}", str(home)))


def test_all_that_there_is_is_shown(typing: Terminal) -> None:
    shown = typing.shown("coffer-client get --\t")
    assert all(re.search(f"{option.flag} +-- {re.escape(brief(option.help))}", shown) for option in GET.options)
    shown = typing.shown("coffer-client \t")
    assert all(re.search(f"{command.name} +-- {re.escape(brief(command.help))}", shown) for command in COMMANDS)


def test_where_there_is_no_cache_nothing_is_shown(typing: Terminal) -> None:
    typing.do("unset COFFER_SERVER")
    assert typing.given("coffer-client get db.u\t") == "<get><db.u>"
    assert "COFFER_SERVER" not in typing.shown("coffer-client get db.u\t")


def test_it_can_be_autoloaded(cached: dict[str, str], home: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (home / "functions").mkdir()
    (home / "functions" / "_coffer-client").write_text(zsh.script(), encoding="utf-8")
    with terminal("zsh", "-f", "-i", environment=cached, cwd=home) as shell:
        shell.do("fpath=(~/functions $fpath); autoload -U compinit; compinit -D -u")
        # The first time the function is loaded, then it is there.
        for _ in range(2):
            assert shell.given("coffer-client get db.u\t") == "<get><db.url>"
