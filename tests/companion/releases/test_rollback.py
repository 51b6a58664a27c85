from __future__ import annotations

import dataclasses

import pytest
import trio

from coffer_companion.errors import NoReleaseError, NothingToTakeBackError
from coffer_companion.releases.commit import preview
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_companion.releases.rollback import Rollback
from coffer_protocol.errors import KeyNotFoundError
from coffer_protocol.identity import Identity
from coffer_protocol.release.head import SignedHead
from tests.companion.conftest import NOW, Operator


def roll_back(operator: Operator, serial: int) -> SignedHead:
    release = operator.make(Rollback(serial=serial).draft)
    assert release is not None
    return release


def changes(operator: Operator, serial: int) -> dict[str, tuple[str, dict[str, str]]]:
    plan = trio.run(lambda: preview(operator.target, Rollback(serial=serial).draft))
    return {client.client: (client.change, {key.key: key.change for key in client.keys}) for client in plan.clients}


def test_every_client_gets_what_it_had(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\n[worker]\nq = 1\n[same]\ns = 1", "web", "worker", "same")
    operator.publish("[web]\na = 2\n[new]\nn = 1\n[same]\ns = 1", "web", "new", "same")
    assert changes(operator, 1) == {"web": ("~", {"a": "~", "b": "+"}), "worker": ("+", {"q": "+"}), "new": ("-", {})}
    assert roll_back(operator, 1).head.serial == 3
    assert dict(operator.fetch("web")) == {"a": 1, "b": 1}
    assert dict(operator.fetch("worker")) == {"q": 1}
    assert dict(operator.fetch("same")) == {"s": 1}
    with pytest.raises(KeyNotFoundError):
        operator.fetch("new")


def test_the_way_back_can_be_taken_back(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    roll_back(operator, 1)
    roll_back(operator, 2)
    assert dict(operator.fetch("web")) == {"a": 2}


def test_an_upload_knows_what_was_taken_back(operator: Operator) -> None:
    """The marks come back with the blobs, so a definition is compared with what clients have."""
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    roll_back(operator, 1)
    assert operator.make(operator.publication("[web]\na = 1", "web").draft) is None
    assert operator.publish("[web]\na = 2", "web") == 4


def test_a_host_that_comes_back_is_no_new_client(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web*2")
    operator.publish("[web]\na = 1", "web")
    plan = trio.run(lambda: preview(operator.target, Rollback(serial=1).draft))
    assert [(client.client, client.change, client.remark) for client in plan.clients] == [("web", "~", "1 public key added")]


def test_a_release_that_changed_nothing_since_needs_no_rollback(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    operator.make(wanted.draft, now=NOW - 390 * 86_400)
    operator.make(wanted.draft)
    assert operator.make(Rollback(serial=1).draft) is None


def test_values_that_are_the_same_are_not_taken_back(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.make(wanted.draft)
    operator.make(dataclasses.replace(wanted, reseal=True).draft)
    assert operator.make(Rollback(serial=1).draft) is None
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker")
    assert changes(operator, 1) == {"web": ("~", {"a": "~"})}


def test_the_lifetime_is_that_of_the_newest_unless_another_is_asked_for(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    same, shorter, forever = (
        operator.make(Rollback(serial=serial, **lifetime).draft)
        for serial, lifetime in ((1, {}), (2, {"lifetime_s": 3600}), (3, {"is_forever": True}))
    )
    assert same is not None
    assert shorter is not None
    assert forever is not None
    assert [same.head.expires, shorter.head.expires, forever.head.expires] == [NOW + 400 * 86_400, NOW + 3600, None]


@pytest.mark.parametrize(("serial", "error"), [(2, NothingToTakeBackError), (9, NoReleaseError)])
def test_there_must_be_something_to_go_back_to(operator: Operator, serial: int, error: type[Exception]) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    with pytest.raises(error):
        roll_back(operator, serial)


def test_before_the_first_release_there_is_nothing(operator: Operator) -> None:
    with pytest.raises(NoReleaseError, match="coffer-companion upload"):
        roll_back(operator, 1)


def test_publishers_stay_as_they_are(operator: Operator) -> None:
    """Who was retired does not come back with what was taken back, and who was added stays."""
    first, second = Identity.generate(), Identity.generate()
    operator.let_in(first)
    operator.publish("[web]\na = 1", "web")
    operator.make(Addition(key=first.public(), name="first").draft)
    operator.shut_out(first)
    operator.make(Retirement(who="first", publication=None, told=lambda publisher: None).draft)
    operator.let_in(second)
    operator.make(Addition(key=second.public(), name="second").draft)
    operator.publish("[web]\na = 2", "web")
    release = roll_back(operator, 2)
    assert dict(operator.fetch("web")) == {"a": 1}

    async def ids(base: object) -> set[bytes]:
        return set(base.listing)  # type: ignore[attr-defined]

    assert release.head.count == 3
    assert operator.look(ids) == {operator.client("web").id(), operator.identity.id(), second.id()}
