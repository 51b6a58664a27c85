from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from coffer_companion.definition import Client, Definition
from coffer_companion.errors import PublisherAsClientError
from coffer_companion.releases import commit
from coffer_companion.releases.commit import Draft
from coffer_companion.releases.listing import Listing
from coffer_companion.releases.plan import ChangeKind, ClientChange, Plan
from coffer_companion.releases.publisher_entry import PublisherEntry, publishers_among
from coffer_companion.releases.shards import (
    DefinitionDifference,
    Wanted,
    client_changes,
    entries_that_hold,
    find_difference,
    wanted_shards,
)
from coffer_protocol.errors import ShardError
from coffer_protocol.identity import BareKey, ClientKey
from coffer_protocol.message import Put
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.listing import leaf_of
from coffer_protocol.release.notes import Note, NoteKey, NoteKeys
from coffer_protocol.shard import Secret, SecretValue
from tests.support import identity

WEB, WORKER, PUBLISHER = identity("web"), identity("worker"), identity("publisher")
NOTE_KEY = NoteKey(key=bytes(range(32)))
NOTE_KEYS = NoteKeys(current=NOTE_KEY)


def definition(**clients: tuple[tuple[ClientKey, ...], dict[str, SecretValue]]) -> Definition:
    made = {
        name: Client(
            name=name,
            keys=keys,
            secrets=tuple(Secret(key=key, value=value) for key, value in values.items()),
            public=frozenset({"base_url"}) & values.keys(),
            origins={},
        )
        for name, (keys, values) in clients.items()
    }
    return Definition(path=Path("shop.toml"), name="shop", server=None, plain_server=None, expires=None, clients=made, warnings=())


@dataclass(frozen=True)
class State:
    """What a server holds: a listing, and the notes that were sent with it."""

    listing: Listing = field(default_factory=Listing)
    notes: dict[bytes, Note] = field(default_factory=dict)
    serial: int = 0


@dataclass(frozen=True)
class Compiled:
    difference: DefinitionDifference
    clients: tuple[ClientChange, ...]
    state: State

    @property
    def put(self) -> list[str]:
        return [item.client for item in self.difference.put]


def compiled(wanted: Definition, state: State = State(), note_keys: NoteKeys = NOTE_KEYS) -> Compiled:
    """What a definition changes in a state, and the state after that."""
    shards = wanted_shards(wanted)
    same = entries_that_hold(shards, state.listing, coffer="shop", note_keys=note_keys)
    notes = {client_id: note for client_id, note in state.notes.items() if client_id in state.listing and client_id not in same}
    publishers = publishers_among(notes)
    difference = find_difference(shards, same, [client_id for client_id in state.listing if client_id not in same], publishers)
    clients = client_changes(
        difference,
        shards,
        state.listing,
        coffer="shop",
        public={client.name: client.public for client in wanted.clients.values()},
        notes={client_id: note for client_id, note in notes.items() if client_id not in publishers},
        note_keys=note_keys,
    )
    return Compiled(difference=difference, clients=clients, state=after(state, difference))


def after(state: State, difference: DefinitionDifference) -> State:
    serial = state.serial + 1
    plan = Plan(coffer="shop", serial=serial, clients=(), unchanged=0)
    draft = Draft(plan=plan, drop=difference.gone, put=difference.put, note_keys=NOTE_KEYS, lifetime_s=None)
    made, notes = Listing(), dict(state.notes)
    for change, entry in commit.changes(draft, coffer="shop", serial=serial):
        if isinstance(change, Put) and entry is not None:
            made.append(entry)
            notes[entry.id] = NOTE_KEY.open(change.note, leaf_of("shop", entry))
    return State(listing=Listing(state.listing.changed(made, frozenset(difference.gone))), notes=notes, serial=serial)


def changes(compilation: Compiled) -> dict[str, tuple[str, dict[str, str]]]:
    return {client.client: (client.change, {key.key: key.change for key in client.keys}) for client in compilation.clients}


BASE = definition(
    web=((WEB.public(),), {"db_url": "postgres://", "base_url": "https://shop.example"}),
    worker=((BareKey(id=WORKER.plain_id()),), {"queue": "amqp://"}),
)


