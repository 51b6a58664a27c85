from __future__ import annotations

import sqlite3

import pytest

from coffer_common.identifiers import publisher_label
from coffer_companion.errors import NoReleaseError
from coffer_companion.releases.commit import Base
from coffer_companion.releases.history import Event
from coffer_companion.releases.history import history as read_history
from coffer_companion.releases.publisher_entry import label_of
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_companion.releases.rollback import Rollback
from coffer_protocol.errors import ReleaseError
from coffer_server.state import StateFolder
from coffer_server.store.base import Retention
from tests.companion.conftest import NOW, Operator


def history(operator: Operator, limit: int = 20) -> list[Event]:
    async def question(base: Base) -> list[Event]:
        return list((await read_history(base, limit=limit)).events)

    return operator.look(question)


def told(operator: Operator, limit: int = 20) -> list[tuple[int, tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None]:
    return [
        None if event.changes is None else (event.release.head.serial, event.changes.added, event.changes.changed, event.changes.removed)
        for event in history(operator, limit)
    ]


def test_each_release_tells_what_it_did(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n", "web")
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker")
    operator.publish("[web]\na = 2", "web")
    operator.make(Rollback(serial=2).draft)
    assert told(operator) == [
        (5, ("worker",), ("web",), ()),
        (4, (), (), ("worker",)),
        (3, (), ("web",), ()),
        (2, ("worker",), (), ()),
        (1, ("web",), (), ()),
    ]
    assert told(operator, 2) == told(operator)[:2]


def marks(operator: Operator, limit: int = 20) -> list[tuple[int, bool, int | None]]:
    return [(event.release.head.serial, event.is_rollback, event.back_to) for event in history(operator, limit)]


def test_a_rollback_names_the_release_that_it_went_back_to(operator: Operator) -> None:
    for number in (1, 2, 3):
        operator.publish(f"[web]\na = {number}\n[worker]\nb = 1", "web", "worker")
    operator.make(Rollback(serial=2).draft)
    operator.publish("[web]\na = 4\n[worker]\nb = 1", "web", "worker")
    operator.make(Rollback(serial=1).draft)
    assert marks(operator) == [(6, True, 1), (5, False, None), (4, True, 2), (3, False, None), (2, False, None), (1, False, None)]
    # It is looked for in releases that are not shown.
    assert marks(operator, 1) == [(6, True, 1)]
    # The newest release that had the same is named: a rollback may have brought it back before.
    operator.publish("[web]\na = 5\n[worker]\nb = 1", "web", "worker")
    operator.make(Rollback(serial=1).draft)
    assert marks(operator, 1) == [(8, True, 6)]


def test_a_rollback_that_only_removes_clients_is_one(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.make(Rollback(serial=1).draft)
    operator.publish("[web]\na = 1\n[job]\nb = 1", "web", "job")
    operator.publish("[web]\na = 1", "web")
    assert [mark for mark in marks(operator) if mark[1]] == [(3, True, 1)]


def test_a_rollback_to_what_is_not_held_is_one_all_the_same(operator: Operator) -> None:
    for number in range(1, 4):
        operator.publish(f"[web]\na = {number}", "web")
    operator.make(Rollback(serial=1).draft)
    store = StateFolder(operator.server.state_dir).store()
    store.prune(Retention(releases=2, age_s=1), now=int(NOW) + 86_400 * 365)
    store.close()
    assert marks(operator)[0] == (4, True, None)


def test_a_retirement_without_a_definition_is_no_rollback(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.replace_publisher(None)
    assert not any(is_rollback for _, is_rollback, _ in marks(operator))


def test_a_rollback_over_a_new_note_key(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.replace_publisher(operator.publication("[web]\na = 2", "web"))
    operator.make(Rollback(serial=1).draft)
    assert dict(operator.fetch("web")) == {"a": 1}
    assert marks(operator)[0] == (5, True, 1)


def test_retired_publishers_keep_their_names(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.publish("[web]\na = 2", "web", target=other)
    operator.shut_out(other.identity)
    operator.make(Retirement(who="laptop", publication=None, told=lambda publisher: None).draft)

    async def labels(base: Base) -> list[str]:
        found = await read_history(base, limit=20)
        return [label_of(event.release.head.publisher, found.publishers) for event in found.events]

    own, laptop = publisher_label(None, operator.identity.public()), publisher_label("laptop", other.identity.public())
    assert operator.look(labels) == [own, laptop, own, own]


def test_publishers_are_no_clients(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.make(Addition(key=operator.other().identity.public(), name="laptop").draft)
    assert told(operator) == [(2, (), (), ()), (1, ("web",), (), ())]


def test_a_renewal_changes_no_client(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    operator.make(wanted.draft, now=NOW - 390 * 86_400)
    operator.make(wanted.draft)
    assert told(operator)[0] == (2, (), (), ())


def test_what_is_not_held_any_more_is_left_out(operator: Operator) -> None:
    for number in range(4):
        operator.publish(f"[web]\na = {number}", "web")
    store = StateFolder(operator.server.state_dir).store()
    store.prune(Retention(releases=2, age_s=1), now=int(NOW) + 86_400 * 365)
    store.close()
    # Release 3 is held, and the one that it would be compared with is not.
    assert told(operator) == [(4, (), ("web",), ()), None, None, None]
    assert [event.release.head.serial for event in history(operator)] == [4, 3, 2, 1]


def test_names_under_an_earlier_note_key_can_be_read(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.shut_out(other.identity)
    wanted = operator.publication("[web]\na = 1", "web")
    operator.make(Retirement(who="laptop", publication=wanted, told=lambda publisher: None).draft)
    operator.publish("[web]\na = 2", "web")
    newest, rotation, *earlier = history(operator)
    assert newest.changes is not None
    assert rotation.changes is not None
    assert (newest.changes.changed, newest.changes.is_named) == (("web",), True)
    # Whether its value changed cannot be told: it was sealed again under another note key.
    assert (rotation.changes.changed, rotation.changes.resealed, rotation.changes.is_named) == ((), ("web",), True)
    assert all(event.changes is not None and event.changes.is_named for event in earlier)


def test_before_the_first_release_there_is_no_history(operator: Operator) -> None:
    with pytest.raises(NoReleaseError):
        history(operator)


def test_a_head_that_was_changed_is_found(operator: Operator) -> None:
    """The newest release vouches for all before it."""
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.publish("[web]\na = 3", "web")
    database = StateFolder(operator.server.state_dir).database_path
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE releases SET signed = (SELECT signed FROM releases WHERE coffer = ? AND serial = 1) WHERE coffer = ? AND serial = 2",
            (operator.coffer, operator.coffer),
        )
    connection.close()
    with pytest.raises(ReleaseError):
        history(operator)
