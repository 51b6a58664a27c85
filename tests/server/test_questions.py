"""Questions and the server's answers, over a session (docs/protocol.md, 8)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from coffer_protocol import limits
from coffer_protocol import question as questions
from coffer_protocol.message import Ask, Commit, Drop, Entry, Get, Held, Link, OkCommit, OkGet, OkOpen, Open, Tell, Watch
from coffer_protocol.question import (
    About,
    Activity,
    Block,
    Changes,
    Entries,
    Fetch,
    Fetches,
    Heads,
    Invite,
    Notes,
    Past,
    Question,
    Requests,
    Settle,
)
from coffer_server.config import Settings
from coffer_server.store.base import Store

from .publishing import ISSUED, Author, client_id, identity
from .streams import Dialer, StreamClient, service_of

pytestmark = pytest.mark.trio

WEB = identity(100)


@pytest.fixture
def author(store: Store) -> Author:
    """The publisher of a coffer with one client, at release 2."""
    made = Author()
    store.add_publisher(coffer=made.coffer, key=made.key, name=None, now=ISSUED)
    for release in (made.first({WEB.id(): b"first"}), None):
        release = release or made.release([made.put(WEB.id(), b"second")])
        store.commit(coffer=made.coffer, publisher=made.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
        made.published(release)
    return made


@pytest.fixture
async def dialer(store: Store, tmp_path: Path, nursery: trio.Nursery) -> Dialer:
    """Connects to a server over that store, which holds one release with all that is in it."""
    service = service_of(store, tmp_path, Settings(keep_releases=1, keep_days=1))
    return Dialer(service, nursery)


async def ask(client: StreamClient, question: Question) -> Tell:
    return await client.say(question.to_ask(), Tell)


async def test_every_question_in_one_session(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    signed = list(questions.heads_untrusted(await ask(client, Heads(coffer="web-shop", from_serial=1))))
    assert signed[1:] == [author.signed]
    head, entries = questions.entries_untrusted(await ask(client, Entries(coffer="web-shop", serial=2)))
    assert (head, list(entries)) == (author.signed, [author.entries[id_] for id_ in sorted(author.entries)])
    notes = await ask(client, Notes(coffer="web-shop", serial=1, ids=(WEB.id(),)))
    assert list(questions.notes_untrusted(notes)) == [(WEB.id(), b"note")]
    fetches = await ask(client, Fetches(coffer="web-shop"))
    assert list(questions.fetches_untrusted(fetches)) == []
    head, changed = questions.changes_untrusted(await ask(client, Changes(coffer="web-shop", serial=1)))
    assert (head, list(changed)) == (author.signed, [author.entries[WEB.id()]])
    past = questions.past_untrusted(await ask(client, Past(coffer="web-shop", ids=(WEB.id(),))))
    assert [entry.since for entry in past] == [1, 2]
    facts = questions.about_untrusted(await ask(client, About(coffer="web-shop")))
    assert (facts.time, facts.oldest, facts.enrol, facts.is_audited) == (ISSUED, 1, "off", False)
    assert facts.version
    # What may follow a Tell.
    await client.say(Get(), OkGet)
    await ask(client, Fetches(coffer="web-shop"))
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.bye()


async def test_a_client_asks_for_heads_after_its_get(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(WEB)
    await client.say(Get(), OkGet)
    assert list(questions.heads_untrusted(await ask(client, Heads(coffer="web-shop", from_serial=2)))) == [author.signed]
    await client.bye()


async def test_what_is_not_ones_own_is_denied_alike(dialer: Dialer, author: Author) -> None:
    sentences = set()
    for who, question in (
        (WEB, Entries(coffer="web-shop", serial=1)),
        (WEB, Notes(coffer="web-shop", serial=1, ids=())),
        (WEB, Fetches(coffer="web-shop")),
        (WEB, Heads(coffer="nowhere", from_serial=1)),
        (author.identity, Fetches(coffer="\0")),
        (WEB, Changes(coffer="web-shop", serial=1)),
        (WEB, Past(coffer="web-shop", ids=())),
        (WEB, Block(coffer="web-shop", id=WEB.id(), is_blocked=True)),
        (WEB, About(coffer="web-shop")),
    ):
        client = await dialer.link(who)
        await client.send(question.to_ask())
        sentences.add((await client.expect_error("denied")).sentence)
        await client.expect_end()
    assert len(sentences) == 1


async def test_rights_are_looked_up_at_each_ask(dialer: Dialer, author: Author, store: Store) -> None:
    client = await dialer.link(author.identity)
    await ask(client, Fetches(coffer="web-shop"))
    store.remove_publisher(coffer="web-shop", publisher=author.key.id, now=ISSUED)
    await client.send(Fetches(coffer="web-shop").to_ask())
    await client.expect_error("denied")


@pytest.mark.parametrize("question", [Ask(name="secrets", params=["web-shop"]), Ask(name="heads", params=["web-shop"])])
async def test_what_is_not_a_question(dialer: Dialer, author: Author, question: Ask) -> None:
    client = await dialer.link(author.identity)
    await client.send(question)
    await client.expect_error("unsupported")
    await client.expect_end()


@pytest.mark.parametrize(
    "question",
    [
        Invite(coffer="web-shop", tag=bytes(16), expires=1),
        Requests(coffer="web-shop"),
        Settle(coffer="web-shop", id=WEB.id(), is_accepted=True),
        Activity(coffer="web-shop", from_at=0),
        Changes(coffer="web-shop", serial=77),
    ],
)
async def test_what_this_server_does_not_answer(dialer: Dialer, author: Author, question: Question) -> None:
    client = await dialer.link(author.identity)
    await client.send(question.to_ask())
    await client.expect_error("unsupported")
    await client.expect_end()


async def test_a_publisher_without_the_right_blocks_nobody(dialer: Dialer, author: Author, store: Store) -> None:
    client = await dialer.link(author.identity)
    await client.send(Block(coffer="web-shop", id=WEB.id(), is_blocked=True).to_ask())
    assert "may not block" in (await client.expect_error("denied")).sentence
    assert store.look_up(WEB.id()) is not None


async def test_a_publisher_with_the_right_blocks_a_client(dialer: Dialer, author: Author, store: Store) -> None:
    store.remove_publisher(coffer="web-shop", publisher=author.key.id, now=ISSUED)
    store.add_publisher(coffer="web-shop", key=author.key, name=None, now=ISSUED, may_block=True)
    client = await dialer.link(author.identity)
    questions.done_untrusted(await ask(client, Block(coffer="web-shop", id=WEB.id(), is_blocked=True)))
    assert store.look_up(WEB.id()) is None
    questions.done_untrusted(await ask(client, Block(coffer="web-shop", id=WEB.id(), is_blocked=False)))
    assert store.look_up(WEB.id()) is not None


def receipt(serial: int, use: int) -> Held:
    return Held(serial=serial, sha256=bytes(32), use=use, receipt=bytes([serial]) * 64)


async def test_receipts_and_watchers_are_told(
    dialer: Dialer, author: Author, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(dialer.service.run)
    publisher, client = await dialer.link(author.identity), await dialer.link(WEB)
    await client.say(Get(), OkGet)
    # One for a release that the session was not given would stand in the way of later ones.
    await client.send(receipt(2, 0), receipt(3, 1), Watch(serial=2), receipt(2, 1))
    await trio.testing.wait_all_tasks_blocked()
    expected = [Fetch(id=WEB.id(), serial=2, at=ISSUED, watching=2, held=(receipt(2, 0), receipt(2, 1)))]
    assert list(questions.fetches_untrusted(await ask(publisher, Fetches(coffer="web-shop")))) == expected
    await trio.sleep(2)
    assert dialer.service.noted("web-shop").receipts == {}
    assert list(questions.fetches_untrusted(await ask(publisher, Fetches(coffer="web-shop")))) == expected
    # The Watch that waits is answered all the same.
    await publisher.say(Open(coffer="web-shop"), OkOpen)
    release = author.release([author.put(WEB.id(), b"third")])
    await publisher.send(*release.changes)
    await publisher.say(Commit(signed=release.signed), OkCommit)
    await client.expect(OkGet)
    await client.send(receipt(3, 1))
    await client.bye()


async def test_retention_follows_a_commit(store: Store, author: Author, tmp_path: Path, nursery: trio.Nursery) -> None:
    clock = [float(ISSUED)]
    service = service_of(store, tmp_path, Settings(keep_releases=1, keep_days=1), now=lambda: clock[0])
    nursery.start_soon(service.run)
    await trio.testing.wait_all_tasks_blocked()
    dialer = Dialer(service, nursery)
    clock[0] += 2 * 86400
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    release = author.release([Drop(id=WEB.id())])
    await client.send(*release.changes)
    await client.say(Commit(signed=release.signed), OkCommit)
    await client.bye()
    await trio.testing.wait_all_tasks_blocked()
    later = await dialer.link(author.identity)
    await ask(later, Entries(coffer="web-shop", serial=2))
    await later.send(Entries(coffer="web-shop", serial=1).to_ask())
    assert "keep_releases" in (await later.expect_error("limit")).sentence


async def test_retention_is_seen_to_once_an_hour(
    store: Store, author: Author, tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    service = service_of(store, tmp_path, Settings(keep_releases=1, keep_days=1), now=lambda: ISSUED + trio.current_time())
    nursery.start_soon(service.run)
    dialer = Dialer(service, nursery)
    for hours, code in ((23.5, None), (25.5, "limit")):
        await trio.sleep_until(hours * 3600)
        client = await dialer.link(author.identity)
        if code is None:
            await ask(client, Entries(coffer="web-shop", serial=1))
            await client.bye()
        else:
            await client.send(Entries(coffer="web-shop", serial=1).to_ask())
            await client.expect_error(code)


async def test_fetches_are_told_before_and_after_they_are_recorded(
    dialer: Dialer, author: Author, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(dialer.service.run)
    publisher = await dialer.link(author.identity)
    client = await dialer.link(WEB)
    assert list(questions.fetches_untrusted(await ask(publisher, Fetches(coffer="web-shop")))) == []
    await client.say(Get(), OkGet)
    await client.bye()
    expected = [Fetch(id=WEB.id(), serial=2, at=ISSUED)]
    assert list(questions.fetches_untrusted(await ask(publisher, Fetches(coffer="web-shop")))) == expected
    await trio.sleep(2)
    assert dialer.service.noted("web-shop").fetches == {}
    assert list(questions.fetches_untrusted(await ask(publisher, Fetches(coffer="web-shop")))) == expected


async def test_a_hello_or_a_get_without_an_answer_is_no_fetch(dialer: Dialer, author: Author) -> None:
    client = dialer.connect(WEB)
    await client.hello()
    await client.expect(Link)
    await client.close()
    await trio.testing.wait_all_tasks_blocked()
    assert dialer.service.noted("web-shop").fetches == {}


async def test_a_long_answer_lets_others_go_on(dialer: Dialer, author: Author, store: Store) -> None:
    release = author.release([author.put(client_id(number), b"x") for number in range(3000)])
    store.commit(coffer="web-shop", publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)
    client = await dialer.link(author.identity)
    served = 0
    told = trio.Event()

    async def others() -> None:
        nonlocal served
        while not told.is_set():
            other = await dialer.link(WEB)
            await other.say(Get(), OkGet)
            await other.bye()
            served += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await client.send(Entries(coffer="web-shop", serial=3).to_ask())
        answer = await client.expect(Tell)
        assert len(answer.answer) > 3 * limits.FRAME_CONTENT_BYTES
        told.set()
    _, entries = questions.entries_untrusted(answer)
    assert all(isinstance(entry, Entry) for entry in entries)
    assert served
