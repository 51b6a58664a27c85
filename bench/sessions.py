"""Measure what a fetch costs the server, compared with its cryptography alone: new sessions with a real server process.

    python -m bench.sessions [--sessions N] [--rounds N]

Both figures are CPU seconds, taken in turn within one run because the machine may be shared: the server's from the operating system's
account of its process; the cryptography's from the server's half of the very same sessions, driven in memory with nothing around it. Read
the ratio.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from bench.setting import Setting, published
from coffer_protocol.message import Get, Link, OkGet
from coffer_protocol.session import ClientSession, ServerSession
from coffer_protocol.suite.noise import NoiseInitiator, NoiseResponder, hint


def process_cpu_s(pid: int) -> float:
    """User and system time that a process has had, in seconds (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fetch(setting: Setting) -> bytes:
    """One session over loopback: Hello, Link, Get, OkGet, Bye. The body of OkGet."""
    host = setting.address.hosts[0]
    session = ClientSession(NoiseInitiator(setting.identity, setting.address.server))
    with socket.create_connection((host.name, host.port)) as connection:

        def receive() -> object:
            while (message := session.next_message()) is None:
                session.receive(connection.recv(65536))
            return message

        connection.sendall(session.hello())
        assert receive() == Link()
        connection.sendall(session.send(Get()))
        answer = receive()
        assert isinstance(answer, OkGet)
        connection.sendall(session.bye())
    return answer.coffer


def cryptography_cpu_s(setting: Setting, sessions: int, body: bytes) -> float:
    """CPU time of the server's half of so many sessions, in seconds: opening Hello, Get and Bye, sealing Link and OkGet."""
    secret = NoiseSecret(setting)
    spent = 0.0
    for _ in range(sessions):
        client = ClientSession(NoiseInitiator(setting.identity, secret.server_id))
        server = ServerSession({1: lambda: NoiseResponder(secret.keys)})
        hello = client.hello()
        start = time.process_time()
        server.receive(hello)
        server.next_message()
        link = server.send(Link())
        spent += time.process_time() - start
        client.receive(link)
        client.next_message()
        get = client.send(Get())
        start = time.process_time()
        server.receive(get)
        server.next_message()
        answer = server.send(OkGet(coffer=body))
        spent += time.process_time() - start
        client.receive(answer)
        client.next_message()
        bye = client.bye()
        start = time.process_time()
        server.receive(bye)
        server.next_message()
        spent += time.process_time() - start
    return spent


class NoiseSecret:
    """The keys of a server of this benchmark's own: what is measured does not depend on which they are."""

    def __init__(self, setting: Setting) -> None:
        self.server_id = setting.identity.id()
        self.keys = {hint(self.server_id): setting.identity.box_secret()}


def main() -> None:
    """Measure, and print a line for each round and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, published(Path(folder)) as setting:
        pid = setting.server.process.pid
        for _ in range(50):
            body = fetch(setting)
        ratios = []
        for _ in range(options.rounds):
            before, start = process_cpu_s(pid), time.perf_counter()
            for _ in range(options.sessions):
                fetch(setting)
            wall_s = time.perf_counter() - start
            server_s = process_cpu_s(pid) - before
            cryptography_s = cryptography_cpu_s(setting, options.sessions, body)
            ratios.append(server_s / cryptography_s)
            print(
                f"server {server_s / options.sessions * 1e3:.2f} ms CPU a fetch, "
                f"its cryptography {cryptography_s / options.sessions * 1e3:.2f} ms, "
                f"ratio {ratios[-1]:.2f}; {options.sessions / wall_s:.0f} fetches a second from one client process"
            )
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
