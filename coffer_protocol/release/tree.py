"""The Merkle tree of RFC 9162, 2.1, with SHA-256, and the leaves that Coffer puts into it (docs/protocol.md, 7)."""

from __future__ import annotations

from .. import cbor
from ..crypto.primitives import sha256
from ..lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

HASH_BYTES: Final = 32
_LEAF: Final = b"\0"
_NODE: Final = b"\1"
_LABEL: Final = "coffer/1 leaf"
EMPTY_ROOT: Final = sha256(b"")


class Leaf(Record):
    """One client's blob in a coffer. A leaf of the tree, a mark and a note are bound to it.

    Attributes:
        coffer: the coffer's name.
        client_id: the client's id, 32 bytes.
        alg: the algorithm that seals the blob.
        since: the serial of the release for which it was made.
        blob_sha256: the blob's hash, 32 bytes.
    """

    coffer: str
    client_id: bytes
    alg: int
    since: int
    blob_sha256: bytes

    def labeled(self, label: str) -> list[cbor.Value]:
        """Return `[label, coffer, id, alg, since, hash]`, which binds what the label says to this very blob."""
        return [label, self.coffer, self.client_id, self.alg, self.since, self.blob_sha256]

    def hash(self) -> bytes:
        """Return the hash of the leaf in the tree, 32 bytes."""
        return leaf_hash(cbor.encode(self.labeled(_LABEL)))


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data, 32 bytes."""
    return sha256(_LEAF + data)


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right)


class Tree:
    """A tree with all its nodes, for audit paths. It takes 64 bytes of memory for each leaf.

    A level is one byte string of its hashes. An odd node at the end of a level moves up as it is, which gives the same tree as RFC 9162's
    splitting at the largest power of two.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        level = b"".join(leaf_hashes)
        self._levels = [level]
        while len(level) > HASH_BYTES:
            level = _level_above(level)
            self._levels.append(level)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0]) // HASH_BYTES

    @property
    def leaves(self) -> bytes:
        """The leaf hashes, one after another."""
        return self._levels[0]

    @property
    def root(self) -> bytes:
        """The root, 32 bytes; without leaves, the hash of nothing."""
        return self._levels[-1] or EMPTY_ROOT

    def path(self, index: int) -> list[bytes]:
        """Return the audit path of leaf `index`, from the leaf's sibling upwards (RFC 9162, 2.1.3.1).

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < self.size:
            raise IndexError(index)
        path = []
        for level in self._levels[:-1]:
            sibling = level[(index ^ 1) * HASH_BYTES : ((index ^ 1) + 1) * HASH_BYTES]
            # The last node of an odd level has no sibling, and moves up.
            if sibling:
                path.append(sibling)
            index >>= 1
        return path


def _level_above(level: bytes) -> bytes:
    pairs = range(0, len(level) - HASH_BYTES, 2 * HASH_BYTES)
    above = [sha256(_NODE + level[start : start + 2 * HASH_BYTES]) for start in pairs]
    if len(level) // HASH_BYTES % 2:
        above.append(level[-HASH_BYTES:])
    return b"".join(above)


def root_of_path(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which `path` leads from the leaf with hash `leaf` (RFC 9162, 2.1.3.2).

    Raises:
        ValueError: the index is not in a tree of `size` leaves, or the path has another length than it must have.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    node, last = index, size - 1
    digest = leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if node & 1 or node == last:
            digest = _node_hash(sibling, digest)
            # A node that has moved up without a sibling skips the levels in which it had none.
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            digest = _node_hash(digest, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ValueError("the path is too short")
    return digest
