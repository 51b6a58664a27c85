from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import time

import pytest

from coffer_common import keyfile
from coffer_protocol import question
from coffer_protocol.address import ServerAddress
from coffer_protocol.message import Ask, Error, OkOpen, Open, Put
from tests.client.fake_server import FakeServer, Peer, unused_host
from tests.companion.conftest import Operator

from .command_lines import SERVER, Run, good, process


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
    assert "does not let this identity publish coffer 'wrong'\nhint: if the name is right" in done.err


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
        ("busy", "an upload is open", 1, "the server refused: busy: an upload is open\nhint: nothing was changed: try again in a minute\n"),
        ("conflict", "another", 7, "another release came first, and this one changed nothing\nhint: look at it"),
        ("limit", "too large", 1, "the server refused: limit: too large"),
        ("internal", "the server failed; its log says where", 1, "its log says where"),
        ("suite", "registered for the other", 4, "suite: registered for the other"),
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
    state = next((operator.home / ".local/state/coffer/publisher").glob("*.json"))
    content = json.loads(state.read_text())
    state.write_text(json.dumps(content | {"seen": content["seen"] | {"sha256": "00" * 32}}))
    for command in (("verify",), ("history",), ("upload", operator.home / "definition.toml")):
        done = run(*command)
        assert (done.code, done.out) == (5, "")
        assert "release 1" in done.err


def test_a_damaged_memory_is_exit_2(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web")))
    next((operator.home / ".local/state/coffer/publisher").glob("*.json")).write_text("{")
    assert run("verify").code == 2


def test_an_interrupted_upload_changes_nothing(operator: Operator) -> None:
    processes: list[subprocess.Popen[str]] = []
    came: list[type] = []

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Ask)
        peer.send(question.tell_heads([]))
        peer.expect(Ask)
        facts = question.ServerFacts(version="1", time=int(time.time()), oldest=0, enrol="invited", is_audited=False)
        peer.send(question.tell_about(facts))
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
    assert "coffer-companion: interrupted\nhint: nothing was changed" in err
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
