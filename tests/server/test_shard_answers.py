from __future__ import annotations

from pathlib import Path

import pytest

from coffer_protocol.errors import LocalProtocolError
from coffer_protocol.message import Message, OkGet
from coffer_protocol.question import Fetch
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.channel import Channel
from coffer_server.errors import DeniedError, WrongSuiteError
from coffer_server.service import Service
from coffer_server.shard_answers import ShardAnswers
from coffer_server.store.base import Known
from tests.server.memory_store import MemoryStore

from .publishing import ISSUED, Author, identity
from .streams import service_of

pytestmark = pytest.mark.trio

WEB, BARE = identity(100).id(), identity(101).plain_id()


class Sent(Channel):
    """A channel that keeps what is sent."""

    def __init__(self, suite: int = 1) -> None:
        self._spoken = suite
        self.messages: list[Message] = []
        self.is_closed = False

    @property
    def suite(self) -> int:
        return self._spoken

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def send_now(self, message: Message) -> None:
        if self.is_closed:
            raise LocalProtocolError("it may not follow")
        self.messages.append(message)


@pytest.fixture
def author(store: MemoryStore) -> Author:
    """The publisher of a client of each suite."""
    made = Author()
    store.add_publisher(coffer=made.coffer, key=made.key, name=None, now=ISSUED)
    publish(store, made, made.put(made.key.id, b"note key"), made.put(WEB, b"for web"), made.put(BARE, b"for bare", alg=1))
    return made


def publish(store: MemoryStore, author: Author, *changes: object) -> None:
    release = author.release(changes)  # type: ignore[arg-type]
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)


@pytest.fixture
def store() -> MemoryStore:
    """Empty."""
    return MemoryStore()


@pytest.fixture
def service(store: MemoryStore, author: Author, tmp_path: Path) -> Service:
    """A service over the store."""
    return service_of(store, tmp_path)


def answers(service: Service, channel: Channel, client: bytes = WEB) -> ShardAnswers:
    known = service.store.look_up(client)
    assert known is not None
    return ShardAnswers(service, channel, client, known)


def blob_of(message: Message) -> bytes:
    assert isinstance(message, OkGet)
    return SealedAnswer.decode_untrusted(message.coffer).blob


async def test_a_client_gets_its_shard_and_that_is_noted(service: Service) -> None:
    channel = Sent()
    client = answers(service, channel)
    await client.give(await client.fetch())
    [answer] = channel.messages
    assert blob_of(answer) == b"for web"
    assert service.noted("web-shop").fetches == {WEB: Fetch(id=WEB, serial=1, at=ISSUED)}


async def test_it_knows_the_release_that_it_has_seen(service: Service, store: MemoryStore, author: Author) -> None:
    client = answers(service, Sent())
    assert (client.coffer, client.serial) == ("web-shop", 1)
    publish(store, author, author.put(WEB, b"new"))
    assert (await client.fetch()).serial == client.serial == 2


async def test_who_is_dropped_gets_nothing(service: Service, store: MemoryStore, author: Author) -> None:
    client = answers(service, Sent())
    store.block(WEB, now=ISSUED)
    with pytest.raises(DeniedError):
        await client.fetch()


@pytest.mark.parametrize(("client", "suite"), [(WEB, 0), (BARE, 1)])
async def test_a_client_speaks_the_suite_that_it_is_registered_for(service: Service, client: bytes, suite: int) -> None:
    with pytest.raises(WrongSuiteError):
        answers(service, Sent(suite), client)
    answers(service, Sent(1 - suite), client)


async def test_a_blob_for_the_other_suite_is_not_sent(service: Service, store: MemoryStore, author: Author) -> None:
    channel = Sent()
    client = answers(service, channel)
    publish(store, author, author.put(WEB, b"for another suite", alg=1))
    fetched = await client.fetch()
    with pytest.raises(WrongSuiteError):
        await client.give(fetched)
    assert not client.give_now(fetched)
    assert channel.messages == []
    assert service.noted("web-shop").fetches == {}


async def test_what_cannot_be_sent_at_once_is_left_to_the_session(service: Service) -> None:
    channel = Sent()
    client = answers(service, channel)
    fetched = await client.fetch()
    channel.is_closed = True
    assert not client.give_now(fetched)
    assert service.noted("web-shop").fetches == {}
    channel.is_closed = False
    assert client.give_now(fetched)
    assert blob_of(channel.messages[0]) == b"for web"


async def test_a_log_shows_the_beginning_of_an_id(service: Service) -> None:
    client = ShardAnswers(service, Sent(), bytes(range(32)), Known(coffer="c", suite=1, serial=None))
    assert client.log_id == "0001020304050607"
