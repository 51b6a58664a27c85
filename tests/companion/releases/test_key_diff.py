from __future__ import annotations

from coffer_companion.releases.key_diff import Comparison, fingerprint_change
from coffer_companion.releases.plan import ChangeKind, ClientChange
from coffer_protocol.release.notes import Note

A, B, C = (bytes([number]) * 32 for number in range(1, 4))


def note(client: str, **keys: int) -> Note:
    """A note whose hashes are told by a number each."""
    return Note(client=client, keys=tuple((key, bytes([digest]) * 16) for key, digest in keys.items()))


def changes(comparison: Comparison) -> dict[str, tuple[str, dict[str, str], str]]:
    return {client.client: (client.change, {key.key: key.change for key in client.keys}, client.remark) for client in comparison.changes()}


def test_a_client_that_is_new_has_new_keys() -> None:
    assert changes(Comparison(before={}, after={A: note("web", a=1)})) == {"web": ("+", {"a": "+"}, "")}


def test_a_client_that_is_gone_is_named() -> None:
    assert changes(Comparison(before={A: note("web", a=1)}, after={})) == {"web": ("-", {}, "")}


def test_keys_are_told_apart_by_their_hashes() -> None:
    comparison = Comparison(before={A: note("web", a=1, b=1, c=1)}, after={A: note("web", a=1, b=2, d=1)})
    assert changes(comparison) == {"web": ("~", {"b": "~", "d": "+", "c": "-"}, "")}


def test_a_second_host_is_no_new_client() -> None:
    comparison = Comparison(before={}, after={B: note("web", a=1)}, staying={"web"})
    assert changes(comparison) == {"web": ("~", {}, "1 public key added")}


def test_a_host_that_goes_is_no_client_that_goes() -> None:
    comparison = Comparison(before={A: note("web", a=1), B: note("web", a=1)}, after={}, staying={"web"})
    assert changes(comparison) == {"web": ("~", {}, "2 public keys removed")}


def test_one_host_tells_what_changed_for_all() -> None:
    comparison = Comparison(before={A: note("web", a=1), B: note("web", a=7)}, after={B: note("web", a=8), C: note("web", a=5)})
    assert changes(comparison) == {"web": ("~", {"a": "~"}, "1 public key added, 1 public key removed")}


def test_another_key_altogether_hides_what_changed_unless_it_is_restated() -> None:
    before, after = {A: note("web", a=1, b=1)}, {B: note("web", a=9, b=9)}
    (hidden,) = Comparison(before=before, after=after).changes()
    assert hidden.keys == ()
    assert "cannot be compared" in hidden.remark
    restated = Comparison(before=before, after=after, restated={A: note("web", a=1, b=2)})
    assert changes(restated) == {"web": ("~", {"b": "~"}, "1 public key added, 1 public key removed")}


def test_a_key_that_moves_to_another_client_is_told_of_both() -> None:
    comparison = Comparison(before={A: note("web", a=1)}, after={A: note("worker", a=1)})
    assert changes(comparison) == {"worker": ("+", {"a": "+"}, ""), "web": ("-", {}, "")}


def test_a_client_that_loses_every_key_is_emptied() -> None:
    emptied, kept, never = (
        next(Comparison(before={A: before}, after={A: after}).changes())
        for before, after in (
            (note("web", a=1), note("web")),
            # A key that is replaced by another one was renamed, most likely.
            (note("web", a=1), note("web", b=1)),
            (note("web"), note("web", b=1)),
        )
    )
    assert (emptied.is_emptied, kept.is_emptied, never.is_emptied) == (True, False, False)


def test_public_values_are_shown_where_they_are_known() -> None:
    comparison = Comparison(before={}, after={A: note("web", base_url=1, token=1)}, public={"web": {"base_url": "https://shop.example"}})
    (change,) = comparison.changes()
    assert isinstance(change, ClientChange)
    assert change.change is ChangeKind.ADDED
    assert {key.key: key.public for key in change.keys} == {"base_url": "https://shop.example", "token": None}


def test_nothing_but_another_seal_is_said_as_that() -> None:
    (again,) = Comparison(before={A: note("web", a=1)}, after={A: note("web", a=1)}).changes()
    assert (again.is_resealed, again.keys, again.remark) == (True, (), "")
    (remarked,) = Comparison(before={A: note("web", a=1)}, after={A: note("web", a=1)}, remarks={"web": "its keys change"}).changes()
    assert (remarked.is_resealed, remarked.remark) == (False, "its keys change")
    assert changes(Comparison(before={A: note("web", a=1, b=1)}, after={A: note("web", b=1, a=1)})) == {
        "web": ("~", {}, "its keys are in another order")
    }


def test_hashes_under_different_note_keys_are_not_compared() -> None:
    comparison = Comparison(before={A: note("web", a=1, b=1)}, after={A: note("web", a=2, c=1)}, incomparable={A})
    (change,) = comparison.changes()
    assert {key.key: key.change for key in change.keys} == {"b": "-", "c": "+"}
    assert "cannot be compared" in change.remark
    # Another host tells more.
    before, after = {A: note("web", a=1), B: note("web", a=1)}, {A: note("web", a=2), B: note("web", a=2)}
    assert changes(Comparison(before=before, after=after, incomparable={A})) == {"web": ("~", {"a": "~"}, "")}


def test_another_fingerprint_under_the_same_id_is_told() -> None:
    old = Note(client="web", sign=A, fingerprint=bytes(16))
    assert fingerprint_change(old, bytes(15) + b"\1") == (
        "its keys change: 0000-0000-0000-0000-0000-0000-0000-0000 becomes 0000-0000-0000-0000-0000-0000-0000-0001"
    )
    assert fingerprint_change(old, bytes(16)) is None
    assert fingerprint_change(None, bytes(16)) is None
