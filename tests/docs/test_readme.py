"""What the README says is done here, in its order: its blocks are run as they stand, on machines that are folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.server.running import running_server
from tests.support import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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
        "overview",
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


def test_the_overview_is_of_commands_that_the_five_minutes_run() -> None:
    (_, _, overview), *steps = BLOCKS
    commands = [re.sub(r"\s+#.*", "", line) for line in overview.splitlines()]
    assert len(commands) == 5
    assert set(commands) <= {line for _, language, text in steps for line in text.splitlines() if language == "sh"}


def test_the_first_five_minutes(tmp_path: Path) -> None:
    server, operator, application = (Machine(tmp_path / name) for name in ("server", "operator", "application"))
    blocks = iter(text for where, _, text in BLOCKS if where != "overview")

    init, run = next(blocks).splitlines()
    # init prints the address on its first line.
    address = server.shell(init).splitlines()[0]
    assert run == "coffer-server run ~/coffer"
    with running_server(server.home / "coffer") as running:
        bound = str(running.address.hosts[0])
        assert "@secrets.example.net" in address
        operator.environment["SERVER_ADDRESS"] = address.replace("secrets.example.net", bound)
        printed = operator.shell(next(blocks)).strip()

        # The line that was printed, its placeholders filled in as it says.
        shown = next(blocks).strip()
        assert shown == re.sub(r"coffer1\w+", "coffer1…", printed.replace("DIR", "~/coffer").replace("COFFER", "secrets"))
        server.shell(printed.replace("DIR", "~/coffer").replace("COFFER", "secrets"))

        application.environment["ADDRESS"] = operator.shell(next(blocks)).strip()
        line = application.shell(next(blocks)).strip()
        definition = next(blocks).replace('web = "coffer1…"', line)
        assert line in definition
        (operator.home / "secrets.toml").write_text(definition, encoding="utf-8")
        uploaded = operator.shell(next(blocks))
        assert "orchid-lantern" not in uploaded

        url = "postgres://web:orchid-lantern-77@db.internal/shop"
        assert application.shell(next(blocks)) == f"{url}mail.internal\n{url}\n"
        assert application.run(sys.executable, "-c", next(blocks)) == "588\n1\n"


def test_what_is_to_be_installed_is_there() -> None:
    extras = PROJECT["optional-dependencies"]
    named = re.findall(r"'\.\[([a-z,]+)\]'", TEXT)
    assert named
    assert {extra for names in named for extra in names.split(",")} <= extras.keys()
    version, name = PROJECT["version"], PROJECT["name"].replace("-", "_")
    assert f"dist/{name}-{version}-py3-none-any.whl" in TEXT


def test_links_work_on_an_index_page_too() -> None:
    """An index shows this page without the repository around it, so each link is whole."""
    source = f"{PROJECT['urls']['Source']}/blob/main/"
    links = dict(re.findall(r"^\[(.+)\]: (\S+)$", TEXT, flags=re.MULTILINE))
    assert set(re.findall(r"\[([^\]]+)\](?!:)", re.sub(r"```.*?```|`[^`]*`", "", TEXT, flags=re.DOTALL))) == links.keys()
    for label, link in links.items():
        path = ROOT / link.removeprefix(source)
        assert link.startswith(source)
        assert path.is_file()
        assert ROOT / label in (path, path.parent)


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
