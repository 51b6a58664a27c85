"""fetch() in processes that fork, and in several threads at once, as the servers of web applications call it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.address import Host
from tests.published import published
from tests.support import ROOT

from .fake_server import address_of

# Nothing here takes so long; it ends a test that would hang.
_GUARD_S: Final = 60.0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """That of a client of a real server, which serves all that ask at once."""
    with published(tmp_path_factory.mktemp("published"), 'key = "canary"\n') as client:
        yield client


def run(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # What is left open is told on stderr.
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_GUARD_S, check=False)


COMMON = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
import coffer_client


def take(_=None):
    return coffer_client.fetch().text("key")


def take_in_threads():
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(take, range(8))] == ["canary"] * 8


def in_a_child(function):
    child = os.fork()
    if child:
        return child
    try:
        function()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def wait(children):
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)


def running():
    return threading.enumerate(), sorted(os.listdir("/dev/fd"))

"""


def test_nothing_is_left_running_or_open(environment: dict[str, str]) -> None:
    ran = run(COMMON + "before = running(); take(); assert running() == before; take_in_threads(); assert running() == before", environment)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_process_that_has_fetched_can_fork_and_all_fetch_at_once(environment: dict[str, str]) -> None:
    program = """
take()
children = [in_a_child(function) for function in (take, take_in_threads, take)]
take_in_threads()
wait(children)
"""
    ran = run(COMMON + program, environment)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_first_fetches_of_all_may_be_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    """Nothing is there yet: no module has been loaded, no folder made."""
    fresh = environment | {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = run(COMMON + "wait([in_a_child(take_in_threads) for _ in range(3)])", fresh)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_fork_out_of_a_fetch_harms_neither(environment: dict[str, str]) -> None:
    """Other threads fetch while one forks, again and again: wherever they are, locks included, both sides can go on."""
    program = """
import warnings
# Python 3.12 and later warn of any fork beside threads; that it works here is what is tested.
warnings.simplefilter("ignore", DeprecationWarning)
# Python itself cannot be forked beside a thread that is importing.
take()
with ThreadPoolExecutor(3) as pool:
    taken = [pool.submit(take) for _ in range(12)]
    children = [in_a_child(take) for _ in range(4)]
    assert {future.result() for future in taken} == {"canary"}
wait(children)
"""
    ran = run(COMMON + program, environment)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_no_two_processes_draw_the_same_random_bytes(whole: Credential, environment: dict[str, str], tmp_path: Path) -> None:
    """The first message has fresh keys in it. To know them from an elder would be to share them."""
    program = """
def try_to_take():
    try:
        take()
    except coffer_client.UnreachableError:
        pass


try_to_take()
children = [in_a_child(try_to_take) for _ in range(3)]
try_to_take()
wait(children)
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = address_of(Host(name="127.0.0.1", port=listener.getsockname()[1]))
        variables = environment | {"COFFER_SERVER": str(address), "COFFER_IDENTITY_TEXT": whole.identity.secret_text()}
        command = [sys.executable, "-c", COMMON + program]
        with subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True) as process:
            first_bytes = []
            for _ in range(5):
                connection, _ = listener.accept()
                with connection:
                    first_bytes.append(connection.recv(1 << 16))
            assert process.communicate(timeout=_GUARD_S)[1] == ""
    assert process.returncode == 0
    assert min(map(len, first_bytes)) > 32
    # Beyond the header, what is told with which key is sealed, and nothing alike.
    assert len({first[3:35] for first in first_bytes}) == 5
