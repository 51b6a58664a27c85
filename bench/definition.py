"""Measure how long a definition takes to load, how much memory that needs, and how both grow with the number of clients.

    python -m bench.definition          # 100, 1,000 and 10,000 clients in five groups; clients known by bare keys
    python -m bench.definition --full   # the same with public key texts

Each size is measured twice in a process of its own: once for the time and the peak of the resident set, once under tracemalloc, which
slows everything down. Making the definitions is not measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from datetime import date
from pathlib import Path

from coffer_companion.definition import load
from coffer_protocol.identity import Identity

SIZES = (100, 1_000, 10_000)
GROUPS = 5
KEYS_PER_GROUP = 10
OWN_KEYS = 5


def write_definition(path: Path, clients: int, *, full: bool) -> None:
    """A definition of so many clients, each in two of five groups, with a template in each group and secrets of its own."""
    identities = [Identity(seed=number.to_bytes(32, "big")) for number in range(clients)]
    keys = [identity.public_text() if full else identity.plain_id().hex() for identity in identities]
    lines = ["[clients]", *(f'client-{number} = "{key}"' for number, key in enumerate(keys))]
    for group in range(GROUPS):
        members = [f'"client-{number}"' for number in range(clients) if number % GROUPS in (group, (group + 1) % GROUPS)]
        lines += [f"[shared.group-{group}]", f"clients = [{', '.join(members)}]"]
        lines += [f'g{group}_key_{number} = "a shared secret, {group} {number}"' for number in range(KEYS_PER_GROUP)]
        lines += [f'g{group}_url = {{ from_template = "postgres://app:{{g{group}_key_0}}@db/shop" }}']
    for number in range(clients):
        lines += [f"[client-{number}]", *(f'own_{key} = "a secret of its own, {number} {key}"' for key in range(OWN_KEYS))]
    path.write_text("\n".join(lines) + "\n")


def measure(path: Path, *, traced: bool) -> dict[str, float]:
    """Load a definition in this process."""
    if traced:
        tracemalloc.start()
    started = time.perf_counter()
    definition = load(path, environ={}, today=date(2026, 1, 1))
    elapsed_s = time.perf_counter() - started
    if traced:
        return {"heap_mib": tracemalloc.get_traced_memory()[1] / 2**20}
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    secrets = sum(len(client.secrets) for client in definition.clients.values())
    return {"time_s": elapsed_s, "rss_mib": peak_kib / 1024, "secrets": secrets}


def _in_own_process(path: Path, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.definition", "--measure", str(path), *options]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main() -> None:
    """Measure all sizes and print a table, or one and print JSON."""
    parser = argparse.ArgumentParser(description="Time and memory of loading definitions.")
    parser.add_argument("--full", action="store_true", help="public key texts in place of bare keys")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure, traced=arguments.traced)))
        return
    print("clients  secrets   time s   x before  heap MiB   x before  resident MiB")
    previous: dict[str, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for clients in SIZES:
            path = Path(folder) / f"{clients}.toml"
            write_definition(path, clients, full=arguments.full)
            found = _in_own_process(path) | _in_own_process(path, "--traced")
            slower, larger = (found[key] / previous[key] if previous else 1.0 for key in ("time_s", "heap_mib"))
            print(
                f"{clients:7,}  {found['secrets']:7,.0f}  {found['time_s']:7.3f}  {slower:9.1f}"
                f"  {found['heap_mib']:8.1f}  {larger:9.1f}  {found['rss_mib']:12.1f}"
            )
            previous = found


if __name__ == "__main__":
    main()