def test_a_first_release_has_every_client() -> None:
    compilation = compiled(BASE)
    assert compilation.put == ["web", "worker"]
    assert changes(compilation) == {"web": ("+", {"db_url": "+", "base_url": "+"}), "worker": ("+", {"queue": "+"})}


def test_nothing_changes_where_nothing_changed() -> None:
    compilation = compiled(BASE, compiled(BASE).state)
    assert (compilation.difference.put, compilation.difference.gone, compilation.clients) == ((), (), ())
    assert compilation.difference.unchanged == 2


def test_only_what_changed_is_sealed_and_each_key_is_named() -> None:
    changed = definition(
        web=((WEB.public(),), {"db_url": "mysql://", "token": "new"}), worker=((BareKey(id=WORKER.plain_id()),), {"queue": "amqp://"})
    )
    compilation = compiled(changed, compiled(BASE).state)
    assert compilation.put == ["web"]
    assert changes(compilation) == {"web": ("~", {"db_url": "~", "token": "+", "base_url": "-"})}
    assert compilation.difference.unchanged == 1


def test_a_removed_client_is_dropped_by_name() -> None:
    compilation = compiled(
        definition(web=((WEB.public(),), {"db_url": "postgres://", "base_url": "https://shop.example"})), compiled(BASE).state
    )
    assert compilation.difference.gone == (WORKER.plain_id(),)
    assert compilation.put == []
    assert changes(compilation) == {"worker": ("-", {})}


def test_the_order_of_keys_is_part_of_a_shard() -> None:
    turned = definition(
        web=((WEB.public(),), {"base_url": "https://shop.example", "db_url": "postgres://"}),
        worker=((BareKey(id=WORKER.plain_id()),), {"queue": "amqp://"}),
    )
    assert compiled(turned, compiled(BASE).state).put == ["web"]


def test_a_client_that_gets_another_kind_of_key_gets_another_blob() -> None:
    full = definition(
        web=((WEB.public(),), {"db_url": "postgres://", "base_url": "https://shop.example"}),
        worker=((WORKER.public(),), {"queue": "amqp://"}),
    )
    compilation = compiled(full, compiled(BASE).state)
    assert compilation.difference.gone == (WORKER.plain_id(),)
    assert [item.key.id for item in compilation.difference.put] == [WORKER.id()]
    # One client, under another key: it is neither new nor removed, and its values are as they were.
    assert changes(compilation) == {"worker": ("~", {})}


def test_a_bare_key_with_the_id_of_a_public_key_text_changes_the_seal() -> None:
    bare = definition(web=((BareKey(id=WEB.id()),), {"a": 1}))
    full = definition(web=((WEB.public(),), {"a": 1}))
    (item,) = compiled(full, compiled(bare).state).difference.put
    assert blobs.alg_of(item.key) == 2


def test_several_hosts_of_one_client_each_get_their_own() -> None:
    both = compiled(definition(web=((WEB.public(), WORKER.public()), {"a": 1})))
    assert [item.key.id for item in both.difference.put] == [WEB.id(), WORKER.id()]
    assert changes(both) == {"web": ("+", {"a": "+"})}
    one = compiled(definition(web=((WEB.public(),), {"a": 1})), both.state)
    assert one.difference.gone == (WORKER.id(),)
    (change,) = one.clients
    assert (change.change, change.keys, change.remark) == (ChangeKind.CHANGED, (), "1 public key removed")


def with_publisher(state: State) -> State:
    standing = PublisherEntry(name="laptop", key=PUBLISHER.public()).wanted(NOTE_KEYS)
    nobody = DefinitionDifference(put=(standing,), gone=(), staying=frozenset(), unchanged=0)
    return after(state, nobody)


def marked(state: State, client_id: bytes, mark: bytes) -> State:
    """The same, with another mark for one entry, as a server may show it."""
    entries = (replace(entry, mark=mark) if entry.id == client_id else entry for entry in state.listing.values())
    return replace(state, listing=Listing(entries))


def test_an_entry_under_another_mark_is_sealed_again() -> None:
    state = compiled(BASE).state
    assert compiled(BASE, marked(state, WEB.id(), bytes(16))).put == ["web"]


