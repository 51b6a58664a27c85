"""A real server process, for every test and script that wants one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.identity import Identity
from coffer_server.health.report import Health

ROOT: Final = Path(__file__).parents[2]
# Far more than it takes, for the machine may have much else to do.
_START_S: Final = 120.0
_STOP_S: Final = 30.0
_POLL_S: Final = 0.01


def coffer_server(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `coffer-server` as a process of its own to its end."""
    command = [sys.executable, "-m", "coffer_server", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=_START_S, check=False)


class RunningServer:
    """A server that serves.

    Attributes:
        state_dir: its state folder.
        address: where it listens, with its id in suite 1.
        plain_address: the same with its id in suite 0.
        process: it.
    """

    def __init__(self, state_dir: Path, log_path: Path, process: subprocess.Popen[bytes], hosts: tuple[Host, ...]) -> None:
        identity = Identity.from_file_text((state_dir / "identity").read_text(), mode=0o600)
        self.state_dir = state_dir
        self.address = ServerAddress(server=identity.id(), hosts=hosts)
        self.plain_address = ServerAddress(server=identity.plain_id(), hosts=hosts)
        self.process = process
        self._log_path = log_path

    def add_publisher(self, coffer: str, public_text: str) -> None:
        """Let the owner of a public key text publish `coffer`."""
        added = coffer_server("publisher", "add", self.state_dir, coffer, public_text)
        assert added.returncode == 0, added.stderr

    def health(self) -> Health:
        """What `coffer-server health` tells of it, which must end as that says."""
        asked = coffer_server("health", self.state_dir, "--json")
        said = Health.from_json(asked.stdout)
        assert asked.returncode == said.exit_code, asked.stderr
        return said

    def log_text(self) -> str:
        """What the server has written to stderr so far."""
        return self._log_path.read_text()

    def wait_for_log(self, text: str) -> None:
        """Wait until the server has written `text` to stderr."""
        deadline = time.monotonic() + _START_S
        while text not in self.log_text():
            assert time.monotonic() < deadline, f"{text!r} is not said:\n{self.log_text()}"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=_POLL_S)

    def stop(self) -> int:
        """Tell the server to stop, as a supervisor would; its exit code. Can be called again."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_STOP_S)

    def kill(self) -> None:
        """End the server with -9: nothing is tidied up."""
        self.process.kill()
        self.process.wait(timeout=_STOP_S)


@contextmanager
def running_server(
    state_dir: Path, *, listen: str = "127.0.0.1:0", launcher: Sequence[str] = ("-m", "coffer_server")
) -> Iterator[RunningServer]:
    """A server over `state_dir`, which is made where it is not there. It is stopped where the context ends."""
    if not (state_dir / "identity").exists():
        made = coffer_server("init", state_dir)
        assert made.returncode == 0, made.stderr
    ready_file = state_dir / "ready"
    log_path = state_dir / "server.log"
    command = [sys.executable, *launcher, "run", str(state_dir), "--listen", listen, "--ready-file", str(ready_file)]
    # One that was killed has left its own.
    ready_file.unlink(missing_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL)
    try:
        hosts = wait_until_ready(process, ready_file, log_path)
        server = RunningServer(state_dir, log_path, process, hosts)
        yield server
        server.stop()
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log_path: Path) -> tuple[Host, ...]:
    """Wait until a server has written its ready file, and return the addresses in it."""
    deadline = time.monotonic() + _START_S
    while not ready_file.exists():
        try:
            process.wait(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, f"the server does not start:\n{log_path.read_text()}"
        else:
            raise AssertionError(f"the server ended with {process.returncode}:\n{log_path.read_text()}")
    return tuple(Host.from_text(line) for line in ready_file.read_text().splitlines())
