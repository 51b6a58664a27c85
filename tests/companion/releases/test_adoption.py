from __future__ import annotations

import dataclasses

import pytest
import trio

from coffer_client.config import settings
from coffer_client.conversation.source import Source
from coffer_client.io.blocking import Sockets, finish
from coffer_companion.releases.adoption import POLL_S, Adoption, Client, State, look, wait
from coffer_companion.releases.commit import Base
from coffer_companion.releases.publishers import Addition
from coffer_companion.releases.rollback import Rollback
from coffer_protocol.message import USE_FOLLOWED, USE_ONCE, Get, Held, OkGet
from coffer_protocol.question import Fetch
from coffer_protocol.release import receipt
from tests.companion.conftest import NOW, Operator

DAY_S = 86400


def status(operator: Operator) -> dict[str, tuple[int | None, State]]:
    adoption = operator.look(look)
    return {client.name: (None if client.held is None else client.held.serial, client.state) for client in adoption.clients}


def one(operator: Operator, name: str = "web") -> Client:
    (client,) = [client for client in operator.look(look).clients if client.name == name]
    return client


def sign(operator: Operator, name: str, *receipts: Held) -> int:
    """Open the newest release as a client's own program would, and send what it likes as receipts. The release's serial."""
    address = dataclasses.replace(operator.address, coffer=operator.coffer, publishers=(operator.identity.publisher_key(),))
    wanted = settings.load(server=address, identity=operator.client(name), bare=False, environment={"HOME": str(operator.home)})
    source = Source.of(wanted, Sockets(), warn=pytest.fail)

    async def session() -> int:
        (host,) = await source.hosts()
        async with await source.connect(host, deadline_s=source.network.now_s() + 30) as connection:
            await connection.send(Get())
            coffer = await source.take(await connection.receive(OkGet), connection)
            for held in receipts:
                await connection.send(held)
            if not receipts:
                await source.sign_for(coffer.release, connection, use=USE_FOLLOWED)
            await connection.bye()
        return coffer.release.serial

    return finish(session())


def receipt_of(operator: Operator, name: str, *, serial: int, sha256: bytes, use: int = USE_ONCE, by: str | None = None) -> Held:
    """A receipt as a client signs it, or as another one would."""
    return receipt.sign(operator.client(by or name), coffer=operator.coffer, serial=serial, signed_sha256=sha256, use=use)


