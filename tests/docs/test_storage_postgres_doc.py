"""What docs/storage-postgres.md says is done here, on a real primary and a real standby: its commands are run in their order."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import tests.postgres
from tests.postgres import Postgres
from tests.server.publishing import Author
from tests.server.running import running_server
from tests.server.sockets import upload
from tests.support import ROOT

from .commands import commands_folder, home_environment

TEXT: Final = (ROOT / "docs" / "storage-postgres.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"(?:<!-- test: ([^>]+?) -->\n)?```sh\n(.*?)```", TEXT, flags=re.DOTALL)
PASSWORD: Final = "canary-6f0e"
# What a block that is run again until it says so has to say.
SYNC: Final = "| sync"
# For what comes within seconds, on a machine that has other things to do.
SOON_S: Final = 120.0


class Machines:
    """The operator's home, and the machines of the primary and of the standby, all on this one.

    Attributes:
        said: what each block has printed, by its mark, in order.
    """

    def __init__(self, home: Path, postgres: Path, primary: Postgres, environment: Mapping[str, str]) -> None:
        self.home = home
        self.primary = primary
        self.standby = Postgres(postgres / "main", tests.postgres.free_port())
        self._environment = dict(environment)
        self._postgres = postgres
        # What the page calls by other names.
        self._names = {
            "host=db1.example.org port=5432": f"host=127.0.0.1 port={primary.port}",
            "db1.example.org:5432": primary.host,
            "db2.example.org:5432": self.standby.host,
            "/var/lib/postgresql/15": str(postgres),
            "PASSWORD": PASSWORD,
        }
        self.said: list[tuple[str, str]] = []

    def _here(self, commands: str) -> str:
        for name, ours in self._names.items():
            commands = commands.replace(name, ours)
        assert "example.org:" not in commands
        return commands

    def operator(self, mark: str, commands: str) -> subprocess.CompletedProcess[str]:
        """Run a block as the operator of the servers."""
        return self._run(mark, ["bash", "-euc", self._here(commands)], cwd=self.home, environment=self._environment)

    def owner(self, mark: str, commands: str, server: Postgres) -> subprocess.CompletedProcess[str]:
        """Run a block as the user `postgres` on the machine of a server, who types a password wherever one is asked for."""
        environment = self._environment | {
            "HOME": str(self._postgres),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": "postgres",
            "PGPASSFILE": str(self._postgres / ".pgpass"),
        }
        command = tests.postgres.as_owner(["bash", "-euc", self._here(commands)])
        return self._run(mark, command, cwd=self._postgres, environment=environment, stdin=f"{PASSWORD}\n{PASSWORD}\n")

    def keep(self, commands: str) -> None:
        """Let a block's variable be one for all that follow."""
        name = commands.partition("=")[0]
        self._environment[name] = self.operator("variable", f'{commands}\nprintf %s "${name}"').stdout

    def until(self, run: Callable[[], subprocess.CompletedProcess[str]], said: str) -> None:
        """Run a block again and again, until it has succeeded and says so."""
        deadline = time.monotonic() + SOON_S
        while (done := run()).returncode != 0 or said not in done.stdout:
            assert time.monotonic() < deadline, done.stdout + done.stderr

    def _run(
        self, mark: str, command: list[str], *, cwd: Path, environment: Mapping[str, str], stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        # In a session of its own there is no terminal: passwords are read from stdin.
        done = subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, check=False, start_new_session=True
        )
        self.said.append((mark, done.stdout))
        return done


@contextmanager
def machines(tmp_path: Path) -> Iterator[Machines]:
    """The machines, with an empty PostgreSQL on the primary, which asks those from elsewhere for their passwords."""
    home = tmp_path / "home"
    home.mkdir()
    environment = home_environment(home)
    environment["PATH"] = f"{commands_folder(tmp_path / 'bin')}:{tests.postgres.programs()}:{environment['PATH']}"
    with tests.postgres.primary(**tests.postgres.FAST) as primary, tests.postgres.folder() as folder:
        access = primary.data / "pg_hba.conf"
        scram = "host {} {} 127.0.0.1/32 scram-sha-256\n"
        access.write_text(scram.format("all", "coffer") + scram.format("replication", "replicator") + access.read_text())
        primary.reload()
        passwords = folder / ".pgpass"
        passwords.write_text(f"*:*:*:replicator:{PASSWORD}\n")
        passwords.chmod(0o600)
        os.chown(passwords, folder.stat().st_uid, folder.stat().st_gid)
        made = Machines(home, folder, primary, environment)
        try:
            yield made
        finally:
            made.standby.stop()


def test_its_commands_work(tmp_path: Path) -> None:
    tests.postgres.require()
    author = Author(coffer="shop")
    with ExitStack() as servers, machines(tmp_path) as on:
        (on.home / "publisher.pub").write_text(author.identity.public_text() + "\n")
        for mark, commands in BLOCKS:
            match mark:
                case "variable":
                    on.keep(commands)
                case "on the primary":
                    done = on.owner(mark, commands, on.primary)
                    assert done.returncode == 0, commands + done.stderr
                case "on the standby":
                    done = on.owner(mark, commands, on.standby)
                    assert done.returncode == 0, commands + done.stderr
                case "on the primary, until sync":
                    on.until(partial(on.owner, mark, commands, on.primary), SYNC)
                case "the primary is killed":
                    one, two = (servers.enter_context(running_server(on.home / name)) for name in ("one", "two"))
                    upload(one.address, author, author.first())
                    on.primary.kill()
                    one.wait_for_log("the database is away")
                    done = on.operator(mark, commands)
                    assert done.returncode == 0, commands + done.stderr
                    assert done.stdout.startswith("degraded\n")
                case "until ok":
                    on.until(partial(on.operator, mark, commands), "verified: ")
                    upload(two.address, author, author.release([author.put(author.key.id, b"after the drill")]))
                    servers.close()
                case "":
                    done = on.operator(mark, commands)
                    assert done.returncode == 0, commands + done.stderr
                case _:
                    raise AssertionError(mark)
        plain = [said for mark, said in on.said if mark == ""]
        assert "shop" in plain[1]
        assert [said.count("verified: ") for said in plain] == [0, 0, 1, 1]
        # The drill's database serves what was in the other.
        with running_server(on.home / "drill") as server:
            upload(server.address, author, author.release([author.put(author.key.id, b"second")]))
