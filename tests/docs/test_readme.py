"""What the README says is done here, in its order: its blocks are run as they stand, on machines that are folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import running_server
from tests.support import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- test: ([^>]+?) -->\n```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)


class Machine:
    """A folder that is somebody's home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        programs = Path(sys.executable).parent
        self.environment = {"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.home, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, text: str) -> str:
        return self.run("bash", "-euc", text)


def test_every_step_is_here() -> None:
    assert [where for where, _, _ in BLOCKS] == [
        "server",
        "operator",
        "server, the line that was printed",
        "operator",
        "application",
        "operator, secrets.toml",
        "operator",
        "application",
        "application",
    ]


def test_the_first_five_minutes(tmp_path: Path) -> None:
    server, operator, application = (Machine(tmp_path / name) for name in ("server", "operator", "application"))
    blocks = iter(text for _, _, text in BLOCKS)

    init, run = next(blocks).splitlines()
    # init prints the address on its first line.
    address = server.shell(init).splitlines()[0]
    assert run == "coffer-server run ~/coffer"
    with running_server(server.home / "coffer") as running:
        bound = str(running.address.hosts[0])
        assert "@secrets.example.net" in address
        operator.environment["ADDRESS"] = address.replace("secrets.example.net", bound)
        printed = operator.shell(next(blocks)).strip()

        # The line that was printed, its placeholders filled in as it says.
        shown = next(blocks).strip()
        assert shown == re.sub(r"coffer1\w+", "coffer1…", printed.replace("DIR", "~/coffer").replace("COFFER", "secrets"))
        server.shell(printed.replace("DIR", "~/coffer").replace("COFFER", "secrets"))

        application.environment["ADDRESS_FOR_CLIENTS"] = operator.shell(next(blocks)).strip()
        line = application.shell(next(blocks)).strip()
        definition = next(blocks).replace('web = "coffer1…"', re.sub(r"^\S+ =", "web =", line))
        assert line.split(" = ")[1] in definition
        (operator.home / "secrets.toml").write_text(definition, encoding="utf-8")
        uploaded = operator.shell(next(blocks))
        assert "orchid-lantern" not in uploaded

        url = "postgres://web:orchid-lantern-77@db.internal/shop"
        assert application.shell(next(blocks)) == f"{url}mail.internal\n{url}\n"
        assert application.run(sys.executable, "-c", next(blocks)) == "588\n1\n"


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_two_commands_are_there_to_be_run() -> None:
    for script in ("scripts/demo", "scripts/test"):
        assert re.search(rf"^{script}\b", TEXT, flags=re.MULTILINE)
        assert os.access(ROOT / script, os.X_OK)


def test_the_demo_runs() -> None:
    done = subprocess.run([ROOT / "scripts" / "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it worked." in done.stdout
    # What a machine may see of it is what its own owner asked for.
    assert "COFFER-SECRET-KEY" not in done.stdout + done.stderr
