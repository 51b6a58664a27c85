"""Many servers on one PostgreSQL database, as processes of their own: what one commits all serve, and none stops with the database."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

import tests.postgres
from coffer_common import keyfile
from coffer_protocol.message import Commit, Error, Get, Link, OkCommit, OkGet, OkOpen, Open, Watch
from coffer_protocol.release import head as heads
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Tree
from coffer_server.store.log import verification
from coffer_server.store.open import open_postgres
from tests.postgres import Postgres

from .publishing import Author, identity
from .running import RunningServer, coffer_server, running_server
from .sockets import is_unknown, link, opened, start, upload

WEB = identity(100)
WORKER = identity(101)
# For what comes within a second, on a machine that has other things to do.
SOON_S = 30.0


@contextmanager
def sharing(folder: Path, url: str) -> Iterator[tuple[RunningServer, RunningServer]]:
    """Two servers that share a database and an identity."""
    first, second = folder / "first", folder / "second"
    for arguments in ([first], [second, "--identity", first / "identity"]):
        made = coffer_server("init", *arguments, "--store", url)
        assert made.returncode == 0, made.stderr
    with running_server(first) as one, running_server(second) as other:
        assert one.address.server == other.address.server
        yield one, other


@pytest.fixture
def servers(tmp_path: Path, database_url: str) -> Iterator[tuple[RunningServer, RunningServer]]:
    """Two servers on a database of their own."""
    with sharing(tmp_path, database_url) as made:
        yield made


def get(server: RunningServer) -> SealedAnswer:
    """What WEB gets."""
    with link(server.address, WEB) as client:
        return SealedAnswer.decode_untrusted(client.say(Get(), OkGet).coffer)


def test_what_one_commits_all_serve(servers: tuple[RunningServer, RunningServer]) -> None:
    first, second = servers
    author = Author()
    first.add_publisher("web-shop", author.identity.public_text())
    upload(first.address, author, author.first({WEB.id(): b"first"}))
    assert get(second).blob == b"first"
    upload(second.address, author, author.release([author.put(WEB.id(), b"second")]))
    assert get(first).blob == b"second"
    listed = coffer_server("publisher", "list", second.state_dir)
    assert "web-shop" in listed.stdout
    assert coffer_server("publisher", "remove", second.state_dir, "web-shop", author.identity.public_text()).returncode == 0
    with link(first.address, author.identity) as client:
        client.send(Open(coffer="web-shop"))
        client.expect_error("denied")


def test_watchers_of_every_server_are_woken(servers: tuple[RunningServer, RunningServer]) -> None:
    author = Author()
    servers[0].add_publisher("web-shop", author.identity.public_text())
    upload(servers[0].address, author, author.first({WEB.id(): b"first"}))
    with ExitStack() as stack:
        watchers = [stack.enter_context(link(server.address, WEB)) for server in servers]
        for client in watchers:
            client.send(Watch(serial=1))
        upload(servers[0].address, author, author.release([author.put(WEB.id(), b"second")]))
        for client in watchers:
            assert SealedAnswer.decode_untrusted(client.expect(OkGet).coffer).blob == b"second"


def test_of_two_uploads_at_once_one_wins(servers: tuple[RunningServer, RunningServer]) -> None:
    author = Author()
    servers[0].add_publisher("web-shop", author.identity.public_text())
    upload(servers[0].address, author, author.first())
    rivals = [author.release([author.put(WEB.id(), blob)]) for blob in (b"first", b"second")]
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(server.address, author)) for server in servers]
        for client, release in zip(clients, rivals, strict=True):
            client.send(*release.changes, Commit(signed=release.signed))
        answers = [client.receive() for client in clients]
    assert {type(answer) for answer in answers} == {OkCommit, Error}
    assert {answer.code for answer in answers if isinstance(answer, Error)} == {"conflict"}


def assert_serves(server: RunningServer, *, release: int) -> None:
    """The server is well, and has heard of this release, or will within a second."""
    deadline = time.monotonic() + SOON_S
    while (health := server.health()).releases != {"web-shop": release}:
        assert time.monotonic() < deadline
    assert (health.status, health.reads, health.reads_trouble) == ("ok", "database", None)
    assert (health.writes, health.writes_trouble) == ("accepted", None)


def test_servers_go_on_while_the_database_is_away(tmp_path: Path) -> None:
    author = Author()
    with tests.postgres.primary(**tests.postgres.FAST) as postgres, sharing(tmp_path, tests.postgres.url(postgres)) as servers:
        first, second = servers
        first.add_publisher("web-shop", author.identity.public_text())
        upload(first.address, author, author.first({WEB.id(): b"first", WORKER.id(): b"first"}))
        for server in servers:
            assert get(server).blob == b"first"
        # Each has a socket of its own, and hears of what the other commits.
        assert first.health().pid == first.process.pid
        assert_serves(first, release=1)
        assert_serves(second, release=1)
        began = int(time.time())
        postgres.stop()
        for server in servers:
            assert get(server).blob == b"first"
            server.wait_for_log("the database is away: serving from memory")
            # Neither is unknown.
            for client in (WORKER, identity(404)):
                with start(server.address, client) as session:
                    session.expect_error("busy")
            health = server.health()
            assert (health.status, health.exit_code) == ("degraded", 7)
            assert (health.reads, health.writes, health.releases) == ("memory", "refused", {"web-shop": 1})
            assert health.reads_trouble is not None
            assert began <= health.reads_trouble.since <= int(time.time())
            assert health.database.endswith(f"on {postgres.host}")
            shown = coffer_server("health", server.state_dir)
            assert shown.stdout.startswith("degraded\n  reads        from memory since 20")
        postgres.start()
        for server in servers:
            server.wait_for_log("the database is back")
            assert_serves(server, release=1)
        upload(first.address, author, author.release([author.put(WEB.id(), b"second")]))
        for server in servers:
            assert get(server).blob == b"second"
            assert is_unknown(server.address, identity(404))
            assert_serves(server, release=2)
        # A server that starts has nothing in memory.
        second.stop()
        postgres.stop()
        refused = coffer_server("run", second.state_dir)
        assert refused.returncode == 1
        assert "the database cannot be reached" in refused.stderr
        assert "Traceback" not in refused.stderr
        absent = coffer_server("health", second.state_dir)
        assert (absent.returncode, "no server runs on" in absent.stderr) == (3, True)


# ---------------------------------------------------------------------------------------------------------- failover


class Publishing:
    """Uploads one release after the other to servers in turn, in a thread, until told to stop.

    Attributes:
        acknowledged: *signed* of every release that a server said is durable, by serial.
    """

    def __init__(self, servers: tuple[RunningServer, RunningServer], author: Author) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self._servers = itertools.cycle(servers)
        self._author = author
        self._more = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        with self._more:
            wanted = len(self.acknowledged) + count
            assert self._more.wait_for(lambda: len(self.acknowledged) >= wanted or not self._thread.is_alive(), timeout=120)
        assert len(self.acknowledged) >= wanted

    def stop(self) -> None:
        """End the thread."""
        self._is_stopping = True
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._is_stopping:
                return
            # A server without its database says Error, one that was asked in the middle may end the connection.
            with suppress(AssertionError, OSError):
                self._upload(next(self._servers), b"%d" % number)

    def _upload(self, server: RunningServer, blob: bytes) -> None:
        author = self._author
        with start(server.address, author.identity) as client:
            client.expect(Link)
            shown = client.say(Open(coffer=author.coffer), OkOpen)
            assert shown.signed is not None
            if shown.signed != author.signed:
                # One that was not acknowledged is there all the same.
                author.entries = {entry.id: entry for entry in shown.entries()}
                author.serial = heads.verify_untrusted(shown.signed, publishers={author.key.sign}).head.serial
                author.signed = shown.signed
            release = author.release([author.put(WEB.id(), blob), author.put(WORKER.id(), blob)])
            client.send(*release.changes)
            client.say(Commit(signed=release.signed), OkCommit)
        author.published(release)
        with self._more:
            self.acknowledged[author.serial] = release.signed
            self._more.notify_all()


def check_every_release(postgres: Postgres, server: RunningServer, acknowledged: dict[int, bytes]) -> None:
    """Every acknowledged release is in the database, every release that is there is whole, and there is nothing else."""
    author = Author()
    at_rest_key = keyfile.read(server.state_dir / "identity").at_rest_key()
    with closing(open_postgres(tests.postgres.url(postgres), at_rest_key=at_rest_key)) as store:
        assert verification.verify(store.database, store.roots).releases >= len(acknowledged)
        all_signed = store.heads(coffer=author.coffer, asker=author.key.id, from_serial=1)
        for serial, signed in enumerate(all_signed, start=1):
            assert acknowledged.get(serial, signed) == signed
            head = heads.verify_untrusted(signed, publishers={author.key.sign}).head
            with store.entries(coffer=author.coffer, publisher=author.key.id, serial=serial) as listing:
                tree = Tree(leaf_hashes(author.coffer, listing.entries))
            assert (head.serial, head.count, head.root) == (serial, tree.size, tree.root)
        assert max(acknowledged) <= len(all_signed)


def test_failover_loses_no_acknowledged_release(tmp_path: Path) -> None:
    with tests.postgres.primary(**tests.postgres.FAST) as primary, tests.postgres.standby_of(primary, "standby") as standby:
        primary.configure(synchronous_standby_names="standby")
        primary.reload()
        while primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            pass
        with sharing(tmp_path, tests.postgres.url(primary, standby)) as servers:
            author = Author()
            servers[0].add_publisher("web-shop", author.identity.public_text())
            upload(servers[0].address, author, author.first({WEB.id(): b"first", WORKER.id(): b"first"}))
            publishing = Publishing(servers, author)
            try:
                publishing.wait_for(10)
                primary.kill()
                standby.promote()
                publishing.wait_for(10)
            finally:
                publishing.stop()
            for server in servers:
                assert int(get(server).blob) >= 0
                assert server.process.poll() is None
        check_every_release(standby, servers[0], publishing.acknowledged)


# --------------------------------------------------------------------------------------------------------------- upkeep


def test_what_looks_after_the_store_does_so_here_too(servers: tuple[RunningServer, RunningServer], tmp_path: Path) -> None:
    first, second = servers
    author = Author()
    first.add_publisher("web-shop", author.identity.public_text())
    upload(first.address, author, author.first({WEB.id(): b"first"}))
    assert get(second).blob == b"first"
    looked_after = {"verify": "3 events", "log": "released", "rotate at-rest": "new root key", "rebuild": "rebuilt"}
    for command, said in looked_after.items():
        done = coffer_server(*command.split(), second.state_dir)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout + done.stderr
    # Both servers serve what is sealed under a root key that they did not know.
    upload(first.address, author, author.release([author.put(WEB.id(), b"second")]))
    for server in servers:
        assert get(server).blob == b"second"
    for command in ("backup", "restore"):
        refused = coffer_server(command, first.state_dir, tmp_path / "copy")
        assert refused.returncode == 1
        assert "docs/storage-postgres.md" in refused.stderr


def test_another_identity_can_take_over(servers: tuple[RunningServer, RunningServer], tmp_path: Path) -> None:
    first, _ = servers
    identity_path = first.state_dir / "identity"
    former = tmp_path / "former"
    former.write_text(identity_path.read_text())
    former.chmod(0o600)
    first.stop()
    for path in (identity_path, first.state_dir / "identity.pub"):
        path.unlink()
    keyfile.write(identity_path, identity(55).file_text(), identity(55).public_text())
    refused = coffer_server("publisher", "list", first.state_dir)
    assert "--from OLD_IDENTITY" in refused.stderr
    taken = coffer_server("rotate", "at-rest", first.state_dir, "--from", former)
    assert taken.returncode == 0, taken.stderr
    assert coffer_server("verify", first.state_dir).returncode == 0
