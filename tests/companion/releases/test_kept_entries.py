from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.releases import kept_entries
from coffer_companion.releases.kept_entries import KeptEntries
from coffer_companion.releases.listing import Listing
from coffer_protocol.message import Entry
from coffer_protocol.release.head import Head, SignedHead, sign
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Tree
from tests.support import identity

PUBLISHER = identity("publisher")
ENTRIES = [
    Entry(id=id_, alg=2, since=number, sha256=bytes([number]) * 32, mark=bytes([number]) * 16)
    for number, id_ in enumerate(sorted(identity(name).id() for name in ("web", "worker", "publisher")), 1)
]


def kept() -> KeptEntries:
    tree = Tree(leaf_hashes("shop", ENTRIES))
    head = Head(
        coffer="shop",
        serial=3,
        root=tree.root,
        count=tree.size,
        issued=1_800_000_000,
        expires=None,
        prev=bytes(32),
        restart=False,
        publisher=PUBLISHER.publisher_key(),
        publishers=None,
        servers=None,
        hosts=None,
    )
    return KeptEntries(release=SignedHead(head=head, signed=sign(head, PUBLISHER)), listing=Listing(ENTRIES))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    state = tmp_path / "shop@12.34.json"
    assert kept_entries.load(state) is None
    kept_entries.save(state, kept())
    assert [path.name for path in tmp_path.iterdir()] == ["shop@12.34.entries"]
    loaded = kept_entries.load(state)
    assert loaded is not None
    assert loaded.release == kept().release
    assert list(loaded.listing.values()) == ENTRIES


@pytest.mark.parametrize("position", [0, 30, 400, -20, -40, -1])
def test_a_damaged_file_is_as_none(tmp_path: Path, position: int) -> None:
    state = tmp_path / "shop.json"
    kept_entries.save(state, kept())
    path = kept_entries.path_of(state)
    data = bytearray(path.read_bytes())
    data[position] ^= 0x80
    path.write_bytes(data)
    loaded = kept_entries.load(state)
    # A root does not cover the marks. A publisher compares each mark with the one that it computes.
    assert loaded is None or loaded.listing[ENTRIES[-1].id].mark != ENTRIES[-1].mark or loaded.release.signed != kept().release.signed
    path.write_bytes(data[:-1])
    assert kept_entries.load(state) is None


def test_a_place_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept_entries.save(tmp_path / "file" / "shop.json", kept())
    assert kept_entries.load(tmp_path / "file" / "shop.json") is None
