"""The server as a process of its own: what an operator starts, stops, and loses power under."""

from __future__ import annotations

import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coffer_protocol import question
from coffer_protocol.identity import BareKey, Identity, format_id
from coffer_protocol.message import Commit, Drop, Get, OkCommit, OkGet, Tell, Watch
from coffer_protocol.question import Fetches, Heads
from coffer_protocol.release import blob
from coffer_protocol.release.coffer import SealedAnswer, accept_untrusted
from coffer_protocol.release.trust import Demand
from coffer_protocol.shard import Secret, encode

from .publishing import ISSUED, Author, identity
from .running import ROOT, RunningServer, coffer_server, running_server, wait_until_ready
from .sockets import connect, is_unknown, link, opened, start, upload

WEB = identity(100)
BARE = identity(101)


def get(server: RunningServer, who: Identity) -> SealedAnswer:
    with link(server.address, who) as client:
        answer = client.say(Get(), OkGet)
        client.socket.sendall(client.session.bye())
        assert client.socket.recv(1) == b""
    return SealedAnswer.decode_untrusted(answer.coffer)


def test_sealed_and_verified_end_to_end(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        author = Author()
        server.add_publisher("web-shop", author.identity.public_text())
        secrets = (Secret(key="db.password", value="canary-91b2"),)
        shard = encode(secrets)
        sealed = {
            WEB.id(): (2, blob.seal(WEB.public(), coffer="web-shop", since=1, shard=shard)),
            BARE.plain_id(): (1, blob.seal(BareKey(id=BARE.plain_id()), coffer="web-shop", since=1, shard=shard)),
        }
        upload(server.address, author, author.release([author.put(id_, data, alg=alg) for id_, (alg, data) in sealed.items()]))
        demand = Demand(coffer="web-shop", publishers={author.key.sign})
        for who, plain, address in ((WEB, False, server.address), (BARE, True, server.plain_address)):
            with link(address, who, plain=plain) as client:
                answer = client.say(Get(), OkGet)
            accepted = accept_untrusted(SealedAnswer.decode_untrusted(answer.coffer), demand, identity=who, plain=plain, now=ISSUED)
            assert accepted.secrets == secrets
        assert is_unknown(server.address, identity(404))
        assert server.stop() == 0
        log = server.log_text()
        assert "canary-91b2" not in log
        assert WEB.secret_text() not in log
        assert "release committed" in log
        assert log.count("fetch served") == 2
        assert "404" not in re.sub(r"\S*T\S*Z", "", log)


def test_ready_file_and_addresses(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        [host] = server.address.hosts
        assert (tmp_path / "state" / "ready").read_text() == f"127.0.0.1:{host.port}\n"
        assert f"listening address=127.0.0.1:{host.port}" in server.log_text()
        assert server.stop() == 0
        assert not (tmp_path / "state" / "ready").exists()
        assert list((tmp_path / "state").glob("ready*")) == []


def test_it_says_how_it_is(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        health = server.health()
        [host] = server.address.hosts
        assert (health.status, health.pid, health.listening) == ("ok", server.process.pid, (f"127.0.0.1:{host.port}",))
        assert (health.event, health.releases, health.connections, health.watchers) == (0, {}, 0, 0)
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"first"}))
        with link(server.address, WEB) as idle, link(server.address, WEB) as watcher:
            watcher.say(Get(), OkGet)
            watcher.send(Watch(serial=1))
            # Once the other is answered, which came later, the server has the Watch too.
            idle.say(Get(), OkGet)
            health = server.health()
            assert (health.releases, health.connections, health.watchers) == ({"web-shop": 1}, 2, 1)
        shown = coffer_server("health", server.state_dir)
        assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, "ok")
        # Nobody else on the machine can ask.
        assert stat.S_IMODE((server.state_dir / "health.sock").stat().st_mode) == 0o600
        server.kill()
        assert coffer_server("health", server.state_dir).returncode == 3
    # The socket that was left is in nobody's way.
    with running_server(tmp_path / "state") as server:
        assert server.health().status == "ok"
        assert server.stop() == 0
        assert not (tmp_path / "state" / "health.sock").exists()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv6(tmp_path: Path) -> None:
    with running_server(tmp_path / "state", listen="[::1]:0") as server:
        assert is_unknown(server.address, WEB)
        assert (tmp_path / "state" / "ready").read_text().startswith("[::1]:")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it(tmp_path: Path, number: signal.Signals) -> None:
    with running_server(tmp_path / "state") as server:
        server.process.send_signal(number)
        assert server.process.wait(30) == 0
        assert f"stopping signal={number.name}" in server.log_text()
        assert "Traceback" not in server.log_text()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        taken = str(server.address.hosts[0].port)
        second = coffer_server("run", tmp_path / "state", "--listen", f"127.0.0.1:{taken}")
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{taken}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_watcher_sees_a_release_and_its_fetch_outlives_the_server(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"first"}))
        with link(server.address, WEB) as watcher:
            watcher.say(Get(), OkGet)
            watcher.send(Watch(serial=1))
            upload(server.address, author, author.release([author.put(WEB.id(), b"second")]))
            assert SealedAnswer.decode_untrusted(watcher.expect(OkGet).coffer).blob == b"second"
            watcher.send(Watch(serial=2))
            assert server.stop() == 0
            assert watcher.socket.recv(1) == b""
    with running_server(tmp_path / "state") as server, link(server.address, author.identity) as client:
        [fetch] = question.fetches_untrusted(client.say(Fetches(coffer="web-shop").to_ask(), Tell))
        assert (fetch.id, fetch.serial) == (WEB.id(), 2)
        assert abs(fetch.at - time.time()) < 60
        heads = list(question.heads_untrusted(client.say(Heads(coffer="web-shop", from_serial=2).to_ask(), Tell)))
        assert heads == [author.signed]


