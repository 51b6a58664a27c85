"""What a publisher is shown, and takes or refuses: servers that lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from coffer_companion.errors import LostReleaseError, NoReleaseError, RestartError
from coffer_companion.releases.reader import (
    Reader,
    entered,
    in_batches,
    read_head_untrusted,
)
from coffer_companion.settings import PublisherState, SignedRelease
from coffer_companion.target import Target
from coffer_protocol import errors, question
from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ChainError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Ask, Entry
from coffer_protocol.release.evidence import FORK, RESTART, Evidence
from coffer_protocol.release.head import Head, sign
from coffer_protocol.release.listing import leaf_hashes, leaf_of
from coffer_protocol.release.notes import NoteKey, NoteKeys
from coffer_protocol.release.tree import Tree
from coffer_protocol.release.trust import Seen
from tests.client.fake_server import SERVER, FakeServer, Peer
from tests.support import identity

A, B, C = identity("publisher"), identity("publisher2"), identity("worker")
ENTRIES = [Entry(id=bytes([n]) * 32, alg=2, since=1, sha256=bytes(32), mark=bytes(16)) for n in range(1, 4)]
ROOT = Tree(leaf_hashes("shop", ENTRIES)).root
NOTE_KEY = NoteKey(key=bytes(range(32)))

T = TypeVar("T")


def chain(*releases: tuple[Identity, tuple[Identity, ...] | None], first: int = 1, prev: bytes | None = None) -> list[bytes]:
    """Signed heads that follow each other: by whom each, and whom it names."""
    signed: list[bytes] = []
    for serial, (author, named) in enumerate(releases, first):
        head = Head(
            coffer="shop",
            serial=serial,
            root=ROOT,
            count=len(ENTRIES),
            issued=1,
            publisher=author.publisher_key(),
            prev=read_head_untrusted(signed[-1]).sha256 if signed else prev,
            publishers=None if named is None else tuple(sorted(one.publisher_key() for one in named)),
        )
        signed.append(sign(head, author))
    return signed


def heads(shown: list[bytes]) -> Callable[[Ask], object]:
    """Answers `heads` with those from the serial that was asked for."""

    def answer(ask: Ask) -> object:
        assert ask.name == "heads"
        from_serial = ask.params[1]
        assert isinstance(from_serial, int)
        return question.tell_heads(one for one in shown if read_head_untrusted(one).head.serial >= from_serial)

    return answer


def ask(
    folder: Path,
    answers: Iterable[Callable[[Ask], object]],
    then: Callable[[Reader], Awaitable[T]],
    *,
    trusting: tuple[Identity, ...] = (),
    serial: int = 0,
    accepted_restart: int | None = None,
) -> T:
    """Open a reader as publisher A at a server that answers so, and go on with it."""

    def script(peer: Peer) -> None:
        peer.link()
        for answer in answers:
            peer.send(answer(peer.expect(Ask)))  # type: ignore[arg-type]
        peer.wait_for_close()

    async def main(target: Target) -> T:
        async with entered(target) as connection:
            return await then(await Reader.open(connection, target, accepted_restart=accepted_restart))

    with FakeServer(script) as server:
        address = ServerAddress(
            server=SERVER.id(), hosts=(server.host,), publishers=tuple(one.publisher_key() for one in trusting), serial=serial
        )
        return trio.run(main, Target(address=address, coffer="shop", identity=A, state_file=folder / "state.json"))


async def newest_of(reader: Reader) -> tuple[int, frozenset[bytes]]:
    return (await reader.newest()).head.serial, reader.publishers


def keys(*identities: Identity) -> frozenset[bytes]:
    return frozenset(one.publisher_key() for one in identities)


def test_publishers_are_followed_from_the_first_release(tmp_path: Path) -> None:
    shown = chain((A, None), (A, (A, B)), (B, None), (B, (B, C)), (C, None))
    assert ask(tmp_path, [heads(shown)], newest_of) == (5, keys(B, C))
    # And from where one left off: nothing is asked that is known.
    assert PublisherState.load(tmp_path / "state.json").publishers == keys(B, C)
    assert ask(tmp_path, [heads(shown)], newest_of) == (5, keys(B, C))


def test_a_release_that_nobody_named_the_author_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.UntrustedPublisherError):
        ask(tmp_path, [heads(chain((A, None), (B, None)))], newest_of)


def test_a_missing_link_is_refused(tmp_path: Path) -> None:
    shown = chain((A, None), (A, (A, B)), (A, None), (B, None))
    with pytest.raises(ChainError):
        ask(tmp_path, [heads([shown[0], shown[2]])], newest_of)
    with pytest.raises(errors.UntrustedPublisherError):
        ask(tmp_path, [heads([shown[0], shown[3]])], newest_of)


def test_who_comes_late_begins_with_the_first_that_it_trusts(tmp_path: Path) -> None:
    shown = chain((C, None), (C, (C, B)), (B, (A, B)), (A, None))
    assert ask(tmp_path, [heads(shown)], newest_of, trusting=(B,)) == (4, keys(A, B))


def test_the_address_says_from_where(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None), (A, None))
    assert ask(tmp_path, [heads(shown)], newest_of, serial=2) == (3, keys(A))
    with pytest.raises(errors.RollbackError):
        ask(tmp_path / "elsewhere", [heads([]), lambda ask: question.tell_heads(shown)], newest_of, serial=4)


def remember(folder: Path, serial: int, *, trusting: tuple[Identity, ...]) -> None:
    seen = Seen(serial=serial, signed_sha256=bytes(32), issued=1)
    state = PublisherState(seen=seen, signer=A.publisher_key(), publishers=keys(*trusting), latest=1)
    PublisherState.update(folder / "state.json", lambda _: state)


def restart(author: Identity, serial: int, *named: Identity) -> list[bytes]:
    head = Head(
        coffer="shop",
        serial=serial,
        root=ROOT,
        count=len(ENTRIES),
        issued=1,
        publisher=author.publisher_key(),
        prev=b"\x07" * 32,
        restart=True,
        publishers=tuple(sorted(keys(*named))),
    )
    return [sign(head, author)]


def test_another_publishers_restart_stops_until_a_person_accepts_it(tmp_path: Path) -> None:
    remember(tmp_path, 5, trusting=(A, B))
    shown = restart(B, 1005, A, B)
    with pytest.raises(RestartError, match="with release 1005") as caught:
        ask(tmp_path, [heads(shown)], newest_of)
    assert "--accept-restart 1005" in str(caught.value.hint)
    assert caught.value.evidence == Evidence(kind=RESTART, known=None, shown=shown[0])
    with pytest.raises(RestartError):
        ask(tmp_path, [heads(shown)], newest_of, accepted_restart=1004)
    assert ask(tmp_path, [heads(shown)], newest_of, accepted_restart=1005) == (1005, keys(A, B))
    # Once.
    assert ask(tmp_path, [heads(shown)], newest_of) == (1005, keys(A, B))


def test_the_restart_that_was_signed_here_needs_no_word(tmp_path: Path) -> None:
    remember(tmp_path, 5, trusting=(A,))
    (shown,) = restart(A, 1005, A)
    own = SignedRelease(serial=1005, sha256=sha256(shown))
    PublisherState.update(tmp_path / "state.json", lambda state: dataclasses.replace(state, signed=(own,)))
    assert ask(tmp_path, [heads([shown])], newest_of) == (1005, keys(A))
    assert PublisherState.load(tmp_path / "state.json").signed == ()


def test_a_history_that_begins_later_without_a_restart_is_refused(tmp_path: Path) -> None:
    remember(tmp_path, 5, trusting=(A, B))
    with pytest.raises(ChainError):
        ask(tmp_path, [heads(chain((B, None), first=9))], newest_of)


def test_a_restart_by_somebody_whom_nobody_trusts_is_refused(tmp_path: Path) -> None:
    remember(tmp_path, 5, trusting=(A,))
    with pytest.raises(errors.UntrustedPublisherError):
        ask(tmp_path, [heads(restart(B, 1005, A, B))], newest_of, accepted_restart=1005)


def test_a_hole_in_the_history_is_found(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None), (A, None), (A, None))
    ask(tmp_path, [heads(shown[:2])], newest_of)
    with pytest.raises(ChainError):
        ask(tmp_path, [heads(shown[3:])], newest_of)


def test_a_spent_release_that_turns_up_is_evidence(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None))
    spent = SignedRelease(serial=2, sha256=sha256(shown[1]), is_spent=True)
    PublisherState.update(tmp_path / "state.json", lambda state: dataclasses.replace(state, signed=(spent,)))
    with pytest.raises(errors.ForkError, match="different releases to different readers") as caught:
        ask(tmp_path, [heads(shown)], newest_of)
    assert caught.value.evidence == Evidence(kind=FORK, known=None, shown=shown[1])


def test_a_server_that_was_set_back_is_found(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None))
    ask(tmp_path, [heads(shown)], newest_of)
    with pytest.raises(errors.RollbackError, match=r"newest release of 'shop' is 1, and release 2 was seen"):
        ask(tmp_path, [heads(shown[:1])] * 2, newest_of)


def test_a_server_that_holds_nothing_has_no_release(tmp_path: Path) -> None:
    with pytest.raises(NoReleaseError):
        ask(tmp_path, [heads([])], newest_of)
    ask(tmp_path, [heads(chain((A, None)))], newest_of)
    with pytest.raises(LostReleaseError) as caught:
        ask(tmp_path, [heads([])] * 2, newest_of)
    assert "--restore" in str(caught.value.hint)


def test_another_history_is_found(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None), (A, None))
    other = chain((A, None), (A, None), prev=bytes(32))

    async def history(reader: Reader) -> object:
        return await reader.history(1)

    with pytest.raises(ChainError):
        ask(tmp_path, [heads(shown), heads(other)], history)
    with pytest.raises(ChainError):
        ask(tmp_path, [heads(shown), heads([shown[0], shown[2]])], history)


def test_a_release_by_its_serial(tmp_path: Path) -> None:
    shown = chain((A, None), (A, None), (A, None), first=4)

    def at(serial: int) -> Callable[[Reader], Awaitable[int]]:
        async def release(reader: Reader) -> int:
            return (await reader.release_at(serial)).head.serial

        return release

    assert ask(tmp_path, [heads(shown)] * 2, at(5)) == 5
    assert ask(tmp_path, [heads(shown)], at(6)) == 6
    for serial, sentence in ((7, "the newest is 6"), (0, "the newest is 6"), (2, "the next one is 4")):
        with pytest.raises(NoReleaseError, match=sentence):
            ask(tmp_path, [heads(shown)] * 2, at(serial))


def listed(signed: bytes, entries: list[Entry]) -> Callable[[Ask], object]:
    return lambda ask: question.tell_entries(signed, entries)


async def entries_of(reader: Reader) -> list[Entry]:
    return list((await reader.entries(await reader.newest())).values())


def test_entries_are_those_that_were_signed(tmp_path: Path) -> None:
    one, two, three = chain((A, None), (A, None), (A, None))
    shown = heads([one, two])
    assert ask(tmp_path, [shown, listed(two, ENTRIES)], entries_of) == ENTRIES
    with pytest.raises(errors.ListingError):
        ask(tmp_path, [shown, listed(two, ENTRIES[:2])], entries_of)
    with pytest.raises(errors.ForkError):
        ask(tmp_path, [shown, listed(one, ENTRIES)], entries_of)
    with pytest.raises(errors.ForkError):
        ask(tmp_path, [shown, listed(three, ENTRIES)], entries_of)


def note(entry: Entry, client: str = "web") -> bytes:
    told = NOTE_KEY.client_note(coffer="shop", key=identity("web").public(), client=client, secrets=())
    return NOTE_KEY.seal(told, leaf_of("shop", entry))


async def notes_of(reader: Reader) -> list[str]:
    return [told.client for told in (await reader.notes(1, ENTRIES[:2], NoteKeys(current=NOTE_KEY))).values()]


def test_notes_are_those_that_were_sealed(tmp_path: Path) -> None:
    first, second, third = ENTRIES
    shown = heads(chain((A, None)))
    good = [(second.id, note(second, "worker")), (first.id, note(first))]
    assert ask(tmp_path, [shown, lambda ask: question.tell_notes(good)], notes_of) == ["web", "worker"]
    missing = good[:1]
    exchanged = [(first.id, note(second)), (second.id, note(first))]
    other = [(first.id, note(first)), (second.id, note(dataclasses.replace(second, since=2)))]
    for bad in (missing, exchanged, other, [*missing, (third.id, note(third))]):
        with pytest.raises(errors.NoteError):
            ask(tmp_path, [shown, lambda ask, bad=bad: question.tell_notes(bad)], notes_of)  # type: ignore[misc]


def test_many_notes_are_asked_for_in_batches() -> None:
    batches = list(in_batches([ENTRIES[0]] * 2500))
    assert [len(batch) for batch in batches] == [1000, 1000, 500]
    assert list(in_batches([])) == []
