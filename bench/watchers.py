"""Measure how soon a release reaches all watching clients: a real server process, and as many real sockets as there are watchers.

    python -m bench.watchers [--watchers N] [--rounds N]

Every watcher's key has its own shard; a release that changes one of them is news for all. The time is taken from OkCommit to the last
byte of the last OkGet, on the clock that all processes share. The watchers are in two processes that do as little as possible: until the
last has its answer they only look for the ends of frames, and open what has come afterwards. Server and watchers share the machine's cores,
so read the result together with their number.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import select
import socket
import statistics
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.sessions import process_cpu_s
from coffer_protocol.address import ServerAddress
from coffer_protocol.frame import Decoder
from coffer_protocol.identity import Identity
from coffer_protocol.message import Commit, Link, MessageType, OkCommit, OkGet, Watch
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.noise import NoiseInitiator
from tests.server.publishing import Author, Release
from tests.server.running import RunningServer, running_server
from tests.server.sockets import link, opened, upload

PROCESSES = 2
SHARD_BYTES = 2048
# Descriptors in addition to the watchers'.
OTHERS = 200


@dataclass(slots=True)
class Waiting:
    """One watcher: its connection, its session, and what of an answer has come."""

    connection: socket.socket
    session: ClientSession
    decoder: Decoder
    received: bytearray

    def is_answered(self) -> bool:
        """Read what is there; whether an OkGet is whole. A Still is nothing."""
        data = self.connection.recv(65536)
        assert data, "the server has closed a watcher's connection"
        self.decoder.feed(data)
        self.received += data
        while (frame := self.decoder.next_frame()) is not None:
            if frame.kind == MessageType.OK_GET:
                return True
            assert frame.kind == MessageType.STILL, "not what a watcher waits for"
        return False

    def open(self) -> SealedAnswer:
        """The answer."""
        self.session.receive(bytes(self.received))
        self.received.clear()
        while not isinstance(message := self.session.next_message(), OkGet):
            assert message is not None
        return SealedAnswer.decode_untrusted(message.coffer)


def connect(address: ServerAddress, identity: Identity) -> Waiting:
    """A session up to its Link."""
    host = address.hosts[0]
    connection = socket.create_connection((host.name, host.port))
    session = ClientSession(NoiseInitiator(identity, address.server))
    connection.sendall(session.hello())
    while (message := session.next_message()) is None:
        session.receive(connection.recv(65536))
    assert message == Link()
    return Waiting(connection, session, Decoder(), bytearray())


def watch(address: ServerAddress, seeds: list[int], control: Connection) -> None:
    """A process of watchers. Told a serial, it watches from there, says so, and says when the last has its answer; told None, it ends."""
    raise_descriptors()
    waiting = [connect(address, Identity(seed=number.to_bytes(32, "big"))) for number in seeds]
    poll = select.epoll()
    by_descriptor = {watcher.connection.fileno(): watcher for watcher in waiting}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    control.send("linked")
    while (serial := control.recv()) is not None:
        for watcher in waiting:
            watcher.connection.sendall(watcher.session.send(Watch(serial=serial)))
        control.send("watching")
        left = len(waiting)
        while left:
            for descriptor, _ in poll.poll():
                left -= by_descriptor[descriptor].is_answered()
        control.send(time.monotonic())
        for watcher in waiting:
            assert len(watcher.open().blob) == SHARD_BYTES
    poll.close()


def raise_descriptors() -> None:
    """Let this process have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss_kib(pid: int) -> int:
    """A process's resident memory, in KiB (proc(5))."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def commit(server: RunningServer, author: Author, release: Release) -> float:
    """Upload a release; when OkCommit had come."""
    with opened(server.address, author) as client:
        client.send(*release.changes)
        client.say(Commit(signed=release.signed), OkCommit)
        committed = time.monotonic()
        client.socket.sendall(client.session.bye())
    author.published(release)
    return committed


def main() -> None:
    """Measure, and print a line for each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    raise_descriptors()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= options.watchers + OTHERS, "the limit of open files is too low (ulimit -n)"
    seeds = list(range(1000, 1000 + options.watchers))
    ids = [Identity(seed=number.to_bytes(32, "big")).id() for number in seeds]
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "server") as server:
        author = Author()
        server.add_publisher(author.coffer, author.identity.public_text())
        upload(server.address, author, author.first({id_: os.urandom(SHARD_BYTES) for id_ in ids}))
        # What a server has after its first sessions is not the watchers'.
        link(server.address, author.identity).socket.close()
        measure(server, author, seeds, ids, options.rounds)


def measure(server: RunningServer, author: Author, seeds: list[int], ids: list[bytes], rounds: int) -> None:
    """Start the watchers, then publish as many releases as there are rounds."""
    pid = server.process.pid
    before_kib, before_s, start = rss_kib(pid), process_cpu_s(pid), time.monotonic()
    controls = []
    for number in range(PROCESSES):
        ours, theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=watch, args=(server.address, seeds[number::PROCESSES], theirs), daemon=True).start()
        controls.append(ours)
    for control in controls:
        control.recv()
    print(
        f"{len(seeds)} handshakes in {time.monotonic() - start:.1f} s, "
        f"{(process_cpu_s(pid) - before_s) / len(seeds) * 1e3:.2f} ms CPU of the server each"
    )
    times = []
    for _ in range(rounds):
        for control in controls:
            control.send(author.serial)
        for control in controls:
            control.recv()
        settle(pid)
        idle_kib, idle_s = rss_kib(pid), process_cpu_s(pid)
        committed = commit(server, author, author.release([author.put(ids[0], os.urandom(SHARD_BYTES))]))
        last: float = max(control.recv() for control in controls)
        times.append(last - committed)
        print(
            f"release {author.serial} had reached {len(seeds)} watchers {last - committed:.2f} s after OkCommit; "
            f"{process_cpu_s(pid) - idle_s:.2f} s CPU of the server, upload included; "
            f"{(idle_kib - before_kib) / len(seeds):.1f} KiB of memory for a watcher"
        )
    for control in controls:
        control.send(None)
    print(f"median {statistics.median(times):.2f} s on {os.cpu_count()} cores")


def settle(pid: int) -> None:
    """Wait until the server has nothing left to do: it has used next to no CPU for a while."""
    spent = -1.0
    while (now := process_cpu_s(pid)) - spent > 0.02:
        spent = now
        time.sleep(0.5)


if __name__ == "__main__":
    main()
