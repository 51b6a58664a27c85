from __future__ import annotations

import dataclasses

import pytest

from coffer_companion.releases.commit import Base
from coffer_companion.releases.diff import ReleaseDifference, compare, find_difference, held, notes_of
from coffer_companion.releases.plan import Plan
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_protocol.errors import NoteError
from coffer_protocol.message import Entry
from coffer_protocol.release.notes import NoteKeys
from tests.companion.conftest import Operator

A, B, C = (bytes([number]) * 32 for number in range(1, 4))


def entry(client: bytes, blob: int = 0) -> Entry:
    return Entry(id=client, alg=1, since=1, sha256=bytes([blob]) * 32, mark=bytes(16))


def compared(operator: Operator, before: int, after: int) -> Plan:
    async def question(base: Base) -> Plan:
        old, new = await held(base.reader, before), await held(base.reader, after)
        return await compare(base, new, await find_difference(base, old, new))

    return operator.look(question)


def shown(plan: Plan) -> dict[str, tuple[str, dict[str, str], str]]:
    return {client.client: (client.change, {key.key: key.change for key in client.keys}, client.remark) for client in plan.clients}


def test_a_client_is_dropped_only_if_its_id_is_gone() -> None:
    difference = ReleaseDifference(gone=(entry(A), entry(B)), made=(entry(A, 1), entry(C)), before={}, after={})
    assert difference.dropped == (B,)
    assert not difference.is_empty


def test_other_blobs_of_the_same_ids_drop_nobody() -> None:
    difference = ReleaseDifference(gone=(entry(A), entry(B)), made=(entry(A, 1), entry(B, 1)), before={}, after={})
    assert difference.dropped == ()


def test_clients_that_do_not_differ_are_counted_and_not_named(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\n[worker]\nc = 1\n[job]\nd = 1", "web", "worker", "job")
    operator.publish("[web]\na = 2\nb = 1\n[worker]\nc = 1\n[new]\ne = 1", "web", "worker", "new")
    plan = compared(operator, 1, 2)
    assert (plan.serial, plan.unchanged) == (2, 1)
    assert shown(plan) == {"web": ("~", {"a": "~"}, ""), "new": ("+", {"e": "+"}, ""), "job": ("-", {}, "")}


def test_the_way_back_is_the_reverse(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 1\nb = 1", "web")
    assert shown(compared(operator, 2, 1)) == {"web": ("~", {"b": "-"}, "")}


def test_a_second_host_is_not_a_new_client(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 1", "web*2")
    plan = compared(operator, 1, 2)
    assert shown(plan) == {"web": ("~", {}, "1 public key added")}
    assert plan.unchanged == 0


def test_hosts_of_one_client_are_counted_as_one(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1\n[job]\nc = 1", "web*5", "worker", "job")
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web*5", "worker")
    plan = compared(operator, 1, 2)
    assert (shown(plan), plan.unchanged) == ({"job": ("-", {}, "")}, 2)
    operator.publish("[web]\na = 1", "web*5")
    assert compared(operator, 1, 3).drastic_removals() == "2 of 3 clients would be removed"


def test_a_host_that_is_renamed_does_not_remove_the_client_that_stays(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web*2")
    operator.clients["worker"] = operator.clients["web-2"]
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    assert shown(compared(operator, 1, 2)) == {"worker": ("+", {"b": "+"}, ""), "web": ("~", {}, "1 public key removed")}


def test_a_shard_that_was_only_sealed_again_is_no_difference(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    again = dataclasses.replace(operator.publication("[web]\na = 1\n[worker]\nb = 2", "web", "worker"), reseal=True)
    operator.make(again.draft)
    plan = compared(operator, 1, 2)
    assert (shown(plan), plan.unchanged) == ({"worker": ("~", {"b": "~"}, "")}, 1)
    operator.make(again.draft)
    assert compared(operator, 2, 3).is_empty


def test_another_order_is_a_difference(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1", "web")
    operator.publish("[web]\nb = 1\na = 1", "web")
    assert shown(compared(operator, 1, 2)) == {"web": ("~", {}, "its keys are in another order")}


def test_values_under_different_note_keys_are_not_said_to_differ(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1", "web")
    operator.publish("[web]\na = 1\nc = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.shut_out(other.identity)
    wanted = operator.publication("[web]\na = 1\nc = 1", "web")
    operator.make(Retirement(who="laptop", publication=wanted, told=lambda publisher: None).draft)
    remark = "sealed again under another note key, so its values cannot be compared"
    assert shown(compared(operator, 2, 4)) == {"web": ("~", {}, remark)}
    # The names of keys can be compared.
    assert shown(compared(operator, 1, 4)) == {"web": ("~", {"b": "-", "c": "+"}, remark)}


def test_publishers_are_no_clients(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.make(dataclasses.replace(operator.publication("[web]\na = 1", "web"), reseal=True).draft)

    async def question(base: Base) -> tuple[int, ReleaseDifference]:
        old, new = await held(base.reader, 1), await held(base.reader, 2)
        return len(list(new.listing.values())), await find_difference(base, old, new)

    there, difference = operator.look(question)
    assert there == 2
    assert difference.is_empty


def test_another_note_key_cannot_read_the_notes(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")

    async def question(base: Base) -> None:
        newest = await held(base.reader, 1)
        await notes_of(base.reader, newest, list(newest.listing.values()), NoteKeys.generate())

    with pytest.raises(NoteError, match=r"^the note .* in release 1: a note cannot be opened"):
        operator.look(question)
