"""What docs/storage.md says is done here: its commands are run in their order, and its tables are the code's."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Final

import pytest

from coffer_server.health.report import EXIT_DEGRADED, EXIT_NOT_SERVING, Reads, Status, Writes
from coffer_server.state import StateFolder
from coffer_server.store import events
from coffer_server.store.sql import schema
from tests.server.publishing import Author
from tests.server.running import running_server
from tests.server.sockets import upload
from tests.support import ROOT

from .commands import commands_folder, home_environment

TEXT: Final = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"(?:<!-- test: ([^>]+?) -->\n)?```sh\n(.*?)```", TEXT, flags=re.DOTALL)


def column(heading: str) -> list[str]:
    """The first column of the table with this heading, without its marks."""
    rows = TEXT[TEXT.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_kind_of_event_is_named() -> None:
    assert sorted(column("kind")) == sorted(events.KINDS.values())


def test_every_exit_code_of_health_is_named() -> None:
    rows = TEXT[TEXT.index("| exit code |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in rows]
    codes = {Status.OK: 0, Status.DEGRADED: EXIT_DEGRADED, Status.STOPPING: EXIT_NOT_SERVING, "not serving": EXIT_NOT_SERVING}
    assert cells == [[str(code), f"`{status}`"] for status, code in codes.items()]
    for word in (*Reads, *Writes):
        assert f"`{word}`" in TEXT


def test_every_table_is_named() -> None:
    assert sorted([*column("table"), "coffer_schema"]) == sorted(schema.metadata.tables)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The operator's, with a server in it that has served."""
    author = Author(coffer="shop")
    home = tmp_path / "home"
    with running_server(home / "coffer") as server:
        server.add_publisher("shop", author.identity.public_text())
        upload(server.address, author, author.first())
        upload(server.address, author, author.release([author.put(author.key.id, b"second")]))
    for folder in ("safe", "backups"):
        (home / folder).mkdir()
    (home / "publisher.pub").write_text(author.identity.public_text() + "\n")
    return home


def test_its_commands_work(home: Path, tmp_path: Path) -> None:
    environment = home_environment(home)
    environment["PATH"] = f"{commands_folder(tmp_path / 'bin')}:{environment['PATH']}"
    ran = 0
    for mark, commands in BLOCKS:
        if mark == "not run":
            continue
        with running_server(home / "coffer") if mark == "serving" else nullcontext():
            done = subprocess.run(["bash", "-euc", commands], cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, commands + done.stderr
        ran += 1
        if "verify" in commands:
            assert "verified: " in done.stdout
        if "health" in commands:
            assert done.stdout.startswith("ok\n")
    assert ran == 9
    # The last of them has begun without a database: any serial is accepted.
    author = Author(coffer="shop")
    with running_server(home / "coffer") as server:
        upload(server.address, author, author.release([author.put(author.key.id, b"again")], serial=7, prev=bytes(32)))
    with closing(StateFolder(home / "coffer").store()) as store:
        assert store.fetch(author.key.id).serial == 7
    assert (home / "safe" / "identity").read_bytes() == (home / "coffer" / "identity").read_bytes()
