from __future__ import annotations

import trio

from coffer_companion.releases.adoption import POLL_S, Adoption, look, wait
from coffer_companion.releases.publishers import Addition
from coffer_companion.releases.rollback import Rollback
from tests.companion.conftest import Operator


def status(operator: Operator) -> dict[str, tuple[int | None, bool]]:
    adoption = operator.look(look)
    return {client.name: (None if client.fetch is None else client.fetch.serial, client.is_current) for client in adoption.clients}


def test_who_has_fetched_what(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\n[worker]\nc = 1", "web", "worker")
    assert status(operator) == {"web": (None, False), "worker": (None, False)}
    operator.fetch("web")
    assert status(operator) == {"web": (1, True), "worker": (None, False)}
    adoption = operator.look(look)
    assert adoption.behind == 1
    assert [client.keys for client in adoption.clients] == [2, 1]


def test_a_release_that_changed_nothing_for_a_client_leaves_it_up_to_date(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.fetch("web")
    operator.fetch("worker")
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker")
    assert status(operator) == {"web": (1, False), "worker": (1, True)}
    operator.fetch("web")
    assert status(operator) == {"web": (2, True), "worker": (1, True)}


def test_a_rollback_must_be_fetched_though_its_blobs_are_old(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.fetch("web")
    operator.make(Rollback(serial=1).draft)
    assert status(operator) == {"web": (2, False)}
    operator.fetch("web")
    assert status(operator) == {"web": (3, True)}


def test_publishers_are_not_shown(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.make(Addition(key=operator.other().identity.public(), name="laptop").draft)
    assert list(status(operator)) == ["web"]


def test_each_host_counts(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web*2")
    operator.fetch("web-2")
    adoption = operator.look(look)
    assert [(client.name, client.is_current) for client in adoption.clients].count(("web", True)) == 1
    assert adoption.behind == 1


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


def test_waiting_ends_when_everybody_has_fetched(operator: Operator) -> None:
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
