"""The commands that maintain the store, as an operator types them, some while a server runs."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coffer_common import keyfile
from coffer_protocol.identity import Identity, format_id
from coffer_protocol.message import Commit, Get, OkCommit, OkGet
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.cli import app
from coffer_server.state import StateFolder
from coffer_server.store.upkeep.rotation import Rotation

from .publishing import ISSUED, Author, identity
from .running import ROOT, RunningServer, coffer_server, running_server
from .sockets import link, opened, upload

WEB = identity(100)
Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs `coffer-server` with arguments."""

    def invoke(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """A server's state folder, with one release."""
    made = tmp_path / "state"
    assert run("init", made).exit_code == 0
    author = Author()
    with closing(StateFolder(made).store()) as store:
        store.add_publisher(coffer=author.coffer, key=author.key, name="laptop", now=ISSUED)
        release = author.first({WEB.id(): b"for web"})
        store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    return made


def get(server: RunningServer, who: Identity) -> bytes:
    with link(server.address, who) as client:
        answer = client.say(Get(), OkGet)
        client.socket.sendall(client.session.bye())
    return SealedAnswer.decode_untrusted(answer.coffer).blob


def damage(folder: Path, statement: str) -> None:
    with closing(StateFolder(folder).store()) as store, store.database.transaction(writes=True) as connection:
        connection.exec_driver_sql(statement)


def test_verify(folder: Path, run: Run) -> None:
    result = run("verify", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("verified: 3 events, the last with the hash ")
    assert result.stdout.endswith("; 1 releases; 2 blobs\n")


def test_verify_names_what_is_wrong_and_rebuild_mends_it(folder: Path, run: Run) -> None:
    damage(folder, "DELETE FROM publishers")
    result = run("verify", folder)
    assert result.exit_code == 1
    assert f"table of publishers: {format_id(Author().key.id)} is missing" in result.stderr
    assert run("rebuild", folder).stdout.startswith("verified: 3 events")
    assert run("verify", folder).exit_code == 0


def test_log(folder: Path, run: Run) -> None:
    lines = run("log", folder).stdout.splitlines()
    label = f"laptop ({Author().key.fingerprint_text()})"
    assert lines == [
        f"1  2025-06-15T15:06:40Z  publisher-added  web-shop: {label}",
        "2  2025-06-15T15:06:40Z  changed  web-shop 1: 2 set, 0 dropped",
        f"3  2025-06-15T15:06:40Z  released  web-shop 1: 2 keys, publishers among them, by {label}",
    ]


def test_log_as_json(folder: Path, run: Run) -> None:
    events = [json.loads(line) for line in run("log", folder, "--json").stdout.splitlines()]
    assert [event["number"] for event in events] == [1, 2, 3]
    assert [event["prev"] for event in events[1:]] == [event["sha256"] for event in events[:-1]]
    assert events[0]["name"] == "laptop"
    assert {change["id"] for change in events[1]["changes"]} == {format_id(WEB.id()), format_id(Author().key.id)}
    assert (events[2]["coffer"], events[2]["serial"], events[2]["count"]) == ("web-shop", 1, 2)


def test_log_goes_on(folder: Path) -> None:
    command = [sys.executable, "-m", "coffer_server", "log", "--follow", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert [following.stdout.readline().split("  ")[2] for _ in range(3)] == ["publisher-added", "changed", "released"]
        assert coffer_server("publisher", "remove", folder, "web-shop", "laptop").returncode == 0
        label = f"laptop ({Author().key.fingerprint_text()})"
        assert following.stdout.readline().split("  ")[2:] == ["publisher-removed", f"web-shop: {label}\n"]
        following.terminate()


def test_log_goes_on_as_json(folder: Path) -> None:
    command = [sys.executable, "-m", "coffer_server", "log", "--json", "--follow", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        events = [json.loads(following.stdout.readline()) for _ in range(3)]
        assert coffer_server("publisher", "remove", folder, "web-shop", "laptop").returncode == 0
        events.append(json.loads(following.stdout.readline()))
        assert [event["kind"] for event in events] == ["publisher-added", "changed", "released", "publisher-removed"]
        assert events[3]["prev"] == events[2]["sha256"]
        following.terminate()


def test_rotate(folder: Path, run: Run) -> None:
    result = run("rotate", "at-rest", folder)
    assert result.exit_code == 0
    assert "10 values are sealed under a new root key" in result.stderr
    assert run("verify", folder).exit_code == 0
    assert [line.split("  ")[2] for line in run("log", folder).stdout.splitlines()][-2:] == ["rotation-begun", "rotation-ended"]


def test_a_rotation_that_is_interrupted_says_how_to_go_on(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(rotation: Rotation) -> Iterator[int]:
        yield next(whole(rotation))
        raise KeyboardInterrupt

    whole = Rotation.run
    with monkeypatch.context() as patch:
        patch.setattr(Rotation, "run", interrupted)
        result = run("rotate", "at-rest", folder)
    assert result.exit_code == 130
    # The publisher's name is one of the values, and comes first.
    assert (
        "interrupted: 1 of 10 values are sealed under the new root key, and all can be read\n"
        f"hint: continue with: coffer-server rotate at-rest {folder}\n" in result.stderr
    )
    assert run("verify", folder).exit_code == 0
    assert "9 values are sealed under a new root key" in run("rotate", "at-rest", folder).stderr
    assert [line.split("  ")[2] for line in run("log", folder).stdout.splitlines()][-2:] == ["rotation-begun", "rotation-ended"]


def test_a_new_identity_takes_the_database_over(folder: Path, run: Run) -> None:
    former = folder / "identity.old"
    (folder / "identity").rename(former)
    (folder / "identity.pub").unlink()
    keyfile.write(folder / "identity", identity(55).file_text(), identity(55).public_text())
    refused = run("verify", folder)
    assert refused.exit_code == 1
    assert "coffer-server rotate at-rest DIR --from OLD_IDENTITY" in refused.stderr
    assert run("rotate", "at-rest", folder, "--from", former).exit_code == 0
    assert run("verify", folder).exit_code == 0
    server = format_id(identity(55).id())
    assert run("log", folder).stdout.splitlines()[-1].split("  ")[2:] == ["root-keys-taken-over", f"by server {server}"]
    assert json.loads(run("log", "--json", folder).stdout.splitlines()[-1])["server"] == server


def test_a_database_from_before_the_protocol_was_revised_is_refused_with_what_to_type(folder: Path, run: Run) -> None:
    (folder / "coffer.sqlite3").unlink()
    with closing(sqlite3.connect(folder / "coffer.sqlite3")) as connection:
        connection.execute("CREATE TABLE schema_version (version INTEGER)")
    for command in ("verify", "health", "run"):
        refused = run(command, folder)
        if command == "health":
            continue
        assert refused.exit_code == 1
        assert "before Coffer's protocol was revised" in refused.stderr
        for line in ("coffer-server init", "coffer-server publisher add", "coffer-companion id --text", "coffer-companion upload"):
            assert line in refused.stderr


def test_backup_while_serving_and_restore(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher(author.coffer, author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"at the backup"}))
        stop = threading.Event()
        failures: list[BaseException] = []

        def publish_on() -> None:
            number = 0
            try:
                while not stop.is_set():
                    number += 1
                    upload(server.address, author, author.release([author.put(identity(200 + number % 20).id(), bytes(50_000))]))
            except BaseException as error:
                failures.append(error)
                raise

        publishing = threading.Thread(target=publish_on)
        publishing.start()
        made = coffer_server("backup", tmp_path / "state", tmp_path / "backup")
        stop.set()
        publishing.join()
        assert (made.returncode, made.stdout.startswith(f"verified {tmp_path / 'backup'}: ")) == (0, True), made.stderr
        assert not failures
        upload(server.address, author, author.release([author.put(WEB.id(), b"after it")]))
        refused = coffer_server("restore", tmp_path / "state", tmp_path / "backup")
        assert refused.returncode == 1
        assert "is in use by a server: stop it first" in refused.stderr
        assert get(server, WEB) == b"after it"
    restored = coffer_server("restore", tmp_path / "state", tmp_path / "backup")
    assert restored.returncode == 0, restored.stderr
    assert "the old database is now" in restored.stderr
    with running_server(tmp_path / "state") as server:
        assert get(server, WEB) == b"at the backup"


def test_a_disk_that_takes_nothing_more(tmp_path: Path) -> None:
    """The server cannot write, says so, and serves on; when the disk has room again, it writes again."""
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher(author.coffer, author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"for web"}))
        # The log is small; the write-ahead log and what an upload keeps on disk are not.
        unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        release = author.release([author.put(WEB.id(), bytes(200_000))])
        with opened(server.address, author) as client:
            client.send(*release.changes, Commit(signed=release.signed))
            client.expect_error("internal")
        assert get(server, WEB) == b"for web"
        health = server.health()
        assert (health.status, health.reads, health.writes, health.releases) == ("degraded", "database", "refused", {author.coffer: 1})
        assert health.writes_trouble is not None
        assert "File too large" in health.writes_trouble.reason
        assert "the store failed" in server.log_text()
        assert "Traceback" not in server.log_text()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        with opened(server.address, author) as client:
            client.send(*release.changes)
            client.say(Commit(signed=release.signed), OkCommit)
        assert get(server, WEB) == bytes(200_000)
        assert server.health().status == "ok"
    assert coffer_server("verify", tmp_path / "state").returncode == 0
