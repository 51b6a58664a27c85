"""Makes releases as a publisher would, for tests; a test that wants a bad one changes what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import Identity
from coffer_protocol.message import Drop, Entry, Put, Reuse
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import Head
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Tree
from coffer_server.store.base import Change

# Some servers in these tests have the real clock: what is issued must not be ahead of it, and must not have expired.
ISSUED = 1_750_000_000
EXPIRES = 4_000_000_000


def identity(number: int) -> Identity:
    """The same identity for the same number, in every run."""
    return Identity(seed=number.to_bytes(32, "big"))


def client_id(number: int) -> bytes:
    """An id, of nobody's key, that is cheaper to make than an identity's. They are in the order of their numbers."""
    return b"\x10" + number.to_bytes(30, "big") + b"\x10"


# What a server's identity gives its store.
AT_REST_KEY = identity(0).at_rest_key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What an upload sends."""

    signed: bytes
    head: Head
    changes: list[Change]


class Author:
    """A publisher, who keeps what it has published: `entries`, `serial` and `signed` are those of its last release."""

    def __init__(self, number: int = 1, coffer: str = "web-shop") -> None:
        self.identity = identity(number)
        self.key = self.identity.public()
        self.coffer = coffer
        self.entries: dict[bytes, Entry] = {}
        self.serial = 0
        self.signed: bytes | None = None

    def put(self, client: bytes, blob: bytes, *, alg: int = 2) -> Put:
        """A change that gives a client a blob. Its mark is the beginning of the blob's hash."""
        return Put(id=client, mark=sha256(blob)[:16], note=b"note", alg=alg, blob=blob)

    def first(self, clients: Mapping[bytes, bytes] | None = None) -> Release:
        """A release with a shard for the publisher itself, and one for each of `clients`."""
        return self.release([self.put(id_, blob) for id_, blob in {self.key.id: b"note key", **(clients or {})}.items()])

    def release(self, changes: Iterable[Change], *, signer: Identity | None = None, **fields: Any) -> Release:
        """The next release, made of the last one and `changes`. `fields` replace those of the head."""
        changes = list(changes)
        serial = fields.get("serial", self.serial + 1)
        self._next = dict(self.entries)
        for change in changes:
            match change:
                case Put():
                    digest = sha256(change.blob)
                    self._next[change.id] = Entry(id=change.id, alg=change.alg, since=serial, sha256=digest, mark=change.mark)
                case Reuse():
                    self._next[change.id] = Entry(id=change.id, alg=change.alg, since=change.since, sha256=change.sha256, mark=change.mark)
                case Drop():
                    self._next.pop(change.id, None)
        signer = signer or self.identity
        tree = Tree(leaf_hashes(self.coffer, [self._next[id_] for id_ in sorted(self._next)]))
        head = Head(
            **{
                "coffer": self.coffer,
                "serial": serial,
                "root": tree.root,
                "count": tree.size,
                "issued": ISSUED,
                "expires": EXPIRES,
                "prev": None if self.signed is None else sha256(self.signed),
                "publisher": signer.publisher_key(),
            }
            | fields
        )
        return Release(signed=heads.sign(head, signer), head=head, changes=changes)

    def published(self, release: Release) -> Release:
        """Note that `release`, the last one made, was committed."""
        self.entries = self._next
        self.serial = release.head.serial
        self.signed = release.signed
        return release

    def reuse(self, client: bytes) -> Reuse:
        """A Reuse of a client's entry in the last release, as it stands."""
        entry = self.entries[client]
        return Reuse(id=client, mark=entry.mark, alg=entry.alg, since=entry.since, sha256=entry.sha256)