def test_who_has_fetched_what(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\n[worker]\nc = 1", "web", "worker")
    assert status(operator) == {"web": (None, State.NEVER_FETCHED), "worker": (None, State.NEVER_FETCHED)}
    operator.fetch("web")
    assert status(operator) == {"web": (1, State.HELD), "worker": (None, State.NEVER_FETCHED)}
    assert one(operator).fingerprint == operator.client("web").public().fingerprint()
    adoption = operator.look(look)
    assert adoption.behind == 1
    assert [client.keys for client in adoption.clients] == [2, 1]


def test_a_release_that_changed_nothing_for_a_client_leaves_it_up_to_date(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.fetch("web")
    operator.fetch("worker")
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker")
    assert status(operator) == {"web": (1, State.BEHIND), "worker": (1, State.HELD)}
    operator.fetch("web")
    assert status(operator) == {"web": (2, State.HELD), "worker": (1, State.HELD)}


def test_a_rollback_must_be_fetched_though_its_blobs_are_old(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.fetch("web")
    operator.make(Rollback(serial=1).draft)
    assert status(operator) == {"web": (2, State.BEHIND)}
    operator.fetch("web")
    assert status(operator) == {"web": (3, State.HELD)}


def test_publishers_are_not_shown(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.make(Addition(key=operator.other().identity.public(), name="laptop").draft)
    assert list(status(operator)) == ["web"]


def test_each_host_counts(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web*2")
    operator.fetch("web-2")
    adoption = operator.look(look)
    assert [(client.name, client.state) for client in adoption.clients].count(("web", State.HELD)) == 1
    assert adoption.behind == 1


def test_what_a_person_fetches_does_not_count_for_a_program_that_follows(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    assert sign(operator, "web") == 1
    assert (one(operator).state, one(operator).follows) == (State.HELD, True)
    operator.publish("[web]\na = 2", "web")
    operator.fetch("web")
    client = one(operator)
    assert (client.state, client.held and client.held.serial, client.signed) == (State.BEHIND, 1, 2)
    assert sign(operator, "web") == 2
    assert status(operator) == {"web": (2, State.HELD)}


def test_what_another_has_signed_does_not_count(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    release = operator.look(look).release
    sign(operator, "web", receipt_of(operator, "web", serial=1, sha256=release.sha256, by="worker"))
    client = one(operator)
    assert (client.state, len(client.forged), client.receipts) == (State.BEHIND, 1, ())


def test_a_receipt_for_a_release_that_is_not_known_is_evidence(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    held = receipt_of(operator, "web", serial=1, sha256=bytes(32), use=USE_FOLLOWED)
    sign(operator, "web", held)
    adoption = operator.look(look)
    assert [(client.name, held) for client, held in adoption.split_views] == [("web", held)]
    assert (one(operator).state, adoption.behind) == (State.SPLIT_VIEW, 2)
    # The other one goes on as ever.
    operator.fetch("worker")
    assert one(operator, "worker").state is State.HELD


def test_a_receipt_for_a_release_that_came_while_one_looked_is_none(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.fetch("web")

    async def late(base: Base) -> Adoption:
        def publish_and_fetch() -> None:
            operator.publish("[web]\na = 2", "web")
            operator.fetch("web")

        await trio.to_thread.run_sync(publish_and_fetch)
        return await look(base)

    adoption = operator.look(late)
    assert adoption.release.head.serial == 1
    (client,) = adoption.clients
    assert (client.state, client.signed) == (State.HELD, 2)


def test_a_receipt_from_before_the_history_was_begun_again_is_no_evidence(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    restart = operator.make(operator.publication("[web]\na = 2", "web").draft, restore=True, now=NOW - DAY_S - 60)
    assert restart is not None
    assert restart.head.restart
    # Release 2 may have been lost; that of the restart was not.
    sign(operator, "web", receipt_of(operator, "web", serial=2, sha256=bytes(32)))
    adoption = operator.look(look)
    assert (adoption.split_views, one(operator).state) == ((), State.BEHIND)
    sign(operator, "web", receipt_of(operator, "web", serial=restart.head.serial, sha256=bytes(32)))
    assert one(operator).state is State.SPLIT_VIEW


@pytest.mark.parametrize(
    ("fetched", "watching", "once", "followed", "state"),
    [
        (5, None, 5, None, State.HELD),
        (7, None, 7, 5, State.HELD),
        (5, None, None, None, State.NEVER_OPENED),
        (5, None, 4, None, State.BEHIND),
        (5, None, 5, 4, State.BEHIND),
        # One of its machines is behind.
        (5, 4, 5, 5, State.BEHIND),
        (5, 5, 5, 5, State.HELD),
    ],
)
def test_what_is_known_of_a_client(fetched: int, watching: int | None, once: int | None, followed: int | None, state: State) -> None:
    both = [
        None if serial is None else Held(serial=serial, sha256=bytes(32), use=use, receipt=bytes(64))
        for use, serial in ((USE_ONCE, once), (USE_FOLLOWED, followed))
    ]
    client = Client(
        name="web",
        id=bytes(32),
        keys=1,
        changed=5,
        fingerprint=bytes(16),
        fetch=Fetch(id=bytes(32), serial=fetched, at=1, watching=watching, held=(both[0], both[1])),
        receipts=tuple(held for held in both if held is not None),
    )
    assert (client.state, client.is_behind) == (state, state is not State.HELD)
    # A client that cannot sign is judged by what the server says.
    bare = dataclasses.replace(client, fingerprint=None, receipts=())
    assert (bare.state, bare.is_behind) == (State.FETCHED, False)
    assert dataclasses.replace(bare, changed=8).state is State.BEHIND


class Clock:
    """Time that passes where somebody sleeps, and what happens meanwhile."""

    def __init__(self, *happenings: object) -> None:
        self.time_s = 0.0
        self.slept: list[float] = []
        self._happenings = list(happenings)

    def __call__(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_s += seconds
        if self._happenings:
            # Clients are not trio's: each has its own thread.
            await trio.to_thread.run_sync(self._happenings.pop(0))  # type: ignore[arg-type]


def waited(operator: Operator, clock: Clock, timeout_s: float) -> tuple[Adoption, list[int]]:
    told: list[int] = []
    adoption = trio.run(
        lambda: wait(
            operator.target, timeout_s=timeout_s, told=lambda adoption: told.append(adoption.behind), sleep=clock.sleep, clock=clock
        )
    )
    return adoption, told


def test_waiting_ends_when_everybody_has_signed(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    clock = Clock(lambda: operator.fetch("web"), lambda: operator.fetch("worker"))
    adoption, told = waited(operator, clock, 600)
    assert (adoption.behind, told) == (0, [2, 1, 0])
    assert clock.slept == [POLL_S, POLL_S]


def test_waiting_ends_with_the_time(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    clock = Clock()
    adoption, told = waited(operator, clock, 12)
    assert (adoption.behind, told) == (1, [1, 1, 1, 1])
    assert clock.slept == [5, 5, 2]


def test_without_a_time_to_wait_there_is_one_look(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    clock = Clock()
    assert waited(operator, clock, 0)[1] == [1]
    assert clock.slept == []


def test_a_release_that_comes_while_waiting_is_waited_for(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    clock = Clock(lambda: operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker"), lambda: operator.fetch("web"))
    adoption, told = waited(operator, clock, 10)
    assert adoption.release.head.serial == 2
    assert told == [1, 2, 1]
