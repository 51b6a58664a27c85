from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity, format_id
from tests.companion.conftest import Operator

from .command_lines import Run, good, lines


def test_a_publisher_comes_and_goes(published: Operator, run: Run) -> None:
    laptop = Identity.generate()
    key = laptop.public_text()
    done = run("publishers", "add", key, "--name", "laptop")
    assert done.code == 4
    assert f"\n  coffer-server publisher add DIR {published.coffer} {key} --name laptop\n" in done.err
    assert "and then this command again" in done.err
    published.let_in(laptop, "laptop")
    done = good(run("publishers", "add", key, "--name", "laptop"))
    # What was signed for the refused upload took serial 4.
    assert "published release 5" in done.err
    (start,) = re.findall(r"^coffer-companion init '(.*)'$", done.out, flags=re.MULTILINE)
    address = ServerAddress.from_text(start)
    assert set(address.publishers) == {published.identity.publisher_key(), laptop.publisher_key()}
    assert "nothing to change" in good(run("publishers", "add", key, "--name", "laptop")).err
    assert [line.split()[0] for line in lines(run("publishers", "list"))] == ["name", "-", "laptop"]

    done = run("publishers", "retire", "laptop")
    assert done.code == 2
    assert "--keep-note-key" in done.err
    file = published.home / "definition.toml"
    done = run("publishers", "retire", "laptop", file)
    assert done.code == 4
    # The line is good as it is, except for the folder, which only the server's operator knows.
    (line,) = re.findall(r"^  (coffer-server publisher remove DIR .*)$", done.err, flags=re.MULTILINE)
    assert line == f"coffer-server publisher remove DIR {published.coffer} {laptop.public().fingerprint_text()}"
    words = [str(published.server.state_dir) if word == "DIR" else word for word in shlex.split(line)]
    removed = subprocess.run([sys.executable, "-m", "coffer_server", *words[1:]], capture_output=True, text=True, check=True)
    assert removed.stderr == f"laptop ({laptop.public().fingerprint_text()}) may no longer publish {published.coffer}\n"
    done = good(run("publishers", "retire", "laptop", file))
    assert "every shard is sealed again" in done.out
    (own,) = json.loads(good(run("publishers", "list", "--json")).out)
    assert own == {
        "name": None,
        "publisher": format_id(published.identity.publisher_key()),
        "id": format_id(published.identity.id()),
        "fingerprint": published.identity.public().fingerprint_text(),
        "trusted": True,
        "note_key": True,
        "own": True,
    }
    rows = lines(run("history"))[1:]
    assert "publishers changed" in rows[0]
    # The earlier note keys are kept.
    assert rows[-1].endswith("+2 web, worker")
    assert "+ worker" in good(run("rollback", "1", "--dry-run")).out


def test_a_publisher_goes_without_a_definition(published: Operator, run: Run) -> None:
    laptop = Identity.generate()
    published.let_in(laptop)
    pub = published.home / "laptop.pub"
    pub.write_text(f"# the laptop's\n{laptop.public_text()}\n")
    good(run("publishers", "add", pub))
    published.shut_out(laptop)
    done = good(run("publishers", "retire", pub, "--keep-note-key", "--dry-run"))
    assert "it still knows the note key" in done.out
    assert "published" not in done.err
    good(run("publishers", "retire", pub, "--keep-note-key"))
    assert good(run("rollback", "2", "--allow-removals")).code == 0


def test_after_a_theft_there_is_a_new_address_and_who_may_be_held(published: Operator, run: Run) -> None:
    laptop = Identity.generate()
    published.let_in(laptop, "laptop")
    good(run("publishers", "add", laptop.public_text(), "--name", "laptop"))
    published.shut_out(laptop)
    published.fetch("web")
    file = published.home / "definition.toml"
    assert run("publishers", "retire", "laptop", "--stolen", "--keep-note-key").code == 2
    assert "--stolen" in run("publishers", "retire", "laptop", "--stolen").err + run("publishers", "retire", "--help").out
    done = good(run("publishers", "retire", "laptop", file, "--stolen"))
    (line,) = [line for line in done.out.splitlines() if line.startswith("coffer://")]
    address = ServerAddress.from_text(line)
    assert (address.publishers, address.serial) == ((published.identity.publisher_key(),), 5)
    # Nobody has signed for it yet.
    assert "that has not signed for release 5" in done.err
    digits = {name: format_id(published.client(name).id())[:8] for name in ("web", "job")}
    assert f"  web ({digits['web']}) has signed for release 4\n" in done.err
    assert f"  job ({digits['job']}) has never signed\n" in done.err


def test_publishers_that_are_none(published: Operator, run: Run) -> None:
    assert run("publishers", "add", "laptop").code == 2
    assert run("publishers", "add", published.identity.public_text(), "--name", "My Laptop").code == 2
    done = run("publishers", "retire", "laptop", "--keep-note-key")
    assert done.code == 2
    assert "no publisher matches 'laptop'" in done.err
    own = format_id(published.identity.publisher_key())
    done = run("publishers", "retire", own, "--keep-note-key")
    assert done.code == 2
    assert "a publisher cannot retire itself" in done.err


def test_before_a_release_there_are_no_publishers(operator: Operator, run: Run) -> None:
    for command in (("list",), ("add", Identity.generate().public_text())):
        done = run("publishers", *command, "--coffer", operator.coffer)
        assert done.code == 2
        assert "holds no release" in done.err


def test_a_definition_that_other_users_can_read_retires_nobody(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    file.chmod(0o644)
    done = run("publishers", "retire", "laptop", file)
    assert done.code == 2
    assert f"hint: chmod 600 {file}" in done.err
