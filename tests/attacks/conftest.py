from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coffer_common import keyfile
from coffer_protocol.identity import Identity
from tests.support import ROOT

from .lying_server import LyingServer

# No program takes so long; it ends a test that would hang.
_TIMEOUT_S = 120.0
# A look is a process. What is waited for comes within one or two.
_LOOKS = 100


class Team:
    """An operator, machines, and the server that lies to them. Each has a home of its own, and runs real programs.

    Attributes:
        server: the server.
        coffer: the coffer that they share.
        clocks_ahead_s: how far the clock of somebody's machine is ahead.
    """

    def __init__(self, folder: Path, server: LyingServer) -> None:
        self.server = server
        self.coffer = "shop"
        self.clocks_ahead_s: dict[str, float] = {}
        self._folder = folder
        self._made: dict[str, Identity] = {}

    def home(self, who: str) -> Path:
        """Return somebody's home, which is also the folder that they work in."""
        folder = self._folder / who
        folder.mkdir(exist_ok=True)
        return folder

    def identity(self, who: str) -> Identity:
        """Return somebody's identity, which is made when it is first asked for."""
        if who not in self._made:
            self._made[who] = keyfile.create(self.home(who) / "own.key")
        return self._made[who]

    def let_in(self, who: str) -> None:
        """Let somebody publish: what the server's operator does."""
        self.server.store.add_publisher(coffer=self.coffer, key=self.identity(who).public(), name=who, now=int(time.time()))

    def copy(self, who: str, as_who: str) -> None:
        """Copy somebody's machine as it is now: the identity, and all that is remembered."""
        shutil.copytree(self.home(who), self._folder / as_who)
        self._made[as_who] = self.identity(who)

    def start(self, who: str, program: str, *words: str) -> subprocess.Popen[str]:
        """Start a program of ours on somebody's machine."""
        return self.start_module(who, f"coffer_{program}", *words)

    def start_module(self, who: str, module: str, *words: str) -> subprocess.Popen[str]:
        """Start a module, which has its own `main`, on somebody's machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COFFER_", "XDG_"))}
        environment = {**kept, "HOME": str(self.home(who)), "PYTHONPATH": str(ROOT)}
        ahead_s = self.clocks_ahead_s.get(who)
        launcher = ["-m"] if ahead_s is None else ["-m", "tests.attacks.wrong_clock", str(ahead_s)]
        command = [sys.executable, *launcher, module, *words]
        return subprocess.Popen(
            command,
            cwd=self.home(who),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, who: str, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of ours on somebody's machine to its end."""
        return ended(self.start(who, program, *words))

    @contextlib.contextmanager
    def running(self, who: str, command: str, *words: str, trusts: tuple[str, ...] = ("one",)) -> Iterator[subprocess.Popen[str]]:
        """Run a command of `coffer-client` on a machine until the block ends."""
        with self.start(who, "client", command, "--server", self.address(*trusts), "--identity", "own.key", *words) as process:
            try:
                yield process
            finally:
                process.terminate()

    def address(self, *publishers: str) -> str:
        """Return the address of the coffer, with the publishers that it names."""
        keys = "&".join(f"publisher={self.identity(who).publisher_key().hex()}" for who in publishers)
        return f"{self.server.address}/{self.coffer}" + (f"?{keys}" if keys else "")

    def define(self, who: str, values: dict[str, str], *, clients: dict[str, str] | None = None) -> None:
        """Write somebody's definition: each client's one value, and its public key text if it is not its own."""
        texts = {client: self.identity(client).public_text() for client in values} | (clients or {})
        lines = ["[clients]", *(f'{client} = "{text}"' for client, text in texts.items())]
        for client, value in values.items():
            lines += [f"[{client}]", f'a = "{value}"']
        path = self.home(who) / "secrets.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o600)

    def start_companion(self, who: str, *words: str, trusts: tuple[str, ...] = ("one",)) -> subprocess.Popen[str]:
        """Start `coffer-companion` as a publisher who trusts some others."""
        return self.start(who, "companion", *words, "--server", self.address(*trusts), "--identity", "own.key")

    def companion(self, who: str, *words: str, trusts: tuple[str, ...] = ("one",)) -> subprocess.CompletedProcess[str]:
        """Run `coffer-companion` as a publisher who trusts some others, to its end."""
        return ended(self.start_companion(who, *words, trusts=trusts))

    def upload(self, who: str, values: dict[str, str], *flags: str, trusts: tuple[str, ...] = ("one",)) -> subprocess.CompletedProcess[str]:
        """Define values, and upload them."""
        self.define(who, values)
        return self.companion(who, "upload", "secrets.toml", *flags, trusts=trusts)

    def status(self, who: str, client: str, *flags: str) -> dict[str, Any]:
        """What `status --json` says of a client."""
        told = json.loads(self.companion(who, "status", "--json", *flags).stdout)
        (found,) = [each for each in told["clients"] if each["client"] == client]
        assert isinstance(found, dict)
        return found

    def status_once(self, client: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What `status` says of a client to publisher `one` as soon as something of it is so."""
        for _ in range(_LOOKS):
            if is_so(found := self.status("one", client)):
                return found
        raise AssertionError(f"it never came to be: {found}")

    def client(self, who: str, command: str, *words: str, trusts: tuple[str, ...] = ("one",)) -> subprocess.CompletedProcess[str]:
        """Run a command of `coffer-client` on a machine to its end."""
        return self.run(who, "client", command, "--server", self.address(*trusts), "--identity", "own.key", *words)

    def get(self, who: str, *flags: str, trusts: tuple[str, ...] = ("one",)) -> subprocess.CompletedProcess[str]:
        """Run `coffer-client get a` on a machine."""
        return self.client(who, "get", "a", *flags, trusts=trusts)


@pytest.fixture
def server() -> Iterator[LyingServer]:
    """A server that does not lie yet."""
    with LyingServer() as running:
        yield running


@pytest.fixture
def team(tmp_path: Path, server: LyingServer) -> Team:
    """A team whose publisher `one` may publish."""
    made = Team(tmp_path, server)
    made.let_in("one")
    return made


def typed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the words behind `coffer-companion` in the last command that a program printed for a person to type, with the file's name."""
    (*_, command) = re.finditer(r"coffer-companion ((?:[a-z]+ )*(?:(?:--)?[\w-]+ )*FILE)", done.stderr)
    return ["secrets.toml" if word == "FILE" else word for word in shlex.split(command[1])]


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait until a program has ended, and return what it printed."""
    with process:
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program printed that must have succeeded."""
    assert done.returncode == 0, done.stderr
    return done.stdout
