"""Fail or kill each changing system call of the three programs, one at a time, and look at what is left.

    python -m tests.torture.calls [--sample N] [--seed N] [SCENARIO…]

A scenario is a command in a world of files: `coffer-client keygen`, `coffer-companion upload`, and so on. strace counts its calls that
change something (a file that is made, written, synced, renamed or removed). Then, for each of them, the command runs again in a fresh copy
of the world, and that very call fails with ENOSPC or EIO, or the process is killed with -9 in its place. After that:

- a command whose call failed ends with its own words, and never with a traceback;
- the same command, run once more with nothing in its way, does what it should: nobody has to clean up;
- what the scenario promises is true: the identity is whole, the released value is the one in the definition, and so on.

It needs strace. `scripts/torture --calls` runs every point; the tests run a sample.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coffer_common import keyfile
from coffer_protocol.identity import Identity
from tests.server.running import ROOT, RunningServer, running_server

# The calls by which a program changes something. `openat` counts if it may make or empty a file.
_CALLS: Final = (
    "openat", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "chmod", "fchmod", "fchmodat",
)  # fmt: skip
_MAKING: Final = ("O_CREAT", "O_TRUNC")
# What a disk says: that it is full, or, of what was written before, that it could not keep it.
_ERRORS: Final = {"fsync": "EIO", "fdatasync": "EIO"}
_TIMEOUT_S: Final = 300
_KILLED: Final = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call of a command, and what happens in its place.

    Attributes:
        call: the name of the system call.
        number: which of the calls of that name, from 1, in the thread that makes it.
        error: the error that it gets, or None if the process is killed.
    """

    call: str
    number: int
    error: str | None

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.error or 'killed'}"

    @property
    def injection(self) -> str:
        """The argument of strace's -e."""
        what = f"error={self.error}" if self.error else "signal=KILL"
        return f"inject={self.call}:{what}:when={self.number}"


class World:
    """The files of an operator, a server and a machine, and how to run a program among them.

    Attributes:
        folder: the folder that has them all.
        server: the server that runs on the folder `server`, or None.
    """

    def __init__(self, folder: Path, server: RunningServer | None = None) -> None:
        self.folder = folder
        self.server = server

    def command(self, program: str, *words: str) -> list[str]:
        """Return the command line of a program of ours."""
        return [sys.executable, "-m", f"coffer_{program}", *(self._expanded(word) for word in words)]

    def _expanded(self, word: str) -> str:
        if self.server is None:
            return word
        if word == "CLIENT_ADDRESS":
            publisher = keyfile.read(self.folder / "publisher.key").publisher_key().hex()
            return f"{self.server.address}/shop?publisher={publisher}"
        return word.replace("ADDRESS", str(self.server.address))

    def environment(self) -> dict[str, str]:
        """Return the variables of a program: a home, and nothing of the machine's own Coffer."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COFFER_", "XDG_"))}
        # What Python writes for itself is none of our calls.
        return {**kept, "HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in this world to its end."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S,
            check=False,
        )  # fmt: skip

    def does(self, program: str, *words: str) -> str:
        """Return what a command prints that must succeed."""
        done = self.run(self.command(program, *words))
        assert done.returncode == 0, f"{shlex.join(words)} ended with {done.returncode}: {done.stderr}"
        return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A command, and what is to hold after it.

    Attributes:
        program: `client`, `companion` or `server`.
        words: its arguments; ADDRESS stands for the server's address, CLIENT_ADDRESS for that which a client is given.
        needs_server: whether the world's server runs meanwhile.
        holds: asserts what the scenario promises, after the command has succeeded.
        again: the exit codes with which the command may end if it has done its work before: those of "it exists already".
        prepare: makes the world, from an empty folder with a server.
    """

    program: str
    words: tuple[str, ...]
    needs_server: bool
    holds: Callable[[World], None]
    prepare: Callable[[World], None]
    again: tuple[int, ...] = (0,)

    @contextmanager
    def world(self, prepared: Path) -> Iterator[World]:
        """Give a fresh copy of a prepared world, with its server running if the command needs one."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coffer-calls-"))) / "world"
            shutil.copytree(prepared, folder, symlinks=True)
            server = stack.enter_context(running_server(folder / "server")) if self.needs_server else None
            yield World(folder, server)


# ------------------------------------------------------------------------------------------------------- the scenarios


_NOBODY: Final = Identity.generate()
_NOWHERE: Final = f"coffer://{_NOBODY.id().hex()}@127.0.0.1:1/shop?publisher={_NOBODY.publisher_key().hex()}"


def _nothing(world: World) -> None:
    (world.folder / "home").mkdir()


_DEFINITION: Final = """[clients]
web = "{key}"

