"""A release's ids and Merkle tree, kept in memory for audit paths."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from coffer_protocol.identity import ID_BYTES
from coffer_protocol.release import tree
from coffer_protocol.release.tree import Tree

# 96 bytes of memory each: a few coffers of a million clients, or thousands of small ones.
CACHED_LEAVES: Final = 4_000_000


class Leaf(NamedTuple):
    """What the tree, and the checks upon it, need of one client. A tuple, for there may be a million in a row."""

    client: bytes
    alg: int
    since: int
    sha256: bytes
    blob_bytes: int


class Snapshot:
    """One release of one coffer: which leaf is whose, and every path.

    Args:
        coffer: the coffer's name.
        leaves: in the order of their ids.
    """

    __slots__ = ("_ids", "tree")

    def __init__(self, coffer: str, leaves: Iterable[Leaf]) -> None:
        ids = bytearray()
        hashes = bytearray()
        for leaf in leaves:
            ids += leaf.client
            data = tree.leaf_data(coffer=coffer, client_id=leaf.client, alg=leaf.alg, since=leaf.since, blob_sha256=leaf.sha256)
            hashes += tree.leaf_hash(data)
        self._ids = bytes(ids)
        self.tree = Tree([bytes(hashes)])

    def index_of(self, client: bytes) -> int:
        """The number of a client's leaf.

        Raises:
            KeyError: it has none.
        """
        index = bisect.bisect_left(range(self.tree.size), client, key=self._id_at)
        if index == self.tree.size or self._id_at(index) != client:
            raise KeyError(client)
        return index

    def _id_at(self, index: int) -> bytes:
        return self._ids[index * ID_BYTES : (index + 1) * ID_BYTES]


class SnapshotCache:
    """The snapshots of current releases, those not asked for longest dropped first where there are too many leaves."""

    def __init__(self, max_leaves: int = CACHED_LEAVES) -> None:
        self._max_leaves = max_leaves
        self._lock = threading.Lock()
        self._building: dict[str, threading.Lock] = {}
        self._kept: OrderedDict[str, tuple[int, Snapshot]] = OrderedDict()

    def get(self, coffer: str, serial: int, build: Callable[[], Snapshot]) -> Snapshot:
        """The snapshot of a release, built where it is not kept. Two threads that want the same one build it once."""
        if (kept := self._find(coffer, serial)) is not None:
            return kept
        with self._lock:
            building = self._building.setdefault(coffer, threading.Lock())
        with building:
            if (kept := self._find(coffer, serial)) is not None:
                return kept
            built = build()
            self.put(coffer, serial, built)
            return built

    def _find(self, coffer: str, serial: int) -> Snapshot | None:
        with self._lock:
            kept = self._kept.get(coffer)
            if kept is None or kept[0] != serial:
                return None
            self._kept.move_to_end(coffer)
            return kept[1]

    def put(self, coffer: str, serial: int, snapshot: Snapshot) -> None:
        """Keep the snapshot of a release, unless a newer one is kept already."""
        with self._lock:
            kept = self._kept.get(coffer)
            if kept is not None and kept[0] > serial:
                return
            self._kept[coffer] = (serial, snapshot)
            self._kept.move_to_end(coffer)
            while len(self._kept) > 1 and sum(kept.tree.size for _, kept in self._kept.values()) > self._max_leaves:
                self._kept.popitem(last=False)
