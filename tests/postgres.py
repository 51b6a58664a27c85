"""Real PostgreSQL servers for tests: each in a temporary folder, run by an ordinary user, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import psycopg
import pytest

_DEBIAN: Final = Path("/usr/lib/postgresql")
_START_S: Final = 60
_USER: Final = "postgres"
# PostgreSQL does not run as root: where the tests do, one of these owns it.
_UNPRIVILEGED: Final = ("postgres", "nobody")
# No test takes the machine's power away: what a killed server has written, the system has.
FAST: Final = {"fsync": "off", "full_page_writes": "off"}


@cache
def _programs() -> Path | None:
    """The folder of PostgreSQL's programs: Debian's newest, else where PATH finds them."""
    versions = [folder / "bin" for folder in _DEBIAN.glob("*") if (folder / "bin" / "initdb").exists()]
    if versions:
        return max(versions, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


def require() -> None:
    """Skip the test where there is no PostgreSQL; CI fails on that skip."""
    if _programs() is None:
        pytest.skip("PostgreSQL is absent: install Debian's package postgresql, or put initdb on PATH")


def programs() -> Path:
    """The folder of PostgreSQL's programs. `require` has said that there is one."""
    found = _programs()
    assert found is not None
    return found


def as_owner(command: Sequence[str]) -> list[str]:
    """The command, run by who runs the servers."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid", _owner().pw_name, "--regid", str(_owner().pw_gid), "--clear-groups", *command]


@cache
def _owner() -> pwd.struct_passwd:
    """Who runs the servers: this user, or an unprivileged one where this is root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _UNPRIVILEGED if name in known)


def _run(program: str, *arguments: str | Path) -> None:
    command = [str(programs() / program), *map(str, arguments)]
    done = subprocess.run(
        as_owner(command),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_START_S,
        check=False,
    )
    assert done.returncode == 0, f"{program}: {done.stdout}"


class Postgres:
    """One server.

    Attributes:
        port: where it listens, on 127.0.0.1.
        data: its data folder.
    """

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port

    @property
    def host(self) -> str:
        """`HOST:PORT`."""
        return f"127.0.0.1:{self.port}"

    def configure(self, **settings: str) -> None:
        """Add settings, for the next start or reload."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        _run("pg_ctl", "start", "-D", self.data, "-w", "-t", str(_START_S), "-o", f"-p {self.port}", "-l", self.data / "log")

    def stop(self) -> None:
        """Stop at once, without a farewell to those connected, if it runs."""
        if (self.data / "postmaster.pid").exists():
            _run("pg_ctl", "stop", "-D", self.data, "-w", "-m", "immediate")

    def reload(self) -> None:
        """Let it read its settings again."""
        _run("pg_ctl", "reload", "-D", self.data)

    def kill(self) -> None:
        """End it with -9, and all of its children: nothing is tidied up."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for number in (pid, *map(int, children)):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        (self.data / "postmaster.pid").unlink()

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        _run("pg_ctl", "promote", "-D", self.data, "-w", "-t", str(_START_S))

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement; its rows, if it has any."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user=_USER, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def url(*servers: Postgres, database: str = "postgres") -> str:
    """The URL of a store on one server, or on a primary and its standbys."""
    hosts = "&".join(f"host={server.host}" for server in servers)
    return f"postgresql+psycopg://{_USER}@/{database}?{hosts}"


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that belongs to who runs the servers; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="coffer-postgres-") as name:
        os.chown(name, _owner().pw_uid, _owner().pw_gid)
        yield Path(name)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _prepare(server: Postgres) -> None:
    # The port is given at the start: a copy of the data folder has another.
    server.configure(listen_addresses="127.0.0.1", unix_socket_directories="", max_connections="100", shared_buffers="32MB")


@contextmanager
def primary(**settings: str) -> Iterator[Postgres]:
    """A new server with these settings, stopped and removed where the context ends."""
    require()
    with folder() as parent:
        data = parent / "data"
        _run("initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        server = Postgres(data, free_port())
        _prepare(server)
        server.configure(**settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def standby_of(server: Postgres, name: str) -> Iterator[Postgres]:
    """A standby that follows `server` under this name (application_name), stopped and removed where the context ends."""
    with folder() as parent:
        data = parent / "data"
        connection = f"host=127.0.0.1 port={server.port} user={_USER} application_name={name}"
        _run("pg_basebackup", "-D", data, "-d", connection, "-R", "-c", "fast", "-X", "stream", "--no-sync")
        made = Postgres(data, free_port())
        made.start()
        try:
            yield made
        finally:
            made.stop()
