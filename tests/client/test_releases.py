"""`watch`, by `for` and by `async for`: one story for each, and what is told on the way. How sessions are kept is in test_watching.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import coffer_client
from coffer_client.config.credential import Credential
from coffer_client.errors import BusyServerError, CofferWarning, ConfigurationError
from coffer_client.releases import Releases
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import CofferError, KeyNotFoundError
from coffer_protocol.message import USE_FOLLOWED, Error, KeyNotFound, OkGet, Watch
from tests.support import identity

from .conversation.test_watching import Waits, telling
from .drivers import BACKENDS
from .fake_server import FakeServer, Peer, Script, address_of, answering, giving_in_turn, hosting, unused_host
from .releases import History
from .sources import Client

# Nothing here takes so long; it ends a test that would hang.
GUARD_S = 60.0
LATER = answering(lambda _: Error(code="busy", sentence="later"))


@pytest.fixture
def client(tmp_path: Path, whole: Credential) -> Client:
    return Client(tmp_path / "files", whole)


@pytest.fixture
def history(whole: Credential) -> History:
    return History(whole).add({"n": 1}).add({"n": 2}).add({"n": 3})


def keeping(history: History, *serials: int) -> Script:
    """A session that gives these, one after the other, and is then kept until the client goes."""

    def script(peer: Peer) -> None:
        telling(history, *serials[1:], first=serials[0])(peer)
        peer.wait_for_close()

    return script


def watch(
    client: Client, address: ServerAddress, *, on_failure: Callable[[CofferError], object] | None = None, max_stale: timedelta = timedelta()
) -> Releases:
    """As the public function, for a client whose waits are over at once."""
    return Releases(lambda network, warn: client.source(address, Waits(), max_stale=max_stale), on_failure=on_failure)


# ------------------------------------------------------------------------------------------------------- as it should be


def test_each_release_is_given_as_it_comes(home: Path, whole: Credential, history: History) -> None:
    # The server waits for each session to be closed before it takes another connection, and before it ends.
    with FakeServer(giving_in_turn(hosting(history, newest=1), keeping(history, 1, 2, 3))) as server:
        with coffer_client.watch(server=server.address(), identity=whole.identity, state=home) as releases:
            assert [next(releases)["n"] for _ in range(3)] == [1, 2, 3]
        with pytest.raises(StopIteration):
            next(releases)


def test_asking_for_the_next_says_that_the_last_was_put_to_use(client: Client, history: History) -> None:
    receipts: list[tuple[int, int]] = []

    def listening(script: Script) -> Script:
        def listened(peer: Peer) -> None:
            script(peer)
            peer.expect(Watch)
            receipts.extend((held.serial, held.use) for held in peer.receipts)

        return listened

    with (
        FakeServer(giving_in_turn(hosting(history, newest=1), listening(telling(history, 2, 3)), LATER)) as server,
        watch(client, server.address(), on_failure=lambda error: releases.close()) as releases,
    ):
        assert [secrets["n"] for secrets in releases] == [1, 2, 3]
    assert receipts == [(1, USE_FOLLOWED), (2, USE_FOLLOWED), (3, USE_FOLLOWED)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_release_is_given_as_it_comes_in_an_event_loop(backend: str, home: Path, whole: Credential, history: History) -> None:
    async def main(address: ServerAddress) -> list[object]:
        found: list[object] = []
        async with coffer_client.watch(server=address, identity=whole.identity, state=home) as releases:
            async for secrets in releases:
                found.append(secrets["n"])
                if len(found) == 3:
                    break
        with pytest.raises(StopAsyncIteration):
            await anext(releases)
        return found

    with FakeServer(giving_in_turn(hosting(history, newest=1), keeping(history, 1, 2, 3))) as server:
        assert anyio.run(main, server.address(), backend=backend) == [1, 2, 3]


def test_a_loop_that_is_left_closes_the_session(home: Path, whole: Credential, history: History) -> None:
    with FakeServer(giving_in_turn(hosting(history, newest=1), keeping(history, 1, 2))) as server:
        for secrets in coffer_client.watch(server=server.address(), identity=whole.identity, state=home):
            if secrets["n"] == 2:
                break


def test_a_loop_of_asyncio_that_is_left_closes_the_session(home: Path, whole: Credential, history: History) -> None:
    async def main(address: ServerAddress) -> None:
        async for secrets in coffer_client.watch(server=address, identity=whole.identity, state=home):
            if secrets["n"] == 2:
                break

    with FakeServer(giving_in_turn(hosting(history, newest=1), keeping(history, 1, 2))) as server:
        anyio.run(main, server.address(), backend="asyncio")


def test_the_first_is_what_the_cache_has_where_no_server_answers(client: Client, history: History) -> None:
    client.fetch_from(hosting(history, newest=1))
    failures: list[CofferError] = []

    with (
        FakeServer(giving_in_turn(LATER, LATER, keeping(history, 2))) as server,
        watch(client, server.address(), on_failure=failures.append, max_stale=timedelta(days=1)) as releases,
    ):
        first = next(releases)
        assert (dict(first), first.refusal) == ({"n": 1}, None)
        assert first.stale
        assert dict(next(releases)) == {"n": 2}
    assert [type(failure) for failure in failures] == [BusyServerError]


# ---------------------------------------------------------------------------------------------------------------- failures


def test_what_is_wrong_at_the_first_is_raised_and_can_be_tried_again(client: Client, history: History) -> None:
    unknown = answering(lambda hello: KeyNotFound(client=hello.client))
    with FakeServer(giving_in_turn(unknown, LATER, hosting(history, newest=1))) as server, watch(client, server.address()) as releases:
        with pytest.raises(KeyNotFoundError):
            next(releases)
        with pytest.raises(BusyServerError):
            next(releases)
        assert dict(next(releases)) == {"n": 1}


def test_failures_behind_the_first_are_told_and_do_not_end_the_loop(client: Client, history: History) -> None:
    failures: list[CofferError] = []
    with (
        FakeServer(giving_in_turn(hosting(history, newest=1), LATER, LATER, keeping(history, 2))) as server,
        watch(client, server.address(), on_failure=failures.append) as releases,
    ):
        assert [next(releases)["n"], next(releases)["n"]] == [1, 2]
    assert [type(failure) for failure in failures] == [BusyServerError, BusyServerError]


def test_what_is_not_told_to_anyone_is_a_warning_at_the_first_of_several(client: Client, history: History) -> None:
    scripts = (hosting(history, newest=1), LATER, LATER, hosting(history, newest=2), LATER, keeping(history, 3))
    with FakeServer(giving_in_turn(*scripts)) as server, watch(client, server.address()) as releases:
        next(releases)
        with pytest.warns(CofferWarning, match=r"later \(trying again\)\nhint: try again in a minute$") as told:
            assert next(releases)["n"] == 2
        assert [(warning.filename, len(told)) for warning in told] == [(__file__, 1)]
        with pytest.warns(CofferWarning) as told:
            assert next(releases)["n"] == 3
        # The session's end, and what follows it, is one failure of several attempts.
        assert len(told) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_warning_is_of_the_applications_line_in_an_event_loop_too(backend: str, client: Client, history: History) -> None:
    async def main(address: ServerAddress) -> None:
        # Its waits need no event loop, and hold none up.
        async with watch(client, address) as releases:
            await anext(releases)
            with pytest.warns(CofferWarning) as told:
                assert (await anext(releases))["n"] == 2
            assert [warning.filename for warning in told] == [__file__]

    with FakeServer(giving_in_turn(hosting(history, newest=1), LATER, keeping(history, 2))) as server:
        anyio.run(main, server.address(), backend=backend)


def test_whoever_is_told_can_end_the_loop(client: Client, history: History) -> None:
    def give_up(error: CofferError) -> None:
        raise error

    with FakeServer(giving_in_turn(hosting(history, newest=1), LATER)) as server:
        releases = watch(client, server.address(), on_failure=give_up)
        assert next(releases)["n"] == 1
        with pytest.raises(BusyServerError):
            next(releases)


def test_closing_in_the_middle_of_failures_ends_the_loop(client: Client, history: History) -> None:
    with FakeServer(giving_in_turn(hosting(history, newest=1), LATER)) as server:
        releases = watch(client, server.address(), on_failure=lambda error: releases.close())
        assert [secrets["n"] for secrets in releases] == [1]


# ------------------------------------------------------------------------------------------------------------ wrong usage


def test_a_bare_key_cannot_watch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COFFER_BARE", "1")
    with pytest.raises(ConfigurationError, match="cannot watch"):
        coffer_client.watch(server=address_of(unused_host(), bare=True), identity=identity("web"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_an_event_loop_has_begun_is_not_closed_without_it(backend: str, home: Path, whole: Credential, history: History) -> None:
    async def main(address: ServerAddress) -> None:
        async with coffer_client.watch(server=address, identity=whole.identity, state=home) as releases:
            assert [(await anext(releases))["n"], (await anext(releases))["n"]] == [1, 2]
            for mistake in (releases.close, partial(next, releases)):
                with pytest.raises(RuntimeError, match="with `async` or without"):
                    mistake()

    with FakeServer(giving_in_turn(hosting(history, newest=1), keeping(history, 1, 2))) as server:
        anyio.run(main, server.address(), backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_task_is_refused_and_leaves_the_session_to_the_first(
    backend: str, home: Path, whole: Credential, history: History
) -> None:
    refused, closed = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        telling(history, 2)(peer)
        peer.expect(Watch)
        refused.wait(GUARD_S)
        peer.send(OkGet(coffer=history.bodies[2]))
        peer.wait_for_close()
        closed.set()

    async def main(address: ServerAddress) -> None:
        releases = coffer_client.watch(server=address, identity=whole.identity, state=home)
        assert [(await anext(releases))["n"], (await anext(releases))["n"]] == [1, 2]
        found: list[object] = []

        async def one_of_two() -> None:
            try:
                found.append((await anext(releases))["n"])
            except RuntimeError:
                with pytest.raises(RuntimeError, match="another task waits"):
                    await releases.aclose()
                refused.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_of_two)
            tasks.start_soon(one_of_two)
        assert found == [3]
        await releases.aclose()
        assert await anyio.to_thread.run_sync(closed.wait, GUARD_S)

    with FakeServer(giving_in_turn(hosting(history, newest=1), script)) as server:
        anyio.run(main, server.address(), backend=backend)
