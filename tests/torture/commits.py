"""Kill a real server, a real companion, or both, with -9 around a Commit, and see that a plain `upload` goes on by itself.

    python -m tests.torture.commits [--rounds N] [--seed N]

A round publishes a new value and kills one or both in the middle of it. The companion dies in the place of one of its system calls, which
strace counts: each one that sends, receives, or changes a file, from its first packet to its end. The server dies when it has written so
many bytes since the upload began. So the points lie before, in and behind what each of the two does about a Commit.

Then the server starts again if it is dead, and the same plain `upload` runs once more, with no option and with nobody to ask. It must
succeed; the client must get the new value; `verify` must find one chain; and of all heads that the publisher has ever signed, no two may
have one serial.

It needs strace. `scripts/torture --commits` draws the points; the tests run each kind of point once.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coffer_common import keyfile
from coffer_companion.settings import PublisherState
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.head import claimed_untrusted
from coffer_server.state import StateFolder
from tests.server.running import RunningServer, running_server

from .calls import World, define, make_operator

# The calls by which a companion talks to a server, or changes a file.
_CALLS: Final = ("sendto", "recvfrom", "rename", "fsync", "unlink", "mkdir", "flock")
_TIMEOUT_S: Final = 120.0
# How much a commit writes: points up to this lie before, in and behind it.
_COMMIT_BYTES: Final = 250_000
# How often somebody who waits for many rounds is told that they go on.
_TOLD_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call of the companion: its name, and which of the calls of that name it is, from 1."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is killed in a round.

    Attributes:
        companion: in the place of which call the companion is killed, or None.
        server_bytes: the server is killed when it has written so many bytes since the upload began; None if it lives. If the companion is
            killed as well, the server dies at once when the companion is dead.
    """

    companion: Call | None = None
    server_bytes: int | None = None

    def __str__(self) -> str:
        companion = "" if self.companion is None else f"the companion at {self.companion}"
        server = "" if self.server_bytes is None else f"the server behind {self.server_bytes} bytes"
        return " and ".join(filter(None, (companion, server)))


