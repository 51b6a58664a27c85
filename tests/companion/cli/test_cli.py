"""The command line as it is typed: what is printed where, every sentence of refusal, and every exit code."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import coffer_companion.cli
from coffer_common import keyfile, paths
from coffer_protocol import question
from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity, PublicKey, format_id
from coffer_protocol.message import Ask, Error, OkOpen, Open, Put
from coffer_server.state import StateFolder
from coffer_server.store.base import Retention
from tests.client.fake_server import FakeServer, Peer, unused_host
from tests.companion.conftest import Operator
from tests.support import ROOT, identity

SERVER = identity("server")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `coffer-companion` with these arguments in this process."""

    def command(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["coffer-companion", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            coffer_companion.cli.run()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(code=ended.value.code, out=printed.out, err=printed.err)

    return command


def good(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


# ------------------------------------------------------------------------------------------------------- getting going


def test_init_makes_an_identity_and_prints_the_servers_line(home: Path, run: Run) -> None:
    address = f"coffer://{format_id(SERVER.id())}@host.example"
    done = good(run("init", address))
    key = keyfile.read(paths.publisher_key()).public().text()
    assert done.out == f"coffer-server publisher add DIR COFFER {key}\n"
    assert "secrets.toml publishes `secrets`" in done.err
    again = good(run("init", f"{address}/shop"))
    assert again.out == f"coffer-server publisher add DIR shop {key}\n"


def test_init_refuses_what_is_no_address(home: Path, run: Run) -> None:
    done = run("init", "host.example")
    assert (done.code, done.out) == (2, "")
    assert "ADDRESS: " in done.err


def test_keygen_prints_a_public_key_and_overwrites_nothing(home: Path, run: Run) -> None:
    done = good(run("keygen", home / "my.key"))
    assert PublicKey.from_text(done.out.strip()) == keyfile.read(home / "my.key").public()
    assert run("keygen", home / "my.key").code == 2


def test_check_counts_and_warns(operator: Operator, run: Run) -> None:
    done = good(run("check", operator.write('[web]\na = "changeme"\n9lives = 9', "web*2")))
    assert done.out.endswith(": 1 clients with 2 public keys, 2 values: good\n")
    assert "looks like a placeholder" in done.err
    assert "web: '9lives' gives '9lives', which is not a name for a variable" in done.err


def test_check_names_what_is_wrong(operator: Operator, run: Run) -> None:
    done = run("check", operator.write("[web]\na = []", "web"))
    assert (done.code, done.out) == (2, "")
    assert "web.a" in done.err


def test_explain(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    assert good(run("explain", "web", "a", "--file", file)).out.startswith("web a: own value, ")
    assert "there are web" in run("explain", "worker", "a", "--file", file).err
    assert run("explain", "web", "b", "--file", file).code == 2


def test_import_adds_to_a_definition(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    (operator.home / "web.env").write_text("TOKEN=canary\n")
    done = good(run("import", "dotenv", file, "web", operator.home / "web.env"))
    assert "1 values for web" in done.err
    assert 'TOKEN = "canary"' in file.read_text()
    assert run("import", "dotenv", file, "web", operator.home / "none.env").code in (1, 2)
    assert run("import", "dotenv", file, "web", operator.home / "web.env").code == 2


# --------------------------------------------------------------------------------------------------------- uploading


def test_upload_shows_the_plan_and_ends_with_the_address(operator: Operator, run: Run) -> None:
    done = good(run("upload", operator.write('[web]\ndb_url = "canary"', "web")))
    *plan, address = done.out.splitlines()
    assert plan == [f"coffer {operator.coffer}, release 1: 1 added, 0 changed, 0 removed, 0 unchanged", "  + web", "      + db_url"]
    parsed = ServerAddress.from_text(address)
    assert (parsed.coffer, parsed.publishers, parsed.serial) == (operator.coffer, (operator.identity.publisher_key(),), 1)
    assert f"published release 1 of {operator.coffer}" in done.err
    assert "canary" not in done.out + done.err
    assert good(run("address")).out.strip() == address
    again = good(run("upload", operator.home / "definition.toml"))
    assert "nothing to change" in again.err


def test_upload_as_json_keeps_stdout_for_the_plan(operator: Operator, run: Run) -> None:
    done = good(run("upload", "--json", operator.write("[web]\na = 1", "web")))
    assert json.loads(done.out)["clients"] == [{"client": "web", "change": "added", "keys": [{"key": "a", "change": "added"}]}]
    assert "coffer://" in done.err


def test_a_dry_run_changes_nothing(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    assert "  + web" in good(run("upload", "--dry-run", file)).out
    assert run("history", "--coffer", operator.coffer).code == 2


def test_expires(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    good(run("upload", file, "--expires", "never"))
    assert json.loads(good(run("history", "--json")).out)[0]["expires"] is None
    good(run("upload", file, "--expires", "10d"))
    (newest, _) = json.loads(good(run("history", "--json")).out)
    assert newest["expires"] - newest["issued"] == 10 * 86_400
    assert run("upload", file, "--expires", "soon").code == 2


def test_removals_must_be_meant(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1\n[worker]\nb = 1", "web", "worker")))
    file = operator.write("[web]\na = 1", "web")
    done = run("upload", file)
    assert done.code == 1
    assert "1 of 2 clients would be removed: nothing was changed. If it is meant: --allow-removals" in done.err
    assert good(run("upload", file, "--allow-removals")).code == 0
    done = run("rollback", "1", "--dry-run")
    assert "  + worker" in done.out


def test_two_names_that_differ(operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COFFER_SERVER", str(dataclasses.replace(operator.address, coffer="other")))
    done = run("upload", operator.write("[web]\na = 1", "web"))
    assert done.code == 2
    assert f"[coffer] name is {operator.coffer!r}, and the server's address says 'other'" in done.err
    done = run("history", "--coffer", "third")
    assert done.code == 2
    assert "--coffer is 'third', and the server's address says 'other'" in done.err


def test_the_files_own_name_is_the_coffers(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web").rename(operator.home / "My Secrets.toml")
    file.write_text(file.read_text().replace(f'[coffer]\nname = "{operator.coffer}"\n', ""))
    done = run("upload", file)
    assert done.code == 2
    assert "'My Secrets'" in done.err


def test_no_server_is_named(operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COFFER_SERVER")
    for command in (("upload", operator.write("[web]\na = 1", "web")), ("history",)):
        done = run(*command)
        assert done.code == 2
        assert "no server is named: `coffer-companion init ADDRESS` remembers one" in done.err


def test_no_identity(operator: Operator, run: Run) -> None:
    paths.publisher_key().unlink()
    done = run("upload", operator.write("[web]\na = 1", "web"))
    assert done.code == 2
    assert "`coffer-companion init ADDRESS` makes one" in done.err


def test_an_unknown_publisher_is_told_the_servers_line(operator: Operator, run: Run) -> None:
    keyfile.create(operator.home / "stranger.key")
    done = run("upload", operator.write("[web]\na = 1", "web"), "--identity", operator.home / "stranger.key")
    assert done.code == 4
    key = (operator.home / "stranger.key.pub").read_text().split()[-1]
    assert f"\ncoffer-server publisher add DIR {operator.coffer} {key}\n" in done.err


def test_a_wrong_coffer_name(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    file.write_text(file.read_text().replace(operator.coffer, "wrong"))
    done = run("upload", file)
    assert done.code == 4
    assert "does not let this identity publish coffer 'wrong'. If the name is right" in done.err


def test_a_server_that_is_not_there(operator: Operator, run: Run) -> None:
    address = dataclasses.replace(operator.address, hosts=(unused_host(),))
    done = run("upload", operator.write("[web]\na = 1", "web"), "--server", str(address))
    assert done.code == 3
    assert "coffer-server run DIR" in done.err


def test_a_server_of_another_id(operator: Operator, run: Run) -> None:
    """It closes without a word, so the sentence lists what may be wrong."""
    address = dataclasses.replace(operator.address, server=SERVER.id())
    done = run("upload", operator.write("[web]\na = 1", "web"), "--server", str(address))
    assert done.code == 3
    assert "the id in the address is not this server's" in done.err


@pytest.mark.parametrize(
    ("code", "sentence", "exit_code", "told"),
    [
        ("busy", "an upload is open", 1, "the server is busy: an upload is open. Nothing was changed; try again in a minute"),
        ("conflict", "another", 7, "another release came first, and this one changed nothing"),
        ("limit", "too large", 1, "the server refused: too large (limit)"),
        ("internal", "the server failed; its log says where", 1, "its log says where"),
        ("suite", "registered for the other", 4, "registered for the other (suite)"),
    ],
)
def test_what_the_server_refuses(operator: Operator, run: Run, code: str, sentence: str, exit_code: int, told: str) -> None:
    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Ask)
        peer.send(Error(code=code, sentence=sentence))
        peer.wait_for_close()

    with FakeServer(script) as server:
        address = ServerAddress(server=SERVER.id(), hosts=(server.host,))
        done = run("upload", operator.write("[web]\na = 1", "web"), "--server", str(address))
    assert done.code == exit_code
    assert told in done.err


def test_what_does_not_verify_is_exit_5(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web")))
    state = next((operator.home / ".local/state/coffer/publisher").iterdir())
    content = json.loads(state.read_text())
    state.write_text(json.dumps(content | {"seen": content["seen"] | {"signed_sha256": "00" * 32}}))
    for command in (("verify",), ("history",), ("upload", operator.home / "definition.toml")):
        done = run(*command)
        assert (done.code, done.out) == (5, "")
        assert "release 1" in done.err


def test_a_damaged_memory_is_exit_2(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web")))
    next((operator.home / ".local/state/coffer/publisher").iterdir()).write_text("{")
    assert run("verify").code == 2


# ----------------------------------------------------------------------------------------------------------- looking


@pytest.fixture
def published(operator: Operator, run: Run) -> Operator:
    """Three releases: web and worker; web changed; worker removed and job added."""
    good(run("upload", operator.write("[web]\na = 1\n[worker]\nb = 1", "web", "worker")))
    good(run("upload", operator.write("[web]\na = 2\n[worker]\nb = 1", "web", "worker")))
    good(run("upload", "--allow-removals", operator.write("[web]\na = 2\n[job]\nc = 1", "web", "job")))
    return operator


def lines(done: Done) -> list[str]:
    return good(done).out.splitlines()


def test_history(published: Operator, run: Run) -> None:
    header, *rows = lines(run("history"))
    assert header.split() == ["release", "issued", "(UTC)", "by", "expires", "clients"]
    assert [re.split(r"  +", row)[-1] for row in rows] == ["+1 job; -1 worker", "~1 web", "+2 web, worker"]
    assert all("(in 399 d)" in row or "(in 400 d)" in row for row in rows)
    assert len(lines(run("history", "--limit", "2"))) == 3
    first = json.loads(good(run("history", "--json")).out)[-1]
    assert (first["serial"], first["added"], first["changed"], first["held"]) == (1, ["web", "worker"], [], True)
    assert first["publisher"] == format_id(published.identity.publisher_key())


def test_history_of_what_is_not_held(published: Operator, run: Run) -> None:
    store = StateFolder(published.server.state_dir).store()
    store.prune(Retention(releases=1, age_s=1), now=1 << 33)
    store.close()
    rows = lines(run("history"))[1:]
    assert len(rows) == 3
    assert all(row.endswith("what it changed is not held any more") for row in rows)
    for command in (("rollback", "1"), ("diff", "1"), ("show", "1")):
        done = run(*command)
        assert done.code == 1
        assert "what was in release 1 is not held any more" in done.err
        assert "keep_releases" in done.err


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ["  + job", "      + c", "  - worker"]),
        (("2", "3"), ["  + job", "      + c", "  - worker"]),
        (("3", "2"), ["  + worker", "      + b", "  - job"]),
        (("1",), ["  ~ web", "      ~ a", "  + job", "      + c", "  - worker"]),
        (("1", "2"), ["  ~ web", "      ~ a"]),
        (("3", "3"), []),
    ],
)
def test_diff_between_releases(published: Operator, run: Run, arguments: tuple[str, ...], shown: list[str]) -> None:
    header, *rows = lines(run("diff", *arguments))
    assert header.startswith(f"coffer {published.coffer}, release ")
    assert sorted(rows) == sorted(shown)
    assert run("diff", *arguments, "--exit-code").code == (10 if shown else 0)


def test_diff_with_a_definition(published: Operator, run: Run) -> None:
    file = published.write('[web]\na = 2\n[job]\nc = 2\n[job.public]\nurl = "https://job.example"', "web", "job")
    assert lines(run("diff", file))[1:] == ["  ~ job", "      ~ c", "      + url = https://job.example"]
    assert lines(run("diff", "2", file))[1:] == [
        "  + job",
        "      + c",
        "      + url = https://job.example",
        "  - worker",
    ]
    assert run("diff", file, "--exit-code").code == 10
    assert json.loads(good(run("diff", file, "--json")).out)["serial"] == 4


@pytest.mark.parametrize("arguments", [("a.toml", "b.toml"), ("a.toml", "1")])
def test_diff_of_what_cannot_be_compared(operator: Operator, run: Run, arguments: tuple[str, ...]) -> None:
    done = run("diff", *arguments)
    assert done.code == 2
    assert "diff [A] FILE" in done.err


def test_show(published: Operator, run: Run) -> None:
    head, header, *rows = lines(run("show"))
    assert head.startswith(f"coffer {published.coffer}, release 3, issued ")
    assert header.split() == ["client", "id", "suite", "since", "keys"]
    assert [row.split() for row in rows] == [
        ["job", format_id(published.client("job").id()), "1", "3", "c"],
        ["web", format_id(published.client("web").id()), "1", "2", "a"],
    ]
    old = json.loads(good(run("show", "1", "--json")).out)
    assert [(client["client"], client["keys"], client["since"]) for client in old["clients"]] == [("web", ["a"], 1), ("worker", ["b"], 1)]
    assert run("show", "4").code == 2


def test_verify(published: Operator, run: Run) -> None:
    done = good(run("verify"))
    assert "releases 1 to 3 are one chain" in done.out
    assert "the keys of 2 clients and 1 publishers are exactly those that were signed" in done.out
    assert json.loads(good(run("verify", "--json")).out)["clients"] == 2


def test_rollback(published: Operator, run: Run) -> None:
    done = run("rollback", "1")
    assert done.code == 1
    assert "--allow-removals" not in good(run("rollback", "1", "--dry-run")).err
    done = good(run("rollback", "1", "--allow-removals"))
    assert "published release 4" in done.err
    assert "The definition is as it was" in done.err
    assert dict(published.fetch("worker")) == {"b": 1}
    assert run("rollback", "4").code == 2
    assert json.loads(good(run("rollback", "3", "--json", "--allow-removals", "--expires", "never")).out)["serial"] == 5
    assert json.loads(good(run("history", "--json")).out)[0]["expires"] is None


def test_which_coffer(published: Operator, run: Run) -> None:
    second = dataclasses.replace(published, coffer=f"{published.coffer}-2", clients={})
    keyfile.create(published.home / "second.key")
    done = run("history", "--identity", published.home / "second.key")
    assert done.code == 2
    assert "Say --coffer NAME; none was published from here yet" in done.err
    # One publisher belongs to one coffer, but its memory of another may be there.
    state = paths.state_file(server=published.address.server, coffer=second.coffer, publisher=published.identity.id())
    state.write_text("{}")
    done = run("history")
    assert done.code == 2
    assert f"these were published from here: {published.coffer}, {second.coffer}" in done.err
    assert good(run("history", "--coffer", published.coffer)).code == 0


# ---------------------------------------------------------------------------------------------------------- adoption


def test_status(published: Operator, run: Run) -> None:
    published.fetch("web")
    done = good(run("status"))
    head, header, *rows = done.out.splitlines()
    assert head.endswith(": 1 of 2 behind")
    assert header.split() == ["client", "keys", "fetched", "at", "(UTC)", "state"]
    assert re.fullmatch(r"job +1 +never +- +behind: changed in 3", rows[0])
    assert re.fullmatch(r"web +1 +3 +\S+ \S+ +up to date", rows[1])
    assert "the server's word" in done.err
    assert run("status", "--require-adopted").code == 1
    told = json.loads(good(run("status", "--json")).out)
    assert (told["behind"], [client["current"] for client in told["clients"]]) == (1, [False, True])
    published.fetch("job")
    assert run("status", "--require-adopted").code == 0
    assert run("status", "--require-adopted", "--wait", "10m").code == 0


def test_status_waits_no_longer_than_it_may(published: Operator, run: Run) -> None:
    done = run("status", "--require-adopted", "--wait", "0s")
    assert done.code == 1
    assert run("status", "--wait", "soon").code == 2


def test_hosts_of_one_client_are_told_apart(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web*2")))
    rows = lines(run("status"))[2:]
    ids = sorted(format_id(operator.client(host).id())[:8] for host in ("web", "web-2"))
    assert [row.split()[:2] for row in rows] == [["web", f"({client_id})"] for client_id in ids]


# -------------------------------------------------------------------------------------------------------- publishers


def test_a_publisher_comes_and_goes(published: Operator, run: Run) -> None:
    laptop = Identity.generate()
    key = laptop.public().text()
    done = run("publishers", "add", key, "--name", "laptop")
    assert done.code == 4
    assert f"\n  coffer-server publisher add DIR {published.coffer} {key} --name laptop\n" in done.err
    assert "Then type this command again" in done.err
    published.let_in(laptop, "laptop")
    done = good(run("publishers", "add", key, "--name", "laptop"))
    assert "published release 4" in done.err
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
    assert f"\n  coffer-server publisher remove DIR {published.coffer} laptop\n" in done.err
    published.shut_out(laptop)
    done = good(run("publishers", "retire", "laptop", file))
    assert "every shard is sealed anew" in done.out
    (own,) = json.loads(good(run("publishers", "list", "--json")).out)
    assert own == {
        "name": None,
        "publisher": format_id(published.identity.publisher_key()),
        "id": format_id(published.identity.id()),
        "trusted": True,
        "note_key": True,
        "own": True,
    }
    rows = lines(run("history"))[1:]
    assert "publishers changed" in rows[0]
    assert rows[-1].endswith("(named under an earlier note key)")
    done = run("rollback", "1")
    assert done.code == 5
    assert "the note key has been replaced since" in done.err


def test_a_publisher_goes_without_a_definition(published: Operator, run: Run) -> None:
    laptop = Identity.generate()
    published.let_in(laptop)
    pub = published.home / "laptop.pub"
    pub.write_text(f"# the laptop's\n{laptop.public().text()}\n")
    good(run("publishers", "add", pub))
    published.shut_out(laptop)
    done = good(run("publishers", "retire", pub, "--keep-note-key", "--dry-run"))
    assert "it still knows the note key" in done.out
    assert "published" not in done.err
    good(run("publishers", "retire", pub, "--keep-note-key"))
    assert good(run("rollback", "2", "--allow-removals")).code == 0


def test_publishers_that_are_none(published: Operator, run: Run) -> None:
    assert run("publishers", "add", "laptop").code == 2
    assert run("publishers", "add", published.identity.public().text(), "--name", "My Laptop").code == 2
    done = run("publishers", "retire", "laptop", "--keep-note-key")
    assert done.code == 2
    assert "no publisher is 'laptop'" in done.err
    own = format_id(published.identity.publisher_key())
    done = run("publishers", "retire", own, "--keep-note-key")
    assert done.code == 2
    assert "a publisher does not retire itself" in done.err


def test_before_a_release_there_are_no_publishers(operator: Operator, run: Run) -> None:
    for command in (("list",), ("add", Identity.generate().public().text())):
        done = run("publishers", *command, "--coffer", operator.coffer)
        assert done.code == 2
        assert "holds no release" in done.err


# ---------------------------------------------------------------------------------------------------- whole processes


def process(operator: Operator, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coffer_companion", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(operator.home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupted_upload_changes_nothing(operator: Operator) -> None:
    processes: list[subprocess.Popen[str]] = []
    came: list[type] = []

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Ask)
        peer.send(question.tell_heads([]))
        peer.expect(Open)
        peer.send(OkOpen.pack(None, []))
        came.append(type(peer.expect(Put)))
        processes[0].send_signal(signal.SIGINT)
        peer.wait_for_close()

    # So many that the upload is far from its end when the signal comes.
    names = [f"client-{number}" for number in range(100)]
    file = operator.write("\n".join(f'[{name}]\na = "{"x" * 100_000}"' for name in names), *names)
    with FakeServer(script) as server:
        address = ServerAddress(server=SERVER.id(), hosts=(server.host,))
        processes.append(process(operator, "upload", file, "--server", str(address)))
        _, err = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 130
    assert "coffer-companion: interrupted. Nothing was changed" in err
    assert "Traceback" not in err
    assert came == [Put]


def test_an_interruption_while_connecting(operator: Operator) -> None:
    processes: list[subprocess.Popen[str]] = []

    def script(peer: Peer) -> None:
        processes[0].send_signal(signal.SIGINT)
        peer.wait_for_close()

    file = operator.write("[web]\na = 1", "web")
    with FakeServer(script) as server:
        address = ServerAddress(server=SERVER.id(), hosts=(server.host,))
        processes.append(process(operator, "upload", file, "--server", str(address)))
        _, err = processes[0].communicate(timeout=60)
    assert (processes[0].returncode, "Traceback" in err) == (130, False)


def test_colours_are_for_terminals_that_want_them(operator: Operator) -> None:
    file = operator.write("[web]\na = 1", "web")
    server = str(operator.address)
    for environment, has_colours in (({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)):
        out, err = process(operator, "diff", file, "--server", server, TERM="xterm", **environment).communicate(timeout=60)
        assert ("\x1b[32m" in out) == has_colours, err
