from __future__ import annotations

import dataclasses

import pytest
import trio

from coffer_common.errors import AmbiguousError
from coffer_companion.errors import NotLetInError, OwnKeyError, PublishersDifferError, UnknownPublisherError
from coffer_companion.releases.commit import Base, preview
from coffer_companion.releases.publisher_entry import PublisherEntry
from coffer_companion.releases.publishers import Addition, Publisher, Retirement, find_publisher, publishers
from coffer_companion.releases.rollback import Rollback
from coffer_companion.settings import PublisherState
from coffer_companion.target import Target
from coffer_protocol.errors import UntrustedPublisherError
from coffer_protocol.identity import Identity, format_id
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import NoteKey
from tests.companion.conftest import Operator


def add(operator: Operator, identity: Identity, name: str = "laptop", *, target: Target | None = None) -> SignedHead | None:
    return operator.make(Addition(key=identity.public(), name=name).draft, target=target)


def retire(operator: Operator, who: str, *, publication: tuple[str, ...] | None = None, target: Target | None = None) -> SignedHead | None:
    wanted = None if publication is None else operator.publication(*publication)
    return operator.make(Retirement(who=who, publication=wanted, told=lambda publisher: None).draft, target=target)


def _called(publisher: Publisher) -> str:
    """Its name, or without one what it is shown by."""
    return (publisher.entry.name if publisher.entry is not None else "") or publisher.label


def listed(operator: Operator, target: Target | None = None) -> dict[str, tuple[bool, bool, bool]]:
    found = operator.look(publishers, target=target)
    return {_called(publisher): (publisher.is_trusted, publisher.entry is not None, publisher.is_own) for publisher in found}


async def note_key(base: Base) -> NoteKey:
    return base.note_keys.current