def test_publishers_take_effect_without_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        author = Author()
        assert is_unknown(server.address, author.identity)
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first())
        assert get(server, author.identity).blob == b"note key"


def test_blocking_takes_effect_without_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        author = Author()
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"first", BARE.id(): b"other"}))
        with link(server.address, WEB) as before, link(server.address, WEB) as watcher:
            watcher.send(Watch(serial=1))
            assert coffer_server("client", "block", server.state_dir, format_id(WEB.id())).returncode == 0
            assert is_unknown(server.address, WEB)
            before.send(Get())
            before.expect_error("denied")
            upload(server.address, author, author.release([author.put(WEB.id(), b"second")]))
            watcher.expect_error("denied")
        assert get(server, BARE).blob == b"other"
        assert coffer_server("client", "unblock", server.state_dir, format_id(WEB.id())).returncode == 0
        assert get(server, WEB).blob == b"second"
        assert coffer_server("client", "block", server.state_dir, format_id(author.key.id)).returncode == 0
        assert is_unknown(server.address, author.identity)
        assert coffer_server("verify", server.state_dir).returncode == 0


def test_an_upload_cut_off_by_kill_leaves_nothing(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"first"}))
        cut = author.release([author.put(WEB.id(), bytes(1 << 20)), author.put(identity(3).id(), bytes(1 << 20))])
        with opened(server.address, author) as client:
            client.send(*cut.changes)
            server.kill()
    files = {file.name for file in (tmp_path / "state").iterdir()}
    assert files <= {"identity", "identity.pub", "server.toml", "server.log", "ready", "health.sock"} | {
        f"coffer.sqlite3{end}" for end in ("", "-wal", "-shm")
    }
    with running_server(tmp_path / "state") as server:
        assert get(server, WEB).blob == b"first"
        assert is_unknown(server.address, identity(3))
        upload(server.address, author, author.release([author.put(WEB.id(), b"second")]))
        assert get(server, WEB).blob == b"second"


def test_what_was_acknowledged_survives_kill(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher("web-shop", author.identity.public_text())
        release = author.first({WEB.id(): b"acknowledged"})
        with opened(server.address, author) as client:
            client.send(*release.changes)
            client.say(Commit(signed=release.signed), OkCommit)
            server.kill()
        author.published(release)
    with running_server(tmp_path / "state") as server:
        assert get(server, WEB).blob == b"acknowledged"
        upload(server.address, author, author.release([Drop(id=WEB.id())]))


def test_a_database_that_is_lost_is_restored_by_one_upload(tmp_path: Path) -> None:
    author = Author()
    with running_server(tmp_path / "state") as server:
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first())
        upload(server.address, author, author.release([author.put(WEB.id(), b"second")]))
    for file in (tmp_path / "state").glob("coffer.sqlite3*"):
        file.unlink()
    with running_server(tmp_path / "state") as server:
        assert "the database is missing" in server.log_text()
        server.add_publisher("web-shop", author.identity.public_text())
        upload(server.address, author, author.first({WEB.id(): b"third"}))
        assert get(server, WEB).blob == b"third"


def test_connections_are_bounded(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert coffer_server("init", state).returncode == 0
    (state / "server.toml").write_text("max_connections = 2\n")
    with running_server(state) as server:
        held = [connect(server.address.hosts[0]) for _ in range(2)]
        # Those two are in the server's hands once it has closed a third.
        with connect(server.address.hosts[0]) as third:
            assert third.recv(1) == b""
        for connection in held:
            # It has a place again once the server has closed its side.
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
            connection.close()
        with start(server.address, WEB) as client:
            client.receive()


def test_libraries_that_are_too_old_are_named() -> None:
    code = (
        "from coffer_protocol.crypto import known_answers; from coffer_protocol.errors import UnavailableError\n"
        "def check(): raise UnavailableError('no ML-KEM-768')\n"
        "known_answers.check = check\n"
        "from coffer_server.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, "no ML-KEM-768" in ended.stderr) == (2, True)


def test_a_ready_file_that_cannot_be_written(tmp_path: Path) -> None:
    assert coffer_server("init", tmp_path / "state").returncode == 0
    ready_file = tmp_path / "nowhere" / "ready"
    ended = coffer_server("run", tmp_path / "state", "--listen", "127.0.0.1:0", "--ready-file", ready_file)
    assert ended.returncode == 1
    assert f"coffer-server: {ready_file}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_link_in_the_place_of_the_ready_file_is_not_followed(tmp_path: Path) -> None:
    state, ready, elsewhere = tmp_path / "state", tmp_path / "ready", tmp_path / "elsewhere"
    assert coffer_server("init", state).returncode == 0
    ready.symlink_to(elsewhere)
    command = [sys.executable, "-m", "coffer_server", "run", str(state), "--listen", "127.0.0.1:0", "--ready-file", str(ready)]
    log = tmp_path / "log"
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr, stdin=subprocess.DEVNULL) as server:
        try:
            assert wait_until_ready(server, ready, log)
            assert stat.S_ISREG(ready.lstat().st_mode)
        finally:
            server.terminate()
    assert server.returncode == 0
    assert not ready.exists()
    assert not elsewhere.exists()
