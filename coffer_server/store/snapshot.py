"""A release in the form that audit paths need: an outline that is small enough for memory, and blocks of leaves, read from the store.

A block is `BLOCK_LEAVES` neighbouring leaves in the order of their ids. For each block the outline has the first id and the root of the
subtree over the block; the upper part of the tree is built on these roots. So a release of a million clients takes 3 MB of memory, not 96.
"""

from __future__ import annotations

import bisect
import itertools
import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Self

from coffer_protocol.identity import ID_BYTES
from coffer_protocol.release import tree
from coffer_protocol.release.tree import HASH_BYTES, Tree

# A power of two, because the root of a block must be a node of the tree. A larger number makes the outline smaller and a path slower: if
# its block is not in memory, the leaves of the block are read and hashed.
BLOCK_LEAVES: Final = 32
_COUNT: Final = struct.Struct(">Q")


class Leaf(NamedTuple):
    """What the tree and its checks need from one client's entry. It is a tuple, because there may be a million of them."""

    client: bytes
    alg: int
    since: int
    sha256: bytes
    blob_bytes: int


class BlockPosition(NamedTuple):
    """The place of a client's leaf, if it has one: the block with this number, which begins with the id `first`."""

    block: int
    first: bytes


class Proof(NamedTuple):
    """The number of a leaf, counted from 0, and its audit path."""

    number: int
    path: tuple[bytes, ...]


class Block:
    """Neighbouring leaves and the tree over them.

    Args:
        coffer: the coffer's name.
        leaves: at most `BLOCK_LEAVES` leaves, in the order of their ids.
    """

    __slots__ = ("_ids", "_tree")

    def __init__(self, coffer: str, leaves: Iterable[Leaf]) -> None:
        ids: list[bytes] = []
        hashes: list[bytes] = []
        for leaf in leaves:
            ids.append(leaf.client)
            of_coffer = tree.Leaf(coffer=coffer, client_id=leaf.client, alg=leaf.alg, since=leaf.since, blob_sha256=leaf.sha256)
            hashes.append(of_coffer.hash())
        self._ids = b"".join(ids)
        self._tree = Tree(hashes)

    @property
    def root(self) -> bytes:
        """The root of the tree over these leaves."""
        return self._tree.root

    @property
    def size_bytes(self) -> int:
        """The size in memory, in bytes."""
        return self._tree.size * (ID_BYTES + 2 * HASH_BYTES)

    def prove(self, client: bytes) -> Proof:
        """Return the number of a client's leaf within the block, and its path up to the block's root.

        Raises:
            KeyError: if the block has no leaf of the client.
        """
        index = bisect.bisect_left(range(self._tree.size), client, key=lambda index: _id_at(self._ids, index))
        if index == self._tree.size or _id_at(self._ids, index) != client:
            raise KeyError(client)
        return Proof(index, tuple(self._tree.path(index)))


class Outline:
    """The outline of one release of one coffer.

    Attributes:
        size: the number of leaves.
    """

    __slots__ = ("_firsts", "_tops", "size")

    def __init__(self, *, size: int, firsts: bytes, tops: Tree) -> None:
        self.size = size
        self._firsts = firsts
        self._tops = tops

    @classmethod
    def of(cls, coffer: str, leaves: Iterable[Leaf]) -> Self:
        """Return the outline of a release with these leaves, which are in the order of their ids and are read once."""
        firsts: list[bytes] = []
        roots: list[bytes] = []
        size = 0
        remaining = iter(leaves)
        while group := list(itertools.islice(remaining, BLOCK_LEAVES)):
            firsts.append(group[0].client)
            roots.append(Block(coffer, group).root)
            size += len(group)
        return cls(size=size, firsts=b"".join(firsts), tops=Tree(roots))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the outline that `to_bytes` wrote. Its root shows whether it is the outline of a release."""
        (size,) = _COUNT.unpack_from(data)
        blocks = -(-size // BLOCK_LEAVES)
        middle = _COUNT.size + blocks * ID_BYTES
        return cls(size=size, firsts=data[_COUNT.size : middle], tops=Tree([data[middle:]]))

    def to_bytes(self) -> bytes:
        """Return the outline in the form in which the store keeps it: number of leaves, first ids, roots of blocks."""
        return _COUNT.pack(self.size) + self._firsts + self._tops.leaves

    @property
    def root(self) -> bytes:
        """The root of the release's tree."""
        return self._tops.root

    @property
    def size_bytes(self) -> int:
        """The size in memory, in bytes."""
        return len(self._firsts) + 2 * self._tops.size * HASH_BYTES

    def place_of(self, client: bytes) -> BlockPosition:
        """Return the place of a client's leaf, if it has one.

        Raises:
            KeyError: if the client has no leaf, because its id is before every other id.
        """
        block = bisect.bisect_right(range(self._tops.size), client, key=lambda block: _id_at(self._firsts, block)) - 1
        if block < 0:
            raise KeyError(client)
        return BlockPosition(block, _id_at(self._firsts, block))

    def prove(self, client: bytes, block_at: Callable[[BlockPosition], Block]) -> Proof:
        """Return the number of a client's leaf, and its audit path up to the release's root.

        Args:
            client: the client's id.
            block_at: returns the block at a place.

        Raises:
            KeyError: if the client has no leaf.
        """
        place = self.place_of(client)
        within = block_at(place).prove(client)
        return Proof(place.block * BLOCK_LEAVES + within.number, within.path + tuple(self._tops.path(place.block)))


def _id_at(ids: bytes, index: int) -> bytes:
    return ids[index * ID_BYTES : (index + 1) * ID_BYTES]
