from __future__ import annotations

import dataclasses

import pytest

from coffer_common import keyfile
from coffer_companion import settings
from tests.companion.conftest import Operator

from .command_lines import Run, good


def test_two_names_that_differ(operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COFFER_SERVER", str(dataclasses.replace(operator.address, coffer="other")))
    done = run("upload", operator.write("[web]\na = 1", "web"))
    assert done.code == 2
    assert f"[coffer] name is {operator.coffer!r}, and the server's address says 'other'" in done.err
    done = run("history", "--coffer", "third")
    assert done.code == 2
    assert "--coffer is 'third', and the server's address says 'other'" in done.err


def test_the_files_own_name_is_the_coffers(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web").rename(operator.home / "My Secrets.toml")
    file.write_text(file.read_text().replace(f'[coffer]\nname = "{operator.coffer}"\n', ""))
    done = run("upload", file)
    assert done.code == 2
    assert "'My Secrets'" in done.err


def test_no_server_is_named(operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COFFER_SERVER")
    for command in (("upload", operator.write("[web]\na = 1", "web")), ("history",)):
        done = run(*command)
        assert done.code == 2
        assert "no server is named: type `coffer-companion init ADDRESS` once" in done.err


def test_no_identity(operator: Operator, run: Run) -> None:
    settings.publisher_key().unlink()
    done = run("upload", operator.write("[web]\na = 1", "web"))
    assert done.code == 2
    assert "make one with `coffer-companion init ADDRESS`" in done.err


def test_which_coffer(published: Operator, run: Run) -> None:
    second = dataclasses.replace(published, coffer=f"{published.coffer}-2", clients={})
    keyfile.create(published.home / "second.key")
    done = run("history", "--identity", published.home / "second.key")
    assert done.code == 2
    assert "no coffer is named, and none was published from here yet: name one with --coffer NAME" in done.err
    # One publisher belongs to one coffer, but its memory of another may be there.
    state = settings.state_file(server=published.address.server, coffer=second.coffer, publisher=published.identity.id())
    state.write_text("{}")
    done = run("history")
    assert done.code == 2
    assert f"several were published from here ({published.coffer}, {second.coffer}): name one with --coffer NAME" in done.err
    assert good(run("history", "--coffer", published.coffer)).code == 0