[web]
password = "{value}"
"""


def define(world: World, value: str) -> None:
    """Write the definition, with one value."""
    key = (world.folder / "web.key.pub").read_text(encoding="utf-8").strip()
    path = world.folder / "secrets.toml"
    path.write_text(_DEFINITION.format(key=key, value=value), encoding="utf-8")
    path.chmod(0o600)


def make_operator(world: World) -> None:
    """Make a server, a publisher that it lets in, a client, and a definition with a first value."""
    _nothing(world)
    world.does("server", "init", "server")
    world.does("companion", "keygen", "publisher.key")
    world.does("client", "keygen", "web.key")
    world.does("server", "publisher", "add", "server", "shop", "publisher.key.pub")
    define(world, "first")


def _published(world: World) -> None:
    """Publish the first value, and change it in the definition."""
    make_operator(world)
    with running_server(world.folder / "server") as server:
        World(world.folder, server).does("companion", *_UPLOAD)
    define(world, "second")


_UPLOAD: Final = ("upload", "secrets.toml", "--server", "ADDRESS/shop", "--identity", "publisher.key", "--yes")
_GET: Final = ("get", "password", "--server", "CLIENT_ADDRESS", "--identity", "web.key")


def _identity_is_whole(name: str) -> Callable[[World], None]:
    def holds(world: World) -> None:
        found = keyfile.read(world.folder / name)
        # `init` makes the public half again if it is missing. Here it finds no server, and ends with 3.
        world.run(world.command("client", "init", _NOWHERE, "--identity", name, "--timeout", "1"))
        assert (world.folder / f"{name}.pub").read_text(encoding="utf-8").strip() == found.public_text()

    return holds


def _publisher_is_set_up(world: World) -> None:
    found = keyfile.read(world.folder / "new.key")
    assert (world.folder / "new.key.pub").read_text(encoding="utf-8").strip() == found.public_text()
    # Without --server it asks the one that `init` has remembered, which does not let this publisher in.
    assert world.run(world.command("companion", "status", "--coffer", "shop", "--identity", "new.key")).returncode == 4


def _server_is_whole(world: World) -> None:
    world.does("server", "verify", "server")
    with running_server(world.folder / "server"):
        pass


def _serves(value: str) -> Callable[[World], None]:
    def holds(world: World) -> None:
        assert world.does("client", *_GET).strip() == value

    return holds


def _publisher_is_known(world: World) -> None:
    assert "shop" in world.does("server", "publisher", "list", "server")
    _server_is_whole(world)


def _backup_is_whole(world: World) -> None:
    assert (world.folder / "copy").stat().st_size > 0
    _server_is_whole(world)


SCENARIOS: Final = {
    "client keygen": Scenario(
        program="client",
        words=("keygen", "new.key"),
        needs_server=False,
        prepare=_nothing,
        holds=_identity_is_whole("new.key"),
        again=(0, 2),
    ),
    "companion keygen": Scenario(
        program="companion",
        words=("keygen", "new.key"),
        needs_server=False,
        prepare=_nothing,
        holds=_identity_is_whole("new.key"),
        again=(0, 2),
    ),
    "client init": Scenario(
        program="client",
        words=("init", "CLIENT_ADDRESS", "--identity", "new.key"),
        needs_server=True,
        prepare=_published,
        holds=_identity_is_whole("new.key"),
        # The server does not know the key yet.
        again=(0, 4),
    ),
    "companion init": Scenario(
        program="companion",
        words=("init", "ADDRESS/shop", "--identity", "new.key"),
        needs_server=True,
        prepare=_published,
        holds=_publisher_is_set_up,
    ),
    "server init": Scenario(
        program="server", words=("init", "server"), needs_server=False, prepare=_nothing, holds=_server_is_whole, again=(0, 1)
    ),
    "server publisher add": Scenario(
        program="server",
        words=("publisher", "add", "server", "shop", "publisher.key.pub"),
        needs_server=False,
        prepare=make_operator,
        holds=_publisher_is_known,
    ),
    "server backup": Scenario(
        program="server", words=("backup", "server", "copy"), needs_server=False, prepare=_published, holds=_backup_is_whole, again=(0, 1)
    ),
    "companion upload, the first": Scenario(
        program="companion", words=_UPLOAD, needs_server=True, prepare=make_operator, holds=_serves("first")
    ),
    "companion upload, a change": Scenario(
        program="companion", words=_UPLOAD, needs_server=True, prepare=_published, holds=_serves("second")
    ),
    "client get": Scenario(program="client", words=_GET, needs_server=True, prepare=_published, holds=_serves("first")),
}


# ---------------------------------------------------------------------------------------------------------- the drill


def _command(scenario: Scenario, world: World) -> list[str]:
    return world.command(scenario.program, *scenario.words)


def points(scenario: Scenario, prepared: Path) -> list[Point]:
    """Run a scenario's command once, and return each of its changing calls twice: failed, and killed."""
    with scenario.world(prepared) as world:
        trace = world.folder.parent / "trace"
        done = world.run(["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(_CALLS)}", *_command(scenario, world)])
        assert done.returncode == 0, done.stderr
        counts: Counter[tuple[str, str]] = Counter()
        found: dict[tuple[str, int], None] = {}
        for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match is None:
                continue
            thread, call = match.groups()
            counts[thread, call] += 1
            # What goes to the terminal changes nothing.
            if (call == "openat" and not any(flag in line for flag in _MAKING)) or re.search(r" write\([12],", line):
                continue
            found[call, counts[thread, call]] = None
    return [Point(call=call, number=number, error=error) for call, number in found for error in (_ERRORS.get(call, "ENOSPC"), None)]


