"""The programs of docs/releases-client.md are run as they stand, against a server that has two releases."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.shard import SecretValue
from tests.client.conversation.test_watching import telling
from tests.client.fake_server import FakeServer, Script, giving_in_turn, hosting
from tests.client.releases import History
from tests.support import ROOT, identity

TEXT = (ROOT / "docs" / "releases-client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
OLD, NEW = "postgres://old", "postgres://new"


class EnoughError(Exception):
    """The application has seen the new release."""


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Two releases for a client whose identity the environment has."""
    web = Credential(identity=identity("web"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", web.identity.secret_text())
    return History(web).add({"db.url": OLD}).add({"db.url": NEW})


def run(program: Callable[[dict[str, object]], None], monkeypatch: pytest.MonkeyPatch, *scripts: Script) -> list[SecretValue]:
    """What a program connects to, one after the other."""
    found: list[SecretValue] = []

    def connect(url: SecretValue) -> None:
        found.append(url)
        if url == NEW:
            raise EnoughError

    with FakeServer(giving_in_turn(*scripts)) as server:
        monkeypatch.setenv("COFFER_SERVER", str(server.address()))
        with pytest.raises(EnoughError):
            program({"connect": connect})
    return found


def test_every_program_is_run_here() -> None:
    assert [("async" in program, "watch" in program) for program in PROGRAMS] == [(False, True), (True, True)]


def test_watching(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = (hosting(history, newest=1), telling(history, 2))
    assert run(lambda names: exec(PROGRAMS[0], names), monkeypatch, *scripts) == [OLD, NEW]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_an_event_loop(history: History, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    def program(names: dict[str, object]) -> None:
        exec(PROGRAMS[1], names)
        main: Callable[[], Awaitable[None]] = names["main"]  # type: ignore[assignment]
        anyio.run(main, backend=backend)

    first = hosting(history, newest=1)
    assert run(program, monkeypatch, first, first, telling(history, 2)) == [OLD, OLD, NEW]
