"""docs/configuration.md: its tables are the code's, its commands are run as they stand, and each line of a file is one that is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from coffer_client.cli import doctor
from coffer_client.cli.exits import EXITS
from coffer_client.cli.options import GET
from coffer_client.config import file as configfile
from coffer_client.config.names import KINDS, LOCAL_PATH, SYSTEM_PATH, key_of, variable_of
from coffer_protocol.message import KeyNotFound
from tests.client.fake_server import FakeServer, address_of, answering, unused_host
from tests.docs.commands import home_environment, run
from tests.support import ROOT

TEXT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def rows(first_column: str) -> list[list[str]]:
    """The cells of a table."""
    (table,) = re.findall(rf"^\| {first_column} \|.*\n\|[- |]+\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def test_every_setting_is_in_the_table() -> None:
    flags = {option.name: f"{option.flag} {option.metavar}" if option.metavar else option.flag for option in GET.options}
    assert [(row[0], row[1].removesuffix("=1"), row[2].partition(" ")[0]) for row in rows("option")] == [
        (flags[name], variable_of(name), key_of(name)) for name in KINDS
    ]


def test_the_lines_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    path.touch(0o600)
    path.write_text("\n".join(row[2] for row in rows("option")))
    assert list(configfile.read(str(path))) == [key_of(name) for name in KINDS]


def test_the_files_are_those_that_are_looked_for() -> None:
    assert re.findall(r"^\d\. `([^`]+)`", TEXT, flags=re.MULTILINE) == [LOCAL_PATH, "$XDG_CONFIG_HOME/coffer/client.toml", SYSTEM_PATH]


def test_the_exit_codes_of_init_are_of_the_table() -> None:
    codes = {int(code) for row in rows("code") for code in row[0].split(", ")}
    assert codes < {row.code for row in EXITS}


def test_the_commands_run_and_the_steps_are_the_doctors(tmp_path: Path) -> None:
    environment = home_environment(tmp_path / "home")
    init, examination = re.findall(r"<!-- test -->\n```sh\n(.*)\n```", TEXT)
    assert (init, examination) == ('coffer-client init "$ADDRESS"', "coffer-client doctor")
    with FakeServer(answering(lambda hello: KeyNotFound(client=hello.client))) as server:
        made = run("coffer_client", "init", str(server.address()), environment=environment, cwd=tmp_path)
    assert (made.returncode, made.stdout.count(b"\n")) == (0, 1)
    done = run("coffer_client", "doctor", "--json", environment=environment, cwd=tmp_path)
    content = json.loads(done.stdout)
    assert [step["name"] for step in content["steps"]] == [row[0] for row in rows("step")]
    for key in ("ok", "exit", "steps", *content["steps"][0], doctor.OK, doctor.WARN, doctor.FAIL, doctor.SKIP):
        assert f"`{key}`" in TEXT
    assert run("coffer_client", "init", str(address_of(unused_host())), environment=environment, cwd=tmp_path).returncode == 2
