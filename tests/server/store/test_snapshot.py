"""Snapshots: the outline of a release and its blocks give the very paths of the whole tree."""

from __future__ import annotations

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.tree import EMPTY_ROOT, Tree
from coffer_protocol.release.tree import Leaf as WholeLeaf
from coffer_server.store.snapshot import BLOCK_LEAVES, Block, BlockPosition, Leaf, Outline

SIZES = [0, 1, 2, 3, BLOCK_LEAVES - 1, BLOCK_LEAVES, BLOCK_LEAVES + 1, 3 * BLOCK_LEAVES - 5, 4 * BLOCK_LEAVES, 7 * BLOCK_LEAVES + 1]


def leaves(size: int) -> list[Leaf]:
    """Of clients with odd ids."""
    return [Leaf((2 * number + 1).to_bytes(32, "big"), 2, 1, sha256(number.to_bytes(4, "big")), 1) for number in range(size)]


def whole_tree(size: int) -> Tree:
    return Tree(
        WholeLeaf(coffer="web-shop", client_id=leaf.client, alg=leaf.alg, since=leaf.since, blob_sha256=leaf.sha256).hash()
        for leaf in leaves(size)
    )


def block_at(size: int, place: BlockPosition) -> Block:
    made = leaves(size)[place.block * BLOCK_LEAVES :][:BLOCK_LEAVES]
    assert made[0].client == place.first
    return Block("web-shop", made)


@pytest.mark.parametrize("size", SIZES)
def test_its_paths_are_those_of_the_whole_tree(size: int) -> None:
    whole, outline = whole_tree(size), Outline.of("web-shop", leaves(size))
    assert (outline.size, outline.root) == (size, whole.root)
    for number, leaf in enumerate(leaves(size)):
        proof = outline.prove(leaf.client, lambda place: block_at(size, place))
        assert (proof.number, list(proof.path)) == (number, whole.path(number))


@pytest.mark.parametrize("size", SIZES)
def test_who_has_no_leaf(size: int) -> None:
    outline = Outline.of("web-shop", leaves(size))
    for number in range(size + 1):
        with pytest.raises(KeyError):
            outline.prove((2 * number).to_bytes(32, "big"), lambda place: block_at(size, place))


@pytest.mark.parametrize("size", SIZES)
def test_it_is_kept_as_bytes(size: int) -> None:
    outline = Outline.of("web-shop", leaves(size))
    again = Outline.from_bytes(outline.to_bytes())
    assert (again.size, again.root, again.to_bytes()) == (outline.size, outline.root, outline.to_bytes())


def test_nothing_has_the_empty_root() -> None:
    assert Outline.of("web-shop", []).root == EMPTY_ROOT


def test_an_outline_is_small() -> None:
    size = 100 * BLOCK_LEAVES
    assert Outline.of("web-shop", leaves(size)).size_bytes == 3 * size * 32 // BLOCK_LEAVES
    assert Block("web-shop", leaves(BLOCK_LEAVES)).size_bytes == BLOCK_LEAVES * 96
