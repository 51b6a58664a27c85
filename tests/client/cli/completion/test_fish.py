from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.cli.completion import fish
from coffer_client.cli.completion.offers import brief
from coffer_client.cli.options import COMMANDS, GET

from .conftest import SECRETS

Offered = Callable[[str], list[str]]


@pytest.fixture
def offered(cached: dict[str, str], home: Path) -> Offered:
    """What a fish that has read the script offers for a line; what it says beside is an error."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (home / "script").write_text(fish.script(), encoding="utf-8")

    def ask(line: str) -> list[str]:
        words = ["fish", "--no-config", "-c", "source script; complete --do-complete=$argv[1]", line]
        ran = subprocess.run(words, env=cached, cwd=home, capture_output=True, text=True, check=True)
        assert ran.stderr == ""
        return ran.stdout.splitlines()

    return ask


def test_commands_and_options_have_their_help(offered: Offered) -> None:
    assert set(offered("coffer-client ")) == {f"{command.name}\t{brief(command.help)}" for command in COMMANDS}
    assert {f"{option.flag}\t{brief(option.help)}" for option in GET.options} < set(offered("coffer-client get --"))
    assert {"--no-newline", "-n"} < {line.split("\t")[0] for line in offered("coffer-client get -")}
    assert {line.split("\t")[0] for line in offered("coffer-client -")} == {"--version", "--help", "-h"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "coffer-client get --format ",
            {"raw", "shell", "dotenv", "json", "toml", "docker", "compose", "systemd", "gitlab", "github", "null"},
        ),
        ("coffer-client get -n --upp", {"--upper"}),
        ("coffer-client get --only db.u", {"db.url"}),
        ("coffer-client get --format=dote", {"--format=dotenv"}),
        ("coffer-client run --on-change ", {"restart", "signal:", "exec:"}),
        ("coffer-client completion ", {"bash", "zsh", "fish"}),
        ("coffer-client trust ", {"clear", "reset"}),
        ("coffer-client get --identity own-f", {"own-file"}),
        ("coffer-client get --state a-fol", {"a-folder/"}),
        ("coffer-client keygen own-f", {"own-file"}),
        ("coffer-client run --watch --serv", {"--server"}),
        ("coffer-client run --watch -- coffer-cl", {"coffer-client"}),
        ("coffer-client run --server x coffer-cl", {"coffer-client"}),
        ("coffer-client run --server x cat own-f", {"own-file"}),
        ("coffer-client run -- coffer-client get --form", {"--format"}),
    ],
)
def test_values_and_lines(offered: Offered, line: str, words: set[str]) -> None:
    assert {each.split("\t")[0] for each in offered(line)} == words


def test_keys(offered: Offered) -> None:
    # fish quotes them itself as it puts them into the line.
    assert set(offered("coffer-client get ")) == SECRETS.keys() - {"-n"}
    assert set(offered("coffer-client get -- ")) == SECRETS.keys()
    assert offered("coffer-client get --format json it") == ["it's"]
    assert offered("bin/coffer-client get db.u") == ["db.url"]
    assert offered("~/bin/coffer-client get db.u") == ["db.url"]


@pytest.mark.parametrize(
    "line",
    [
        "coffer-client get own-f",
        "coffer-client keys own-f",
        "coffer-client get --max-stale own-f",
        "coffer-client get --server nonsense db.u",
        "coffer-client get --server=nonsense db.u",
        "coffer-client get --state ~/a-folder db.u",
        "coffer-client get --identity 'no such file' db.u",
    ],
)
def test_where_there_is_nothing_to_offer_nothing_is(offered: Offered, line: str) -> None:
    assert offered(line) == []
