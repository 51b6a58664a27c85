from __future__ import annotations

import json

import pytest

from coffer_companion.releases.plan import ChangeKind, ClientChange, KeyChange, Plan, Revert


def client(name: str, change: ChangeKind, *keys: tuple[str, ChangeKind], is_emptied: bool = False) -> ClientChange:
    return ClientChange(client=name, change=change, keys=tuple(KeyChange(key=key, change=how) for key, how in keys), is_emptied=is_emptied)


PLAN = Plan(
    coffer="shop",
    serial=7,
    clients=(
        client("web", ChangeKind.CHANGED, ("db_url", ChangeKind.CHANGED), ("token", ChangeKind.ADDED), ("old", ChangeKind.REMOVED)),
        ClientChange(
            client="worker",
            change=ChangeKind.ADDED,
            keys=(KeyChange(key="base_url", change=ChangeKind.ADDED, public="https://shop.example"),),
        ),
        client("gone", ChangeKind.REMOVED),
    ),
    unchanged=40,
)


def test_a_plan_for_programs() -> None:
    parsed = json.loads(PLAN.to_json())
    assert parsed["coffer"] == "shop"
    assert parsed["unchanged"] == 40
    assert parsed["clients"][0] == {
        "client": "web",
        "change": "changed",
        "keys": [{"key": "db_url", "change": "changed"}, {"key": "token", "change": "added"}, {"key": "old", "change": "removed"}],
    }
    assert parsed["clients"][1]["keys"] == [{"key": "base_url", "change": "added", "public": "https://shop.example"}]


@pytest.mark.parametrize(
    ("removed", "others", "is_drastic"), [(0, 3, False), (1, 2, False), (1, 1, True), (1, 0, True), (33, 67, False), (34, 66, True)]
)
def test_removing_more_than_a_third_of_the_clients_is_drastic(removed: int, others: int, is_drastic: bool) -> None:
    plan = Plan(coffer="shop", serial=2, clients=tuple(client(f"c{n}", ChangeKind.REMOVED) for n in range(removed)), unchanged=others)
    assert (plan.drastic_removals() is not None) == is_drastic


def test_added_clients_do_not_hide_removed_ones() -> None:
    clients = (client("gone", ChangeKind.REMOVED), *(client(f"new{n}", ChangeKind.ADDED) for n in range(10)))
    assert Plan(coffer="shop", serial=2, clients=clients, unchanged=0).drastic_removals() == "1 of 1 clients would be removed"


def test_removing_every_key_of_a_client_is_drastic() -> None:
    plan = Plan(
        coffer="shop", serial=2, clients=(client("web", ChangeKind.CHANGED, ("a", ChangeKind.REMOVED), is_emptied=True),), unchanged=9
    )
    assert plan.drastic_removals() == "every key of web would be removed"


def test_a_renewal_is_a_change() -> None:
    assert Plan(coffer="shop", serial=2, clients=(), unchanged=3).is_empty
    renewal = Plan(coffer="shop", serial=2, clients=(), unchanged=3, is_renewal=True)
    assert not renewal.is_empty


def test_what_goes_back_is_a_sentence_for_people_and_an_object_for_programs() -> None:
    reverts = (
        Revert(client="web", keys=("a",), serial=3),
        Revert(client="web", keys=("a", "b"), serial=4, is_taken_back=True),
        Revert(client="web", public_key="12ab", serial=5),
    )
    assert [str(revert) for revert in reverts] == [
        "a of web goes back to what it was in release 3",
        "a, b of web go back to what they were in release 4, which a rollback has taken back",
        "web gets a public key again that it had in release 5: 12ab",
    ]
    assert json.loads(Plan(coffer="shop", serial=6, clients=(), unchanged=1, reverts=reverts).to_json())["reverts"] == [
        {"client": "web", "keys": ["a"], "release": 3, "taken_back": False},
        {"client": "web", "keys": ["a", "b"], "release": 4, "taken_back": True},
        {"client": "web", "public_key": "12ab", "release": 5, "taken_back": False},
    ]
    assert "reverts" not in json.loads(PLAN.to_json())
