"""Measure what a million clients cost a server on SQLite, compared with a thousand: starting, memory, look-ups, and fetches.

    python -m bench.million [--clients N] [--few N] [--fetches N] [--folder DIR]

Two servers are made by one upload each, of shards of 2 KB. Then both run as processes of their own, and are measured in turn within one
run because the machine may be shared: read the ratios. Needs 10 KB of disk for each client, and gives it back.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.sessions import fetch
from bench.setting import Setting
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import Identity
from coffer_protocol.message import Entry, Put
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import Head
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Tree
from coffer_server.state import StateFolder
from tests.server.running import RunningServer, coffer_server, running_server

SHARD_BYTES: Final = 2048
COFFER: Final = "bench"
# Clients that really fetch; the ids of the others are keys whose secret nobody has.
SAMPLE: Final = 2000


def sample() -> list[Identity]:
    """The identities of the clients that fetch."""
    return [Identity(seed=sha256(b"bench %d" % number)) for number in range(SAMPLE)]


def ids(clients: int) -> list[bytes]:
    """The ids of all clients, in order."""
    known = [identity.id() for identity in sample()[:clients]]
    return sorted(known + [sha256(b"%d" % number)[:-1] + b"\0" for number in range(clients - len(known))])


def blob(client: bytes) -> bytes:
    """Return random bytes in place of a sealed shard, which cannot be compressed either."""
    return random.Random(client).randbytes(SHARD_BYTES)


def make(folder: Path, clients: int) -> None:
    """A server's state folder with one release of so many clients."""
    made = coffer_server("init", folder)
    assert made.returncode == 0, made.stderr
    publisher = Identity(seed=sha256(b"publisher"))
    everyone = ids(clients)
    entries = (Entry(id=id_, alg=2, since=1, sha256=sha256(blob(id_)), mark=bytes(16)) for id_ in everyone)
    tree = Tree(leaf_hashes(COFFER, entries))
    head = Head(coffer=COFFER, serial=1, root=tree.root, count=clients, issued=int(time.time()), publisher=publisher.publisher_key())

    def changes() -> Iterator[Put]:
        return (Put(id=id_, mark=bytes(16), note=bytes(64), alg=2, blob=blob(id_)) for id_ in everyone)

    store = StateFolder(folder).store()
    try:
        store.add_publisher(coffer=COFFER, key=publisher.public(), name=None, now=0)
        signed = heads.sign(head, publisher)
        store.commit(coffer=COFFER, publisher=publisher.id(), signed=signed, changes=changes(), now=int(time.time()))
    finally:
        store.close()


def measure_store(folder: Path, clients: int, count: int) -> None:
    """Print as JSON what look-ups and fetches cost a process that does nothing else, and the memory that it ends with."""
    everyone = ids(clients)
    asked = random.Random(1).choices(everyone, k=count)
    del everyone
    before = memory_bytes()
    store = StateFolder(folder).store()
    start = time.perf_counter()
    store.fetch(asked[0])
    first_s = time.perf_counter() - start
    start = time.perf_counter()
    for client in asked:
        store.look_up(client)
    look_up_s = (time.perf_counter() - start) / count
    start = time.perf_counter()
    for client in asked:
        store.fetch(client)
    fetch_s = (time.perf_counter() - start) / count
    grown = memory_bytes() - before
    store.close()
    print(json.dumps({"first fetch ms": first_s * 1e3, "look-up us": look_up_s * 1e6, "fetch us": fetch_s * 1e6, "memory MB": grown / 1e6}))


def memory_bytes() -> int:
    """What this process has in memory now (proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def of_process_mb(server: RunningServer) -> float:
    """What a server has in memory."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure_server(folder: Path, clients: list[Identity]) -> dict[str, float]:
    """Start a server, and fetch as each of these clients, in a session of its own."""
    start = time.perf_counter()
    with running_server(folder) as server:
        start_s = time.perf_counter() - start
        idle_mb = of_process_mb(server)
        took = []
        for client in clients:
            setting = Setting(server=server, address=server.address, identity=client, identity_path=folder)
            start = time.perf_counter()
            fetch(setting)
            took.append(time.perf_counter() - start)
        return {
            "start s": start_s,
            "memory at start MB": idle_mb,
            "first session ms": took[0] * 1e3,
            "session ms": statistics.median(took) * 1e3,
            "session ms, 99 %": statistics.quantiles(took, n=100)[98] * 1e3,
            "memory then MB": of_process_mb(server),
        }


def in_own_process(folder: Path, clients: int, count: int) -> dict[str, float]:
    """`measure_store`, in a process that has nothing else in memory."""
    command = [sys.executable, "-m", "bench.million", "--clients", str(clients), "--fetches", str(count), "--measure", str(folder)]
    figures: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return figures


def compare(few: dict[str, float], many: dict[str, float]) -> None:
    """Print each figure of both, and its ratio."""
    for name, value in few.items():
        print(f"{name:24}{value:12.2f}{many[name]:12.2f}   ratio {many[name] / value:.2f}")


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--fetches", type=int, default=20_000, help="look-ups and fetches of the store alone")
    parser.add_argument("--folder", type=Path, help="where the databases are made")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        measure_store(options.measure, options.clients, options.fetches)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        assert shutil.disk_usage(folder).free > 12_000 * options.clients, "the disk is too small"
        for label, clients in (("few", options.few), ("many", options.clients)):
            start = time.perf_counter()
            make(folder / label, clients)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"{clients} clients committed in {time.perf_counter() - start:.0f} s, peak memory {peak_mb:.0f} MB")
        sizes = {"few": options.few, "many": options.clients}
        print(f"{'':24}{options.few:12}{options.clients:12}")
        compare(*(in_own_process(folder / label, clients, options.fetches) for label, clients in sizes.items()))
        compare(*(measure_server(folder / label, sample()[: min(clients, SAMPLE)]) for label, clients in sizes.items()))


if __name__ == "__main__":
    main()