def test_the_first_publisher_is_alone(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    assert listed(operator) == {operator.identity.public().fingerprint_text(): (True, True, True)}


def test_the_servers_table_comes_first(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    with pytest.raises(PublishersDifferError, match="does not name the same publishers as the server"):
        add(operator, Identity.generate())
    assert operator.fetch("web").release.serial == 1


def test_publishers_take_turns_and_clients_follow(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    assert dict(operator.fetch("web")) == {"a": 1}
    other = operator.other()
    release = add(operator, other.identity)
    assert release is not None
    assert release.head.publishers == tuple(sorted((operator.identity.publisher_key(), other.identity.publisher_key())))
    for number, target in enumerate((other, None, other, other, None), 2):
        operator.publish(f"[web]\na = {number}", "web", target=target)
    assert dict(operator.fetch("web")) == {"a": 6}
    own = operator.identity.public().fingerprint_text()
    assert listed(operator) == {own: (True, True, True), "laptop": (True, True, False)}
    assert listed(operator, other) == {own: (True, True, False), "laptop": (True, True, True)}


def test_who_is_in_already_is_not_added_again(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    assert add(operator, other.identity) is not None
    assert add(operator, other.identity) is None


def test_a_publisher_may_be_called_anew(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    add(operator, other.identity, "laptop")
    add(operator, other.identity, "desk")
    assert "desk" in listed(operator)
    assert "laptop" not in listed(operator)


def test_the_first_publisher_may_call_itself_something(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    assert add(operator, operator.identity, "desk") is not None
    assert listed(operator) == {"desk": (True, True, True)}
    assert operator.publish("[web]\na = 2", "web") == 3


def test_a_publisher_that_was_away_walks_to_the_newest(operator: Operator) -> None:
    """It knew one publisher, and comes back to releases of two others, one of whom let the other in."""
    operator.publish("[web]\na = 1", "web")
    second, third = operator.other(), operator.other()
    operator.shut_out(third.identity)
    add(operator, second.identity, "second")
    operator.let_in(third.identity)
    add(operator, third.identity, "third", target=second)
    for number in range(10):
        operator.publish(f"[web]\na = 1{number}", "web", target=third if number else second)
    assert PublisherState.load(operator.target.state_file).seen.serial == 2  # type: ignore[union-attr]
    operator.publish("[web]\na = 2", "web")
    assert dict(operator.fetch("web")) == {"a": 2}


def test_a_stranger_to_the_address_is_not_believed(operator: Operator) -> None:
    """The server lets another one publish, and no release has named it."""
    operator.publish("[web]\na = 1", "web")
    lonely = operator.other(trusts=False)
    with pytest.raises(UntrustedPublisherError) as failed:
        operator.publish("[web]\na = 2", "web", target=lonely)
    # It is led to those who can let it in.
    assert f"coffer-companion publishers add {lonely.identity.public_text()} --name NAME" in (failed.value.hint or "")


def test_a_retired_publisher_is_out(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    add(operator, other.identity)
    operator.publish("[web]\na = 2", "web", target=other)
    before = operator.look(note_key)
    with pytest.raises(PublishersDifferError):
        retire(operator, "laptop", publication=("[web]\na = 2", "web"))
    operator.shut_out(other.identity)
    release = retire(operator, "laptop", publication=("[web]\na = 2", "web"))
    assert release is not None
    assert release.head.publishers == (operator.identity.publisher_key(),)
    assert dict(operator.fetch("web")) == {"a": 2}
    assert "laptop" not in listed(operator)
    assert operator.look(note_key) != before
    with pytest.raises(NotLetInError):
        operator.publish("[web]\na = 3", "web", target=other)
    # What is sent later is compared under the new key.
    assert operator.make(operator.publication("[web]\na = 2", "web").draft) is None


def test_the_others_are_handed_the_new_note_key(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    second, third = operator.other(), Identity.generate()
    add(operator, second.identity, "second")
    operator.let_in(third)
    add(operator, third, "third")
    operator.shut_out(third)
    retire(operator, "third", publication=("[web]\na = 1\n[worker]\nb = 1", "web", "worker"))
    assert operator.look(note_key) == operator.look(note_key, target=second)
    operator.publish("[web]\na = 2", "web", target=second)
    assert dict(operator.fetch("web")) == {"a": 2}


def test_releases_under_an_earlier_note_key_can_be_taken_back_and_the_plan_says_so(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    add(operator, other.identity)
    operator.shut_out(other.identity)
    retire(operator, "laptop", publication=("[web]\na = 2", "web"))
    plan = trio.run(lambda: preview(operator.target, Rollback(serial=1).draft))
    assert [client.client for client in plan.clients] == ["web"]
    assert "maybe a retired publisher" in plan.remarks[0]
    assert operator.make(Rollback(serial=1).draft) is not None
    assert dict(operator.fetch("web")) == {"a": 1}
    # An entry under an earlier note key is a retired publisher's word: the next upload seals it again.
    assert operator.publish("[web]\na = 1", "web") == 5
    assert operator.make(operator.publication("[web]\na = 1", "web").draft) is None


def test_the_note_key_stays_where_nothing_is_sealed_anew(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    add(operator, other.identity)
    operator.shut_out(other.identity)
    before = operator.look(note_key)
    release = retire(operator, "laptop")
    assert release is not None
    assert release.head.count == 2
    assert operator.look(note_key) == before
    assert operator.fetch("web").release.serial == 3


def test_a_publisher_does_not_retire_itself(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    with pytest.raises(OwnKeyError):
        retire(operator, format_id(operator.identity.publisher_key()))


def test_one_that_is_trusted_and_holds_no_note_key_can_be_retired(operator: Operator) -> None:
    """Named by the address alone."""
    operator.publish("[web]\na = 1", "web")
    key = Identity.generate().publisher_key()
    target = dataclasses.replace(operator.target, address=dataclasses.replace(operator.address, publishers=(key,)))
    assert listed(operator, target)[f"key {format_id(key)[:16]}"] == (True, False, False)
    release = retire(operator, format_id(key)[:16], target=target)
    assert release is not None
    assert release.head.publishers == (operator.identity.publisher_key(),)


def made(name: str) -> Publisher:
    identity = Identity.generate()
    return Publisher(sign=identity.publisher_key(), entry=PublisherEntry(name=name, key=identity.public()), is_trusted=True, is_own=False)


def test_publishers_are_found_by_keys_and_names() -> None:
    laptop, desk, nameless = made("laptop"), made("desk"), made("")
    stranger = Publisher(sign=Identity.generate().publisher_key(), entry=None, is_trusted=True, is_own=False)
    among = (laptop, desk, nameless, stranger)
    assert laptop.entry is not None
    assert nameless.entry is not None
    for who in ("laptop", "lap", laptop.label, laptop.entry.key, laptop.entry.key.fingerprint_text(), format_id(laptop.entry.key.id)[:8]):
        assert find_publisher(who, among) is laptop
    for who in (format_id(nameless.sign), format_id(nameless.sign)[:16].lower(), nameless.label):
        assert find_publisher(who, among) is nameless
    for who in (stranger.label, format_id(stranger.sign)):
        assert find_publisher(who, among) is stranger
    with pytest.raises(UnknownPublisherError, match=r"'phone'; the publishers are laptop \([0-9a-f-]+\), desk"):
        find_publisher("phone", among)
    with pytest.raises(AmbiguousError, match=r"'laptop' fits more than one: laptop \([0-9a-f-]+\), laptop \("):
        find_publisher("laptop", (laptop, made("laptop")))
    with pytest.raises(UnknownPublisherError):
        find_publisher(Identity.generate().public(), among)
