"""What docs/storage-postgres.md says is done here, on a real PostgreSQL: its commands are run in their order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import tests.postgres
from tests.server.publishing import Author
from tests.server.running import running_server
from tests.server.sockets import upload
from tests.support import ROOT

from .commands import commands_folder, home_environment

TEXT: Final = (ROOT / "docs" / "storage-postgres.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"(?:<!-- test: ([^>]+?) -->\n)?```sh\n(.*?)```", TEXT, flags=re.DOTALL)


def test_its_commands_work(tmp_path: Path) -> None:
    author = Author(coffer="shop")
    home = tmp_path / "home"
    home.mkdir()
    (home / "publisher.pub").write_text(author.key.text() + "\n")
    with tests.postgres.primary(**tests.postgres.FAST) as postgres:
        for name in ("coffer", "restored"):
            postgres.execute(f"CREATE DATABASE {name}")
        environment = home_environment(home)
        environment |= {
            "PATH": f"{commands_folder(tmp_path / 'bin')}:{tests.postgres.programs()}:{environment['PATH']}",
            "STORE": tests.postgres.url(postgres, database="coffer"),
            "RESTORED_STORE": tests.postgres.url(postgres, database="restored"),
            "DATABASE": tests.postgres.libpq_url(postgres, database="coffer"),
            "RESTORED": tests.postgres.libpq_url(postgres, database="restored"),
        }
        said = []
        for mark, commands in BLOCKS:
            if mark == "not run":
                continue
            if "pg_dump" in commands:
                with running_server(home / "two") as server:
                    upload(server.address, author, author.first())
            done = subprocess.run(["bash", "-euc", commands], cwd=home, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, commands + done.stderr
            said.append(done.stdout)
        assert [text.count("whole: ") for text in said] == [0, 0, 1, 1]
        assert "shop" in said[1]
        # The drill's database serves what was in the other.
        with running_server(home / "drill") as server:
            upload(server.address, author, author.release([author.put(author.key.id, b"second")]))
