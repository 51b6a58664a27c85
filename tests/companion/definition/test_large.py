"""Definitions with many clients in few groups: what they share is one object, and work grows with the clients alone."""

from __future__ import annotations

from pathlib import Path

from bench.definition import GROUPS, KEYS_PER_GROUP, OWN_KEYS, measure, write_definition
from coffer_companion.definition import load
from tests.companion.definitions import TODAY, bare, problems


def test_clients_of_the_same_groups_share_their_secrets(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    write_definition(path, 200, full=False)
    definition = load(path, environ={}, today=TODAY)
    assert len(definition.clients) == 200
    objects = {id(secret) for client in definition.clients.values() for secret in client.secrets}
    # A template is filled in once for each combination of two groups, and five groups make five of these here.
    filled = GROUPS * 2
    assert len(objects) == 200 * OWN_KEYS + GROUPS * KEYS_PER_GROUP + filled
    assert {len(client.secrets) for client in definition.clients.values()} == {OWN_KEYS + 2 * (KEYS_PER_GROUP + 1)}


def test_memory_grows_with_the_clients(tmp_path: Path) -> None:
    heaps = []
    for clients in (200, 800):
        write_definition(tmp_path / "large.toml", clients, full=False)
        heaps.append(measure(tmp_path / "large.toml", traced=True)["heap_mib"])
    assert heaps[1] < 6 * heaps[0]


def test_a_thousand_mistakes_are_told_without_searching_for_each(tmp_path: Path) -> None:
    lines = "".join(f'client-{number} = "{bare(number + 1)}"\n' for number in range(50))
    found = problems(tmp_path, "[clients]\n" + lines + "".join(f"[clint-{number}]\na=1\n" for number in range(1000)))
    assert len(found) == 1000
    assert 0 < sum("did you mean" in problem for problem in found) <= 20
