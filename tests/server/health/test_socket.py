"""The socket at which a server is asked for its health, over real sockets in this process."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from coffer_server.errors import NotServingError
from coffer_server.health import socket as healthsocket
from coffer_server.health.report import Health
from tests.server.running import running_server

from .test_report import AWAY, WELL

NO_SERVER = "no server runs on"
# Nothing here takes so long; it ends a test that would hang.
GUARD_S = 60.0


async def ask(folder: Path) -> Health:
    return await trio.to_thread.run_sync(healthsocket.ask, folder)


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@asynccontextmanager
async def answering(folder: Path, health: Health) -> AsyncIterator[None]:
    """A server of `folder` that says this of itself."""

    async def examine() -> Health:
        await trio.lowlevel.checkpoint()
        return health

    with healthsocket.listening(folder) as listener:
        assert listener is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(healthsocket.serve, listener, examine)
            yield
            nursery.cancel_scope.cancel()


def kill(folder: Path) -> None:
    """Leave what a server leaves in its folder that was killed."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "health.sock"))
        left.listen()


@pytest.fixture(params=["short", "long" * 50], ids=["short", "long"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A state folder, one of them with a path that no socket's address would hold."""
    made: Path = tmp_path / request.param
    made.mkdir(mode=0o700)
    return made


@pytest.mark.trio
async def test_who_asks_is_told(folder: Path) -> None:
    async with answering(folder, AWAY):
        assert await ask(folder) == AWAY
        assert await ask(folder) == AWAY
        assert stat.S_IMODE((folder / "health.sock").stat().st_mode) == 0o600
        assert names(folder) == ["health.sock"]
    assert names(folder) == []


def test_nobody_is_there(folder: Path) -> None:
    with pytest.raises(NotServingError, match=NO_SERVER):
        healthsocket.ask(folder)


@pytest.mark.trio
async def test_one_that_was_killed_has_left_its_socket(tmp_path: Path) -> None:
    kill(tmp_path)
    with pytest.raises(NotServingError, match=NO_SERVER):
        await ask(tmp_path)
    async with answering(tmp_path, WELL):
        assert await ask(tmp_path) == WELL


@pytest.mark.trio
async def test_the_first_of_two_on_one_folder_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(tmp_path, WELL):
        with healthsocket.listening(tmp_path) as second:
            assert second is None
            assert "another server on this folder has it" in capsys.readouterr().out
            assert await ask(tmp_path) == WELL
        assert await ask(tmp_path) == WELL
        assert names(tmp_path) == ["health.sock"]


@pytest.mark.parametrize("is_full", [False, True])
def test_one_that_answers_nobody_does_not_keep_another_from_its_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_full: bool
) -> None:
    with socket.socket(socket.AF_UNIX) as stopped, ExitStack() as askers:
        stopped.bind(str(tmp_path / "health.sock"))
        stopped.listen(0)
        with suppress(BlockingIOError):
            while is_full:
                asker = askers.enter_context(socket.socket(socket.AF_UNIX))
                asker.setblocking(False)
                asker.connect(str(tmp_path / "health.sock"))
        # A start that waited for it would wait until this.
        guard = threading.Timer(GUARD_S, stopped.close)
        guard.start()
        with healthsocket.listening(tmp_path) as listener:
            assert listener is None
        assert guard.is_alive()
        guard.cancel()
    assert "another server on this folder has it" in capsys.readouterr().out


@pytest.mark.trio
async def test_one_that_was_replaced_is_left_alone(tmp_path: Path) -> None:
    with healthsocket.listening(tmp_path):
        (tmp_path / "health.sock").rename(tmp_path / "old")
        (tmp_path / "health.sock").touch()
    assert (tmp_path / "health.sock").exists()


def test_a_folder_in_which_it_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with healthsocket.listening(tmp_path / "nowhere") as listener:
        assert listener is None
    said = capsys.readouterr().out
    assert "this server has no health socket" in said
    assert os.strerror(2) in said


@pytest.mark.trio
async def test_a_fault_is_logged_and_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Health | Exception] = [ValueError("canary-71aa"), WELL]

    async def examine() -> Health:
        await trio.lowlevel.checkpoint()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with healthsocket.listening(tmp_path) as listener:
        assert listener is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(healthsocket.serve, listener, examine)
            with pytest.raises(NotServingError, match=r"closed the connection without an answer.*: see its log"):
                await ask(tmp_path)
            assert await ask(tmp_path) == WELL
            nursery.cancel_scope.cancel()
    said = capsys.readouterr().out
    assert "the health report failed" in said
    assert "canary-71aa" not in said


@pytest.mark.trio
async def test_who_hangs_up_harms_nobody(tmp_path: Path) -> None:
    # More than a socket keeps for who does not read.
    large = replace(WELL, releases={str(number): number for number in range(100_000)})
    async with answering(tmp_path, large):
        async with await trio.open_unix_socket(tmp_path / "health.sock") as other:
            await other.receive_some(1)
        assert await ask(tmp_path) == large


def refusal_of(folder: Path, answer: Callable[[socket.socket], object]) -> str:
    """Why what is answered to the first who asks is no answer."""

    def serve() -> None:
        # Whoever asks may have gone in the middle.
        with listener.accept()[0] as stream, suppress(BrokenPipeError, ConnectionResetError):
            answer(stream)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "health.sock"))
        listener.listen()
        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(NotServingError) as caught:
            healthsocket.ask(folder)
        serving.join()
    return str(caught.value)


def test_one_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthsocket, "TIMEOUT_S", 0.01)
    said = refusal_of(tmp_path, lambda stream: stream.recv(1))
    assert f"does not answer on {tmp_path}/health.sock (timed out after" in said


def test_one_that_dribbles_has_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthsocket, "TIMEOUT_S", 0.1)

    def dribble(stream: socket.socket) -> None:
        for _ in range(1 << 22):
            stream.sendall(b" ")

    assert "timed out" in refusal_of(tmp_path, dribble)


def test_one_that_says_too_much(tmp_path: Path) -> None:
    def flood(stream: socket.socket) -> None:
        for _ in range(32):
            stream.sendall(bytes(1 << 20))

    assert "its answer is over 16 MiB" in refusal_of(tmp_path, flood)


def test_one_that_answers_noise(tmp_path: Path) -> None:
    assert "different version" in refusal_of(tmp_path, lambda stream: stream.sendall(b"\xff"))


# Listening, the database, the loop's own and the health socket take about thirty.
FEW_DESCRIPTORS = """if 1:
    import resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
    sys.argv[0] = "coffer-server"
    from coffer_server.__main__ import main
    main()
"""


def test_a_server_without_descriptors_is_still_asked(tmp_path: Path) -> None:
    with running_server(tmp_path / "state", launcher=["-c", FEW_DESCRIPTORS]) as server:
        host = server.address.hosts[0]
        with ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(socket.create_connection((host.name, host.port)))
            server.wait_for_log("Too many open files")
            assert server.health().connections > 10
        # Once they are gone, it is as well as before.
        assert server.health().status == "ok"
