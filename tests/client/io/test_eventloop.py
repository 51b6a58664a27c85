"""What is anyio's alone: cancellation, what is left behind, and hours that pass in no time. What all networks do: test_network.py."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import anyio.abc
import pytest
import trio
import trio.testing

import coffer_client
from coffer_client.coffer import Coffer
from coffer_client.config.credential import Credential
from coffer_client.conversation.retrieval import retrieve
from coffer_client.conversation.watching import Watcher
from coffer_client.errors import CofferWarning
from coffer_client.io.eventloop import EventLoop
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import CofferError, KeyNotFoundError, TruncatedError, UnreachableError
from coffer_protocol.message import Bye, Get, Held, Hello, KeyNotFound, Link, Message, OkGet, Still, Watch
from coffer_protocol.session import ServerSession
from coffer_protocol.suite.noise import NoiseResponder, hint

from ..drivers import BACKENDS
from ..fake_server import SERVER, FakeServer, address_of, answering, serving
from ..releases import History
from ..sources import Client

ONE = address_of(Host(name="one"))
THREE = address_of(Host(name="one"), Host(name="two"), Host(name="three"))
PLENTY_S = 30.0

P = ParamSpec("P")
T = TypeVar("T")


def serial(event: Coffer | CofferError) -> int:
    assert isinstance(event, Coffer), event
    return event.release.serial


class Far:
    """The server's end of a connection in memory."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self.stream = stream
        self._session = ServerSession({1: lambda: NoiseResponder({hint(SERVER.id()): SERVER.box_secret()})})

    async def hear(self) -> Message | None:
        """The client's next message; None where it has gone."""
        try:
            while (message := self._session.next_message()) is None:
                try:
                    self._session.receive(await self.stream.receive())
                except anyio.EndOfStream:
                    self._session.receive(b"")
        except TruncatedError:
            return None
        return message

    def bytes_of(self, message: Message) -> bytes:
        return self._session.send(message)

    async def say(self, message: Message) -> None:
        await self.stream.send(self.bytes_of(message))


Script = Callable[[Far], Awaitable[None]]


