"""What a definition makes of the newest release, at a real server."""

from __future__ import annotations

import dataclasses

import pytest
import trio

from coffer_companion.errors import PublisherAsClientError
from coffer_companion.releases.commit import Base, preview
from coffer_companion.releases.diff import held
from coffer_companion.releases.plan import Plan
from tests.companion.conftest import NOW, Operator

DAY = 86_400


def test_a_release_reaches_its_clients(operator: Operator) -> None:
    assert operator.publish("[web]\na = 1\n[worker]\nb = 2", "web", "worker") == 1
    assert dict(operator.fetch("web")) == {"a": 1}
    assert dict(operator.fetch("worker")) == {"b": 2}
    assert operator.publish("[web]\na = 3\n[worker]\nb = 2", "web", "worker") == 2
    assert dict(operator.fetch("web")) == {"a": 3}
    assert operator.fetch("worker").release.serial == 2


def test_the_plan_says_what_an_upload_does(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\n[worker]\nc = 1\n[job]\nd = 1", "web", "worker", "job")
    plan = trio.run(lambda: preview(operator.target, operator.publication("[web]\na = 2\n[job]\nd = 1", "web", "job").draft))
    assert [(client.client, client.change) for client in plan.clients] == [("web", "~"), ("worker", "-")]
    assert [(key.key, key.change) for key in plan.clients[0].keys] == [("a", "~"), ("b", "-")]
    assert (plan.serial, plan.unchanged) == (2, 1)


def test_nothing_to_change_makes_no_release(operator: Operator) -> None:
    assert operator.publish("[web]\na = 1", "web") == 1
    assert operator.make(operator.publication("[web]\na = 1", "web").draft) is None
    assert operator.fetch("web").release.serial == 1


@pytest.mark.parametrize(("days_before", "is_renewed"), [(31, False), (29, True), (-1, True)])
def test_an_upload_renews_what_expires_soon_or_has(operator: Operator, days_before: int, is_renewed: bool) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    operator.make(wanted.draft, now=NOW - (400 - 31) * DAY)
    plan = trio.run(lambda: preview(operator.target, wanted.draft, now=lambda: NOW + (31 - days_before) * DAY))
    assert plan.is_renewal == is_renewed


def test_an_upload_renews_where_it_is_asked_to(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    operator.make(wanted.draft)
    release = operator.make(dataclasses.replace(wanted, renew=True, lifetime_s=None).draft)
    assert release is not None
    assert release.head.expires is None


def test_a_preview_changes_nothing(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    plan = trio.run(lambda: preview(operator.target, wanted.draft))
    assert [client.client for client in plan.clients] == ["web"]
    assert operator.make(wanted.draft) is not None


def test_a_definition_can_be_compared_with_an_old_release(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    wanted = operator.publication("[web]\na = 1\nb = 1", "web")

    async def question(base: Base) -> Plan:
        return await wanted.compare(base, await held(base.reader, 1))

    (client,) = operator.look(question).clients
    assert [(key.key, key.change) for key in client.keys] == [("b", "+")]


def test_what_is_only_sealed_again_is_counted_and_not_said_to_change(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.make(wanted.draft)
    again = dataclasses.replace(operator.publication("[web]\na = 1\n[worker]\nb = 2", "web", "worker"), reseal=True)
    plan = trio.run(lambda: preview(operator.target, again.draft))
    assert [client.client for client in plan.clients] == ["worker"]
    assert plan.summary() == "0 added, 1 changed, 0 removed, 1 unchanged (1 sealed again)"
    assert not trio.run(lambda: preview(operator.target, dataclasses.replace(wanted, reseal=True).draft)).is_empty

    async def question(base: Base) -> Plan:
        return await dataclasses.replace(wanted, reseal=True).compare(base, await held(base.reader, 1))

    assert operator.look(question).is_empty


def test_the_publishers_own_key_is_no_clients(operator: Operator) -> None:
    operator.clients["web"] = operator.identity
    with pytest.raises(PublisherAsClientError):
        operator.publish("[web]\na = 1", "web")


def test_a_renewal_within_the_same_second_changes_nothing(operator: Operator) -> None:
    wanted = dataclasses.replace(operator.publication("[web]\na = 1", "web"), renew=True)
    assert operator.make(wanted.draft, now=NOW) is not None
    assert operator.make(wanted.draft, now=NOW + 0.9) is None
    renewed = operator.make(wanted.draft, now=NOW + 1)
    assert renewed is not None
    assert renewed.head.serial == 2