class Torture:
    """A server's folder, a publisher, and a client.

    Args:
        folder: an empty folder for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._world = World(folder)
        self._value = 0
        self._signed: dict[int, bytes] = {}
        make_operator(self._world)

    def calls(self) -> list[Call]:
        """Publish a value, and return the companion's calls in their order."""
        with running_server(self._world.folder / "server") as server:
            self._define()
            trace = self._world.folder / "trace"
            done = self._world.run(["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(_CALLS)}", *self._upload(server)])
            assert done.returncode == 0, done.stderr
        self._look_at_heads()
        return list(_calls_in(trace.read_text(encoding="utf-8", errors="replace")))

    def round(self, plan: Plan) -> str:
        """Do one round. Return what the second upload said of the first one, or an empty text."""
        self._define()
        with running_server(self._world.folder / "server") as server:
            self._interrupted_upload(server, plan)
            self._look_at_heads()
            if server.process.poll() is None:
                return self._recover(server)
        with running_server(self._world.folder / "server") as server:
            return self._recover(server)

    def _define(self) -> None:
        self._value += 1
        define(self._world, f"value {self._value}")

    def _upload(self, server: RunningServer) -> list[str]:
        return World(self._world.folder, server).command(
            "companion", "upload", "secrets.toml", "--server", "ADDRESS/shop", "--identity", "publisher.key"
        )

    def _interrupted_upload(self, server: RunningServer, plan: Plan) -> None:
        command = self._upload(server)
        if plan.companion is not None:
            call = plan.companion
            inject = f"inject={call.name}:signal=KILL:when={call.number}"
            command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call.name}", "-e", inject, *command]
        before = _written_bytes(server)
        with self._started(command) as process:
            if plan.server_bytes is not None and plan.companion is None:
                while process.poll() is None and _written_bytes(server) < before + plan.server_bytes:
                    pass
                server.kill()
            _, told = process.communicate(timeout=_TIMEOUT_S)
        if plan.server_bytes is not None and plan.companion is not None:
            server.kill()
        assert "Traceback" not in told, told

    @contextmanager
    def _started(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            command,
            cwd=self._world.folder,
            env=self._world.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def _recover(self, server: RunningServer) -> str:
        """See that the same upload works now, and that everything is as if nothing had happened."""
        done = self._world.run(self._upload(server))
        said = done.stdout + done.stderr
        deadline = time.monotonic() + _TIMEOUT_S
        # The server may still be busy with what the dead companion sent: that is said, and passes by itself.
        while "busy" in done.stderr and time.monotonic() < deadline:
            done = self._world.run(self._upload(server))
            said += done.stdout + done.stderr
        assert done.returncode == 0, done.stdout + done.stderr
        self._look_at_heads()
        world = World(self._world.folder, server)
        got = world.does("client", "get", "password", "--server", "CLIENT_ADDRESS", "--identity", "web.key", "--max-stale", "0")
        assert got.strip() == f"value {self._value}"
        world.does("companion", "verify", "--server", "ADDRESS/shop", "--identity", "publisher.key")
        # A release that the server had not kept yet may have become the coffer's at the second look.
        return "".join(re.findall(r"release \d+, which was signed here[^;\n]*", said)[-1:])

    def _look_at_heads(self) -> None:
        """See that no two heads have one serial, of all that the publisher's state or the server has ever shown."""
        for path in (self._world.folder / "home/.local/state/coffer/publisher").glob("*.json"):
            for release in PublisherState.load(path).signed:
                assert self._signed.setdefault(release.serial, release.sha256) == release.sha256, release.serial
        store = StateFolder(self._world.folder / "server").store()
        try:
            publisher = keyfile.read(self._world.folder / "publisher.key").id()
            for signed in store.heads(coffer="shop", asker=publisher, from_serial=1):
                serial = claimed_untrusted(signed).serial
                assert self._signed.setdefault(serial, sha256(signed)) == sha256(signed), serial
        finally:
            store.close()


def _calls_in(trace: str) -> Iterator[Call]:
    counts: Counter[tuple[str, str]] = Counter()
    has_begun = False
    for line in trace.splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match is None:
            continue
        thread, name = match.groups()
        counts[thread, name] += 1
        # What comes before the first packet is the start of Python.
        has_begun = has_begun or name == "sendto"
        if has_begun:
            yield Call(name=name, number=counts[thread, name])


def _written_bytes(server: RunningServer) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{server.process.pid}/io").read_text().splitlines())
    return int(fields["wchar"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPoints:
    """The calls of a companion around its Commit, in their order.

    Attributes:
        remember: gives the state file its name in which the release is remembered as signed.
        commit: sends Commit.
        answer: reads the answer.
        accept: gives the state file its name in which the release is the newest.
        bye: sends Bye, when all is done.
    """

    remember: Call
    commit: Call
    answer: Call
    accept: Call
    bye: Call


def commit_points(calls: Sequence[Call]) -> CommitPoints:
    """Return the points around the Commit of an upload that made one."""
    renames = [index for index, call in enumerate(calls) if call.name == "rename"]
    # The last one gives the file of the entries its name.
    remember, accept, _ = renames[-3:]

    def after(index: int, name: str) -> int:
        return next(number for number in range(index + 1, len(calls)) if calls[number].name == name)

    commit = after(remember, "sendto")
    return CommitPoints(
        remember=calls[remember],
        commit=calls[commit],
        answer=calls[after(commit, "recvfrom")],
        accept=calls[accept],
        bye=calls[after(accept, "sendto")],
    )


def plans(calls: Sequence[Call], rounds: int, seed: int) -> list[Plan]:
    """Return what is to be done in so many rounds: the same for the same seed."""
    drawn = random.Random(seed)
    planned = []
    for _ in range(rounds):
        victim = drawn.choice(("companion", "server", "both"))
        planned.append(
            Plan(
                companion=None if victim == "server" else drawn.choice(calls),
                server_bytes=None if victim == "companion" else drawn.randrange(_COMMIT_BYTES),
            )
        )
    return planned


def main() -> None:
    """Torture, and print what was seen. The folder stays if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="coffer-commits-"))
    torture = Torture(folder)
    # The first release makes folders and files that later ones find.
    first, later = torture.calls(), torture.calls()
    print(f"{len(first)} calls in the first upload, {len(later)} in a later one", flush=True)
    told: Counter[str] = Counter()
    for number, plan in enumerate(plans(later, options.rounds, options.seed), 1):
        try:
            said = torture.round(plan)
        except BaseException:
            print(f"round {number} of seed {options.seed} failed: killed {plan}; the folder is {folder}", file=sys.stderr)
            raise
        told[re.sub(r"release \d+", "release N", said) or "nothing was left of it, or it was published"] += 1
        if number % _TOLD_ROUNDS == 0:
            print(f"{number} rounds", file=sys.stderr)
    for said, count in told.most_common():
        print(f"{count:5} {said}")


if __name__ == "__main__":
    main()