def fault(scenario: Scenario, prepared: Path, point: Point) -> str | None:
    """Run a scenario's command with one call failed or killed, then once more. Return what was wrong, or None."""
    with scenario.world(prepared) as world:
        command = _command(scenario, world)
        trace = world.folder.parent / "trace"
        hurt = world.run(["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={point.call}", "-e", point.injection, *command])
        if "Traceback" in hurt.stderr:
            return f"a traceback:\n{hurt.stderr}"
        if point.error and hurt.returncode != 0 and not hurt.stderr.strip():
            return f"it ended with {hurt.returncode} and said nothing"
        retried = world.run(command)
        if retried.returncode not in scenario.again:
            return f"the next one ended with {retried.returncode}: {retried.stderr}\nafter: {hurt.stderr}"
        try:
            scenario.holds(world)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what the drill looks for)
            return f"afterwards: {type(error).__name__}: {error}\nafter: {hurt.stderr}"
    return None


def drill(names: Sequence[str], *, sample: int | None, seed: int, tell: Callable[[str], None]) -> list[str]:
    """Run the points of some scenarios, and return each fault as a text.

    Args:
        names: the scenarios.
        sample: how many points of each scenario are drawn; None for all of them.
        seed: what they are drawn with.
        tell: is told how far it is.
    """
    faults = []
    for name in names:
        scenario = SCENARIOS[name]
        with tempfile.TemporaryDirectory(prefix="coffer-calls-") as folder:
            prepared = Path(folder) / "world"
            prepared.mkdir()
            scenario.prepare(World(prepared))
            chosen = points(scenario, prepared)
            if sample is not None and sample < len(chosen):
                chosen = random.Random(f"{seed} {name}").sample(chosen, sample)
            tell(f"{name}: {len(chosen)} points")
            for point in chosen:
                text = fault(scenario, prepared, point)
                if text is not None:
                    faults.append(f"{name}, {point}: {text}")
                    tell(faults[-1])
    return faults


def main() -> None:
    """Run the drill that the command line asks for; exit 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="all of them if none is named")
    parser.add_argument("--sample", type=int, help="how many points of each scenario are drawn")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    faults = drill(asked.scenarios or list(SCENARIOS), sample=asked.sample, seed=asked.seed, tell=lambda text: print(text, flush=True))
    print(f"{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