class Wire(anyio.abc.ByteStream):
    """One end of a connection in memory, of trio's."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send(self, item: bytes) -> None:
        try:
            await self._stream.send_all(item)
        except trio.BrokenResourceError:
            raise anyio.BrokenResourceError from None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.receive_some(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return bytes(data)

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await self._stream.aclose()


class Internet(EventLoop):
    """Hosts in memory, each with what it does to a connection; one without a script answers nothing, not even to being connected.

    The clock counts from 0 and jumps to where something happens next. It does not wait for threads, so files are worked with at once.
    """

    def __init__(self, tasks: trio.Nursery, **scripts: Script) -> None:
        super().__init__(connect_tcp=self._connect)
        self._tasks = tasks
        self._scripts = scripts
        self.dialled: list[tuple[str, float]] = []

    async def _connect(self, name: str, port: int) -> anyio.abc.ByteStream:
        self.dialled.append((name, trio.current_time()))
        if name not in self._scripts:
            await trio.sleep_forever()
        near, far = trio.testing.memory_stream_pair()
        self._tasks.start_soon(self._scripts[name], Far(Wire(far)))
        return Wire(near)

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        return function(*arguments, **keywords)


def in_no_time(work: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    """Run it on a clock that jumps."""

    async def main() -> None:
        async with trio.open_nursery() as tasks:
            await work(tasks)
            tasks.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture
def history(whole: Credential) -> History:
    return History(whole).add({"n": 1}).add({"n": 2})


@pytest.fixture
def client(tmp_path: Path, whole: Credential) -> Client:
    return Client(tmp_path / "files", whole)


async def get(far: Far, body: bytes) -> None:
    assert isinstance(await far.hear(), Hello)
    await far.say(Link())
    assert isinstance(await far.hear(), Get)
    await far.say(OkGet(coffer=body))


async def silent(far: Far) -> None:
    await far.hear()


# ------------------------------------------------------------------------------------------------------ hours in no time


def test_hosts_share_the_time_that_is_left(client: Client, history: History) -> None:
    async def work(tasks: trio.Nursery) -> None:
        async def serving(far: Far) -> None:
            await get(far, history.bodies[0])

        # The first takes no connection and the second says nothing: a third of ten seconds, and half of what is then left.
        internet = Internet(tasks, two=silent, three=serving)
        coffer = await retrieve(client.source(THREE, internet, timeout_s=9, max_stale=timedelta()))
        assert dict(coffer) == {"n": 1}
        assert internet.dialled == [("one", 0), ("two", 3), ("three", 6)]

    in_no_time(work)


def test_the_deadline_is_one_for_all_hosts(client: Client) -> None:
    async def work(tasks: trio.Nursery) -> None:
        async def dripping(far: Far) -> None:
            # A byte now and then does not win any time.
            await far.hear()
            with contextlib.suppress(anyio.BrokenResourceError):
                for byte in far.bytes_of(Link()):
                    await trio.sleep(1)
                    await far.stream.send(bytes([byte]))

        internet = Internet(tasks, two=silent, three=dripping)
        with pytest.raises(UnreachableError, match=r"one: no answer within 3 s.*two: .*three: ") as caught:
            await retrieve(client.source(THREE, internet, timeout_s=9, max_stale=timedelta()))
        assert str(caught.value).count("no answer within 3 s") == 3
        assert trio.current_time() == 9

    in_no_time(work)


def test_a_session_has_its_hour_and_then_another_begins(client: Client, history: History) -> None:
    async def work(tasks: trio.Nursery) -> None:
        bodies = list(history.bodies)

        async def still(far: Far) -> None:
            await get(far, bodies.pop(0))
            with contextlib.suppress(anyio.BrokenResourceError):
                assert await far.hear() in (Watch(serial=1), None)
                while True:
                    await trio.sleep(60)
                    await far.say(Still())

        internet = Internet(tasks, one=still)
        # Nine tenths of an hour; it ends with the first Still behind them.
        watcher = Watcher(client.source(ONE, internet), uniform=lambda low, high: 0.9)
        async with contextlib.aclosing(watcher.events()) as events:
            assert [serial(await anext(events)), serial(await anext(events))] == [1, 2]
        assert internet.dialled == [("one", 0), ("one", 3240)]

    in_no_time(work)


def test_a_server_that_falls_silent_is_left_for_the_next(client: Client, history: History) -> None:
    async def work(tasks: trio.Nursery) -> None:
        async def falling_silent(far: Far) -> None:
            await get(far, history.bodies[0])
            await far.hear()
            await trio.sleep(60)
            await far.say(Still())
            await far.hear()

        async def serving(far: Far) -> None:
            await get(far, history.bodies[1])
            await far.hear()

        internet = Internet(tasks, one=falling_silent, three=serving)
        async with contextlib.aclosing(Watcher(client.source(THREE, internet)).events()) as events:
            assert [serial(await anext(events)), serial(await anext(events))] == [1, 2]
        # 90 s after the last Still; the second host has ten seconds to answer.
        assert internet.dialled == [("one", 0), ("two", 150), ("three", 160)]

    in_no_time(work)


def test_waits_between_rounds_are_waited(client: Client) -> None:
    async def work(tasks: trio.Nursery) -> None:
        async def closing(far: Far) -> None:
            await far.stream.aclose()

        internet = Internet(tasks, one=closing)
        async with contextlib.aclosing(Watcher(client.source(ONE, internet), uniform=lambda low, high: high).events()) as events:
            for _ in range(4):
                assert isinstance(await anext(events), CofferError)
        assert [at for _, at in internet.dialled] == [0, 1, 3, 7]

    in_no_time(work)


# ------------------------------------------------------------------------------------------------------------ the public function


@pytest.mark.parametrize("backend", BACKENDS)
def test_afetch_gives_what_fetch_gives(backend: str, configured: Callable[..., None], credential: Credential) -> None:
    async def main() -> Coffer:
        return await coffer_client.afetch(timeout_s=PLENTY_S)

    with FakeServer(serving(credential, {"n": 1})) as server:
        configured(server, credential)
        coffer = anyio.run(main, backend=backend)
        assert (dict(coffer), coffer.stale) == ({"n": 1}, None)
    # Nobody serves any more: the cache does, and the application's line is told so.
    with pytest.warns(CofferWarning, match="no server answered") as told:
        coffer = anyio.run(main, backend=backend)
    assert (dict(coffer), coffer.stale is None) == ({"n": 1}, False)
    assert [warning.filename for warning in told] == [__file__]


def test_all_three_find_one_configuration(home: Path, whole: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fetch`, `afetch` and `watch` each take what they are not given from the file; an argument comes before it."""
    path = home / "any.toml"
    path.touch(0o600)
    (home / "client.key").touch(0o600)
    (home / "client.key").write_text(whole.file_text())
    with FakeServer(serving(whole, {"port": 5432})) as server:
        path.write_text(f'server = "{server.address()}"\nidentity = "client.key"\nstate = "state"\nno_cache = true')
        assert coffer_client.fetch(config=path)["port"] == 5432
        assert [each.suffix for each in sorted((home / "state").iterdir())] == [".lock", ".trust"]
        assert anyio.run(partial(coffer_client.afetch, config=path, cache=True, state=home / "mine"))["port"] == 5432
        assert [each.suffix for each in sorted((home / "mine").iterdir())] == [".cache", ".lock", ".trust"]
        monkeypatch.setenv("COFFER_CONFIG", str(path))
        with coffer_client.watch() as releases:
            assert next(releases)["port"] == 5432


