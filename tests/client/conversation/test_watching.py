from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from coffer_client.coffer import Coffer
from coffer_client.config.credential import Credential
from coffer_client.conversation.watching import Watcher
from coffer_client.errors import BusyServerError, ConfigurationError, RefusedClientError
from coffer_client.io.blocking import Sockets, iterate
from coffer_client.io.interruptible import InterruptibleSockets
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import (
    CofferError,
    ExpiredReleaseError,
    ForkError,
    IssuedAheadError,
    MalformedMessageError,
    RollbackError,
    UnreachableError,
)
from coffer_protocol.message import USE_FOLLOWED, Error, Get, Held, OkGet, Still, Watch
from coffer_protocol.release import receipt
from coffer_protocol.release.evidence import FORK
from tests.support import identity

from ..fake_server import FakeServer, Peer, Script, address_of, answering, giving_in_turn, hosting, unused_host
from ..releases import COFFER, NOW, PUBLISHER, History, make_body
from ..sources import Client

# Nothing here takes so long; it ends a test that would hang.
GUARD_S = 60.0


@pytest.fixture
def client(tmp_path: Path, whole: Credential) -> Client:
    return Client(tmp_path / "files", whole)


@pytest.fixture
def history(whole: Credential) -> History:
    """Four releases, of which a server may show as many as it likes."""
    return History(whole).add({"n": 1}).add({"n": 2}).add({"n": 3}).add({"n": 4})