def test_a_mark_that_was_kept_does_not_vouch_for_another_blob() -> None:
    """The server keeps the mark of the shard that is wanted, and shows it with another blob."""
    wanted = definition(web=((WEB.public(),), {"a": 2}))
    kept = compiled(wanted, compiled(definition(web=((WEB.public(),), {"a": 1}))).state).state.listing[WEB.id()].mark
    assert compiled(wanted, marked(compiled(definition(web=((WEB.public(),), {"a": 1}))).state, WEB.id(), kept)).put == ["web"]


def test_an_entry_under_an_earlier_note_key_is_sealed_again() -> None:
    state = compiled(BASE).state
    assert compiled(BASE, state, NOTE_KEYS.replaced(state.serial + 1)).put == ["web", "worker"]


def test_corrected_keys_under_the_same_id_are_sealed_to_and_told() -> None:
    """The definition had the client's id beside another's keys."""
    wrong = replace(WORKER.public(), id=WEB.id())
    state = compiled(definition(web=((wrong,), {"a": 1}))).state
    corrected = compiled(definition(web=((WEB.public(),), {"a": 1})), state)
    assert corrected.put == ["web"]
    (client,) = corrected.clients
    assert client.remark == f"its keys change: {wrong.fingerprint_text()} becomes {WEB.public().fingerprint_text()}"


def test_a_publishers_own_entry_stays() -> None:
    compilation = compiled(BASE, with_publisher(compiled(BASE).state))
    assert compilation.difference.gone == ()
    assert compilation.clients == ()


def test_a_client_with_a_publishers_key_is_refused() -> None:
    with pytest.raises(PublisherAsClientError, match="client web has the key of a publisher"):
        compiled(definition(web=((PUBLISHER.public(),), {"a": 1})), with_publisher(compiled(BASE).state))


def test_a_public_value_is_shown_and_a_secret_one_is_nowhere() -> None:
    compilation = compiled(BASE)
    shown = {key.key: key.public for client in compilation.clients for key in client.keys}
    assert shown == {"db_url": None, "base_url": "https://shop.example", "queue": None}
    assert "postgres" not in f"{compilation!r}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (False, "false"),
        (8, "8"),
        (datetime(2027, 2, 14, 3, 30), "2027-02-14T03:30:00"),
        ("two\nlines \x1b[2J", '"two\\nlines \\u001b[2J"'),
        (b"\xff", "(bytes)"),
    ],
)
def test_a_public_value_is_shown_on_one_line_as_toml_writes_it(value: SecretValue, shown: str) -> None:
    (client,) = compiled(definition(web=((WEB.public(),), {"base_url": value}))).clients
    assert [key.public for key in client.keys] == [shown]


def test_a_shard_that_is_too_large_names_its_client_and_its_largest_keys() -> None:
    large = definition(web=((WEB.public(),), {"small": 1, "dump": "x" * 700_000, "log": "y" * 600_000}))
    with pytest.raises(ShardError, match=r"client web: .*dump \(700\d{3} bytes\), log \(600\d{3} bytes\)"):
        wanted_shards(large)


def test_suite_0_has_a_limit_of_its_own() -> None:
    large: dict[str, SecretValue] = {"dump": "x" * 63_000}
    with pytest.raises(ShardError, match=r"worker.*suite 0.*dump"):
        wanted_shards(definition(worker=((BareKey(id=WORKER.plain_id()),), large)))
    assert wanted_shards(definition(web=((WEB.public(),), large)))


def test_wanted_shards_are_in_no_repr() -> None:
    (item,) = wanted_shards(definition(web=((WEB.public(),), {"db_url": "canary"}))).values()
    assert isinstance(item, Wanted)
    assert "canary" not in repr(item)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://é.example", "https://é.example"),
        ("a\u202eb", '"a\\u202eb"'),
        ("a\u200bb", '"a\\u200bb"'),
        ("a\x1b[2Jb", '"a\\u001b[2Jb"'),
    ],
)
def test_a_public_value_that_would_control_a_terminal_is_shown_escaped(value: str, shown: str) -> None:
    (client,) = compiled(definition(web=((WEB.public(),), {"base_url": value}))).clients
    assert [key.public for key in client.keys] == [shown]