@pytest.mark.parametrize("backend", BACKENDS)
def test_afetch_raises_what_fetch_raises(backend: str, configured: Callable[..., None], credential: Credential) -> None:
    async def main() -> None:
        await coffer_client.afetch()

    with FakeServer(answering(lambda hello: KeyNotFound(client=hello.client))) as server:
        configured(server, credential)
        with pytest.raises(KeyNotFoundError, match="does not know this client"):
            anyio.run(main, backend=backend)


# --------------------------------------------------------------------------------------------------------- what is left behind


class Silent:
    """A server in the same event loop, over a real socket, that gives a release to a Get where it has one, and then says nothing."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = list(bodies)
        # Set when the client waits for something that does not come, and when it has gone.
        self.waited_for = anyio.Event()
        self.left = anyio.Event()

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            far = Far(stream)
            assert isinstance(await far.hear(), Hello)
            await far.say(Link())
            assert isinstance(await far.hear(), Get)
            if self._bodies:
                await far.say(OkGet(coffer=self._bodies.pop(0)))
                while isinstance(message := await far.hear(), Held):
                    pass
                if isinstance(message, Bye):
                    return
            self.waited_for.set()
            assert await far.hear() is None
            self.left.set()


@contextlib.asynccontextmanager
async def running(server: Silent) -> AsyncIterator[ServerAddress]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.serve)
        yield address_of(Host(name="127.0.0.1", port=listener.extra(anyio.abc.SocketAttribute.local_port)))
        with anyio.fail_after(PLENTY_S):
            await server.left.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fetch_that_is_cancelled_closes_its_connection(backend: str, whole: Credential, tmp_path: Path) -> None:
    async def main() -> None:
        server = Silent()
        async with running(server) as address, anyio.create_task_group() as asking:
            asking.start_soon(partial(coffer_client.afetch, server=address, identity=whole.identity, state=tmp_path))
            await server.waited_for.wait()
            asking.cancel_scope.cancel()

    anyio.run(main, backend=backend)


def test_a_task_of_asyncio_that_is_cancelled_closes_its_connection(whole: Credential, tmp_path: Path) -> None:
    async def main() -> None:
        server = Silent()
        async with running(server) as address:
            task = asyncio.create_task(coffer_client.afetch(server=address, identity=whole.identity, state=tmp_path))
            await server.waited_for.wait()
            others = asyncio.all_tasks() - {task}
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() <= others

    asyncio.run(main())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_watch_that_is_cancelled_closes_its_session_and_can_go_on(
    backend: str, history: History, whole: Credential, tmp_path: Path
) -> None:
    async def main() -> None:
        server = Silent(history.bodies[0], history.bodies[0], history.bodies[1])
        async with running(server) as address, coffer_client.watch(server=address, identity=whole.identity, state=tmp_path) as releases:
            assert (await anext(releases))["n"] == 1
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(anext, releases)
                await server.waited_for.wait()
                waiting.cancel_scope.cancel()
            await server.left.wait()
            assert (await anext(releases))["n"] == 2

    anyio.run(main, backend=backend)


def test_the_threads_of_asyncio_end_with_its_loop(whole: Credential, history: History, tmp_path: Path) -> None:
    before = threading.enumerate()
    with FakeServer(serving(whole, {"n": 1})) as server:
        asyncio.run(coffer_client.afetch(server=server.address(), identity=whole.identity, state=tmp_path))
    for thread in threading.enumerate():
        if thread not in before:
            # It has been told to end.
            thread.join(PLENTY_S)
            assert not thread.is_alive(), thread


# --------------------------------------------------------------------------------------------------------------- without anyio

WITHOUT = """if 1:
    import sys
    sys.modules["anyio"] = None
    import coffer_client
    assert not {"asyncio", "trio"} & sys.modules.keys()
    waits = [coffer_client.afetch(server=sys.argv[1], identity=sys.argv[2])]
    waits.append(anext(coffer_client.watch(server=sys.argv[1], identity=sys.argv[2])))
    for wait in waits:
        try:
            wait.send(None)
        except coffer_client.UnavailableError as error:
            print(error)
"""


def test_without_anyio_the_extra_is_named(home: Path, whole: Credential) -> None:
    path = home / "client.key"
    path.write_text(whole.file_text())
    path.chmod(0o600)
    done = subprocess.run([sys.executable, "-c", WITHOUT, str(ONE), str(path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("install coffer-secrets again with the extra 'async'" in line for line in lines)