class Waits(Sockets):
    """Sockets without clocks and chance: every wait is over at once, and is the longest that it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        # The part of its hour that each session has; the last one for all that follow.
        self.parts = [1.0]

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def uniform(self, low: float, high: float) -> float:
        if low == 0:
            return high
        return self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]


def watch(
    client: Client, address: ServerAddress, waits: Waits, *, after: int = 0, silence_s: float = 30
) -> Generator[Coffer | CofferError, None, None]:
    return iterate(Watcher(client.source(address, waits), after=after, uniform=waits.uniform, silence_s=silence_s).events())


def serial(event: Coffer | CofferError) -> int:
    assert isinstance(event, Coffer), event
    return event.release.serial


def failed(event: Coffer | CofferError) -> CofferError:
    assert isinstance(event, CofferError)
    return event


def telling(history: History, *newer: int, first: int = 1) -> Script:
    """Gives the release `first`, and then each of `newer` to a Watch, with a Still before it; then closes."""

    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[first - 1])
        for number in newer:
            peer.expect(Watch)
            peer.send(Still())
            peer.send(OkGet(coffer=history.bodies[number - 1]))

    return script


# ------------------------------------------------------------------------------------------------------- as it should be


def test_each_release_is_given_as_it_comes(client: Client, history: History) -> None:
    asked = []

    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        for body in history.bodies[1:]:
            asked.append(peer.expect(Watch).serial)
            peer.send(Still())
            peer.send(Still())
            peer.send(OkGet(coffer=body))
        peer.wait_for_close()

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits())
        assert [serial(next(events)) for _ in range(4)] == [1, 2, 3, 4]
        events.close()
    assert asked == [1, 2, 3]
    seen = client.trust().seen
    assert seen is not None
    assert seen.serial == 4
    # The cache is what came last.
    assert dict(client.fetch_from_nobody()) == {"n": 4}


def test_what_is_known_is_not_given_again(client: Client, history: History) -> None:
    with FakeServer(telling(history, 3, first=2)) as server:
        assert serial(next(watch(client, server.address(), Waits(), after=2))) == 3


def test_missed_releases_are_one(client: Client, history: History) -> None:
    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        peer.send(OkGet(coffer=history.bodies[3]))
        peer.answer_questions(history.heads_from)

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits())
        assert [serial(next(events)), serial(next(events))] == [1, 4]
        events.close()


def test_each_release_is_held_against_what_another_process_knows_by_then(client: Client, history: History) -> None:
    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        client.fetch_from(hosting(history, newest=3))
        peer.send(OkGet(coffer=history.bodies[1]))

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        assert isinstance(failed(next(events)), RollbackError)
        events.close()


def test_a_session_has_its_hour_and_then_another_begins(client: Client, history: History) -> None:
    waits = Waits()
    # The first session's hour is over at once; how long one is, is seen where time can be made to pass (test_eventloop.py).
    waits.parts = [0.0, 1.0]

    def first(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        peer.send(Still())
        peer.wait_for_close()

    with FakeServer(giving_in_turn(first, telling(history, first=2))) as server:
        events = watch(client, server.address(), waits)
        assert [serial(next(events)), serial(next(events))] == [1, 2]
        events.close()
    assert waits.seconds == []


# ---------------------------------------------------------------------------------------------------------------- receipts


def test_a_release_is_signed_for_once_it_was_put_to_use_and_again_in_each_session(client: Client, history: History) -> None:
    receipts: list[list[tuple[int, int]]] = []

    def listening(script: Script) -> Script:
        def listened(peer: Peer) -> None:
            script(peer)
            peer.expect(Watch)
            receipts.append([(held.serial, held.use) for held in peer.receipts])

        return listened

    with FakeServer(giving_in_turn(listening(telling(history, 2, 3)), listening(telling(history, first=4)))) as server:
        watcher = Watcher(client.source(server.address(), Waits()), uniform=Waits().uniform)
        events = iterate(watcher.events())
        for expected in (1, 2, 3):
            event = next(events)
            assert serial(event) == expected
            # What is done for release 2 fails.
            if expected != 2 and isinstance(event, Coffer):
                watcher.use(event.release)
                # Once is enough.
                watcher.use(event.release)
        assert isinstance(failed(next(events)), UnreachableError)
        assert serial(next(events)) == 4
        failed(next(events))
        events.close()
    # The second session signs for the release that is in use, and not for the one that it gives.
    assert receipts == [[(1, USE_FOLLOWED), (3, USE_FOLLOWED)], [(3, USE_FOLLOWED)]]


def test_a_receipt_is_sent_while_a_watch_waits(client: Client, history: History) -> None:
    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        is_watched.set()
        held = peer.next_of_all()
        assert isinstance(held, Held)
        receipt.verify_untrusted(held, coffer=COFFER, client_id=identity("web").id(), sign_key=client.credential.identity.publisher_key())
        peer.send(OkGet(coffer=history.bodies[1]))

    is_watched = threading.Event()
    network = InterruptibleSockets()
    with FakeServer(script) as server:
        watcher = Watcher(client.source(server.address(), network))
        events = iterate(watcher.events())
        first = next(events)
        assert isinstance(first, Coffer)

        def act() -> None:
            is_watched.wait(GUARD_S)
            watcher.use(first.release)
            network.interrupt()

        thread = threading.Thread(target=act)
        thread.start()
        assert serial(next(events)) == 2
        thread.join()
        events.close()


# ---------------------------------------------------------------------------------------------------------------- failures


def test_a_server_that_comes_back_is_watched_again(client: Client, history: History) -> None:
    waits = Waits()
    busy = answering(lambda _: Error(code="busy", sentence="later"))
    with FakeServer(giving_in_turn(telling(history, 2), busy, telling(history, first=3))) as server:
        events = watch(client, server.address(), waits)
        assert [serial(next(events)), serial(next(events))] == [1, 2]
        assert isinstance(failed(next(events)), UnreachableError)
        assert isinstance(failed(next(events)), BusyServerError)
        assert serial(next(events)) == 3
    assert waits.seconds == [1, 2]


def test_waits_double_to_a_minute_and_begin_again_after_a_session(client: Client, history: History) -> None:
    waits = Waits()
    busy = answering(lambda _: Error(code="busy", sentence="later"))
    with FakeServer(giving_in_turn(*[busy] * 20, telling(history), busy)) as server:
        events = watch(client, server.address(), waits)
        for _ in range(20):
            failed(next(events))
        assert serial(next(events)) == 1
        for _ in range(3):
            failed(next(events))
    # A wait begins when the next event is asked for.
    assert waits.seconds == [1, 2, 4, 8, 16, 32, *[60] * 14, 1, 2]


def test_each_round_asks_every_host(client: Client, history: History) -> None:
    gone = unused_host()
    with FakeServer(telling(history)) as server:
        events = watch(client, address_of(gone, server.host), Waits())
        assert serial(next(events)) == 1
        failure = failed(next(events))
    assert str(gone) in str(failure)
    assert "in the middle of the session" in str(failure)


def test_silence_means_that_the_server_is_gone(client: Client, history: History) -> None:
    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        peer.wait_for_close()

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits(), silence_s=0.1)
        assert serial(next(events)) == 1
        assert "has become silent" in str(failed(next(events)))


def test_a_client_that_is_dropped_while_it_watches_is_told(client: Client, history: History) -> None:
    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        peer.send(Error(code="denied", sentence="dropped"))
        peer.wait_for_close()

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        assert isinstance(failed(next(events)), RefusedClientError)


def test_a_release_that_is_none_is_refused_and_the_watch_goes_on(client: Client, history: History, whole: Credential) -> None:
    fork = History(whole).add({"n": 99})
    scripts = (hosting(history, newest=2), hosting(history, newest=1), hosting(fork), hosting(history, newest=3))
    with FakeServer(giving_in_turn(*scripts)) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 2
        errors = [type(failed(next(events))) for _ in range(3)]
        assert serial(next(events)) == 3
        events.close()
    # The first session ends because the script answers no Watch.
    assert errors == [UnreachableError, RollbackError, RollbackError]


@pytest.mark.parametrize("jump", ["ahead", "behind"])
def test_a_clock_that_jumps_while_a_session_is_open(client: Client, whole: Credential, jump: str) -> None:
    year_s = 365 * 86400
    client.now = NOW + year_s
    history = History(whole).add({"n": 1}).add({"n": 2}, issued=NOW + year_s, expires=NOW + 2 * year_s)

    def jumping(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        client.now = NOW + 3 * year_s if jump == "ahead" else 0
        peer.send(OkGet(coffer=history.bodies[1]))

    with FakeServer(giving_in_turn(jumping, hosting(history))) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        refused = failed(next(events))
        assert isinstance(refused, ExpiredReleaseError if jump == "ahead" else IssuedAheadError)
        assert "this clock is" in str(refused)
        # It is the same in each session, until the clock is set.
        assert type(failed(next(events))) is type(refused)
        client.now = NOW + year_s
        assert serial(next(events)) == 2
        events.close()


@pytest.mark.parametrize("first", ["a rollback", "a fork"])
def test_the_next_host_is_asked_after_a_bad_answer(client: Client, history: History, whole: Credential, first: str) -> None:
    client.fetch_from(hosting(history, newest=2))
    bad = hosting(history, newest=1) if first == "a rollback" else hosting(History(whole).add({"n": 1}).add({"n": -2}))
    with FakeServer(bad) as one, FakeServer(telling(history, 4, first=3)) as two:
        events = watch(client, address_of(one.host, two.host), Waits())
        assert [serial(next(events)), serial(next(events))] == [3, 4]
        events.close()
    (warning,) = [warning for warning in client.warnings if "and another host was asked" in warning]
    assert warning.startswith(f"the answer of {one.host} was refused")
    assert [each.evidence.kind for each in client.memory(address_of(one.host)).evidence()] == ([FORK] if first == "a fork" else [])


def test_evidence_is_told_when_a_watch_begins_and_when_it_comes(client: Client, history: History, whole: Credential) -> None:
    client.fetch_from(hosting(history, newest=1))
    client.fetch_from(hosting(History(whole).add({"n": -1})))
    client.warnings.clear()
    restart = make_body(whole, {"n": 5}, serial=1002, publishers=(PUBLISHER.publisher_key(),), restart=True)

    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Watch)
        peer.send(OkGet(coffer=restart))
        peer.wait_for_close()

    with FakeServer(script) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        (told,) = client.warnings
        assert "the history has a fork" in told
        assert serial(next(events)) == 1002
        assert len(client.warnings) == 2
        assert "was begun again with release 1002" in client.warnings[1]
        events.close()


def test_a_fork_is_refused(client: Client, history: History, whole: Credential) -> None:
    fork = History(whole).add({"n": 99})
    with FakeServer(giving_in_turn(hosting(history, newest=1), hosting(fork))) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        next(events)
        assert isinstance(failed(next(events)), ForkError)


def test_news_that_are_none_are_refused(client: Client, history: History) -> None:
    with FakeServer(telling(history, 1)) as server:
        events = watch(client, server.address(), Waits())
        assert serial(next(events)) == 1
        assert isinstance(failed(next(events)), MalformedMessageError)


def test_a_bare_client_cannot_watch(tmp_path: Path) -> None:
    bare = Client(tmp_path, Credential(identity=identity("web"), bare=True))
    with pytest.raises(ConfigurationError, match="cannot watch"):
        Watcher(bare.source(address_of(unused_host(), bare=True)))


def test_every_session_begins_with_get(client: Client, history: History) -> None:
    heard: list[object] = []

    def script(peer: Peer) -> None:
        peer.link()
        heard.append(peer.expect(Get))

    with FakeServer(script) as server:
        next(watch(client, server.address(), Waits()))
    assert heard == [Get()]
