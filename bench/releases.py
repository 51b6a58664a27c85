"""Measure what releases of many clients cost: bytes on the wire, seconds, and the peak memory of the companion and of the server.

    python -m bench.releases                       # 1,000, 10,000 and 100,000 clients
    python -m bench.releases --clients 1000 10000

A real server process, and a process of its own for each step: the first upload, a change of one client, a look at the history, and the
rollback of that change. Clients are known by bare keys, because making 100,000 full ones would take longer than all the rest; each has
five secrets. Making the definition is not part of the seconds; its memory is shown under `before`, next to the peak. `seconds` is the time
to wait. `CPU s` is the companion's own part in it, which tells more if the machine is shared; `x` is its ratio to that of the size before.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from coffer_common import keyfile
from coffer_companion import connection
from coffer_companion.releases.commit import based, make
from coffer_companion.releases.history import history
from coffer_companion.releases.plan import Plan
from coffer_companion.releases.rollback import Rollback
from coffer_companion.releases.shards import Wanted
from coffer_companion.releases.upload import Publication
from coffer_companion.target import Target
from coffer_protocol import shard
from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import BareKey
from coffer_protocol.shard import Secret
from tests.server.running import RunningServer, running_server

SIZES: Final = (1_000, 10_000, 100_000)
STEPS: Final = ("first upload", "change of one", "history", "rollback")
COFFER: Final = "bench"
_KEYS: Final = 5
_HEADER: Final = (
    "clients  step           down MB      x     up MB      x  seconds      x    CPU s      x  peak MiB     x   before  server MiB   x"
)


def make_wanted(clients: int, *, changed: bool) -> dict[bytes, Wanted]:
    """What a definition of so many clients gives; the same at each call, but for one client where it is `changed`."""
    draw = random.Random(clients)
    wanted = {}
    for number in range(clients):
        # Nearly every 255 bits are an X25519 public key, and nobody needs to open what is sealed to these.
        key = BareKey(id=draw.randbytes(31) + bytes([draw.randrange(0x7F)]))
        version = 2 if changed and number == 0 else 1
        secrets = tuple(Secret(key=f"key_{secret}", value=f"a secret, version {version}, {number} {secret}") for secret in range(_KEYS))
        wanted[key.id] = Wanted(client=f"client-{number}", key=key, secrets=secrets, shard=shard.encode(secrets))
    return wanted


class CountedStream(trio.abc.Stream):
    """A stream that counts what goes through it, in bytes."""

    sent = 0
    received = 0

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, and count."""
        CountedStream.sent += len(data)
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and count."""
        data = await self._stream.receive_some(max_bytes)
        CountedStream.received += len(data)
        return data

    async def aclose(self) -> None:
        """As the stream."""
        await self._stream.aclose()


@contextmanager
def counting() -> Iterator[None]:
    """Count what the companion's connections carry."""
    opened = connection._open_stream

    async def counted(address: ServerAddress) -> CountedStream:
        return CountedStream(await opened(address))

    connection._open_stream = counted  # type: ignore[assignment]
    try:
        yield
    finally:
        connection._open_stream = opened


def peak_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(step: str, clients: int, target: Target) -> dict[str, float]:
    """Do one step in this process."""
    main: Callable[[], Awaitable[object]]
    if step in ("first upload", "change of one"):
        publication = Publication(wanted=make_wanted(clients, changed=step == "change of one"), public={}, lifetime_s=None)

        def approve(plan: Plan) -> None:
            assert len(plan.clients) == (clients if step == "first upload" else 1)

        main = lambda: make(target, publication.draft, approve=approve)  # noqa: E731 - one of three
    elif step == "history":
        main = lambda: _history(target)  # noqa: E731
    else:
        main = lambda: make(target, Rollback(serial=1).draft, approve=lambda plan: None)  # noqa: E731
    before_mib = peak_mib()
    started, started_cpu = time.perf_counter(), time.process_time()
    with counting():
        trio.run(main)
    return {
        "down": CountedStream.received,
        "up": CountedStream.sent,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - started_cpu,
        "before_mib": before_mib,
        "peak_mib": peak_mib(),
    }


async def _history(target: Target) -> None:
    async with based(target) as base:
        assert [event.changes is None for event in (await history(base, limit=20)).events] == [False, False]


def in_own_process(step: str, clients: int, address: ServerAddress, key: Path, state: Path) -> dict[str, float]:
    """Do one step in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "bench.releases",
        "--measure",
        step,
        "--clients",
        str(clients),
        "--key",
        str(key),
        "--state",
        str(state),
    ]
    done = subprocess.run([*command, "--address", str(address)], check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def server_peak_mib(server: RunningServer) -> float:
    """The most memory that the server has had (proc(5))."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kib) / 1024


def run(clients: int, previous: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """All steps for so many clients, on a server of their own, with a line for each."""
    found = {}
    with tempfile.TemporaryDirectory() as name, running_server(Path(name) / "server") as server:
        key = Path(name) / "publisher.key"
        server.add_publisher(COFFER, keyfile.create(key).public_text())
        for step in STEPS:
            result = in_own_process(step, clients, server.address, key, Path(name) / "state.json")
            found[step] = result | {"server_mib": server_peak_mib(server)}
            print(_line(clients, step, found[step], previous.get(step)), flush=True)
    return found


def _line(clients: int, step: str, found: dict[str, float], previous: dict[str, float] | None) -> str:
    def shown(key: str, form: str, scale: float = 1) -> str:
        grown = f"{found[key] / previous[key]:6.1f}" if previous else " " * 6
        return f"{found[key] / scale:{form}} {grown}"

    columns = (
        shown("down", "8.3f", 1e6),
        shown("up", "8.3f", 1e6),
        shown("seconds", "7.2f"),
        shown("cpu", "7.2f"),
        shown("peak_mib", "7.0f"),
        f"{found['before_mib']:7.0f}",
        shown("server_mib", "7.0f"),
    )
    return "  ".join((f"{clients:7,}", f"{step:13}", *columns))


def main() -> None:
    """Measure all steps at all sizes and print a table, or one and print JSON."""
    parser = argparse.ArgumentParser(description="What releases of many clients cost.")
    parser.add_argument("--clients", type=int, nargs="+", default=SIZES)
    parser.add_argument("--measure", choices=STEPS, help=argparse.SUPPRESS)
    for name in ("--address", "--key", "--state"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        address = ServerAddress.from_text(options.address)
        target = Target(address=address, coffer=COFFER, identity=keyfile.read(options.key), state_file=Path(options.state))
        print(json.dumps(measure(options.measure, options.clients[0], target)))
        return
    print(_HEADER)
    previous: dict[str, dict[str, float]] = {}
    for clients in options.clients:
        previous = run(clients, previous)


if __name__ == "__main__":
    main()
