"""Makes the body of an OkGet as a publisher's release would have it: the client alone in the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from coffer_client.config.credential import Credential
from coffer_protocol import shard
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import BareKey, Identity
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release import tree
from coffer_protocol.release.coffer import Accepted, SealedAnswer
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.shard import Secret, SecretValue
from tests.support import identity

PUBLISHER = identity("publisher")
COFFER = "shop"
SERIAL = 7
ISSUED = 1_700_000_000
# 2023-11-14 22:13:20 UTC
NOW = ISSUED


def make_head(
    *,
    root: bytes = bytes(32),
    serial: int = SERIAL,
    issued: int = ISSUED,
    expires: int | None = None,
    by: Identity = PUBLISHER,
    prev: bytes | None = None,
    publishers: tuple[bytes, ...] | None = None,
    servers: tuple[bytes, ...] | None = None,
    restart: bool = False,
) -> Head:
    """A head of one leaf, by the publisher whom every address of these tests names where no other is given."""
    return Head(
        coffer=COFFER,
        serial=serial,
        root=root,
        count=1,
        issued=issued,
        expires=expires,
        publisher=by.publisher_key(),
        prev=prev,
        publishers=publishers,
        servers=servers,
        restart=restart,
    )


def make_body(
    credential: Credential,
    secrets: Mapping[str, SecretValue],
    *,
    serial: int = SERIAL,
    issued: int = ISSUED,
    expires: int | None = None,
    by: Identity = PUBLISHER,
    prev: bytes | None = None,
    publishers: tuple[bytes, ...] | None = None,
    servers: tuple[bytes, ...] | None = None,
    restart: bool = False,
) -> bytes:
    """What a server gives to this client in OkGet."""
    key = BareKey(id=credential.identity.plain_id()) if credential.bare else credential.identity.public()
    encoded = shard.encode(Secret(key=name, value=value) for name, value in secrets.items())
    blob = blobs.seal(key, coffer=COFFER, since=serial, shard=encoded)
    alg = blobs.alg_of(key)
    leaf = tree.Leaf(coffer=COFFER, client_id=key.id, alg=alg, since=serial, blob_sha256=sha256(blob))
    head = make_head(
        root=leaf.hash(),
        serial=serial,
        issued=issued,
        expires=expires,
        by=by,
        prev=prev,
        publishers=publishers,
        servers=servers,
        restart=restart,
    )
    return SealedAnswer(signed=heads.sign(head, by), index=0, path=(), alg=alg, since=serial, blob=blob).encode()


def signed_of(body: bytes) -> bytes:
    """The signed head in the body of an OkGet."""
    return SealedAnswer.decode_untrusted(body).signed


class History:
    """The releases of one coffer with one client, in a chain from serial 1."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.bodies: list[bytes] = []

    def add(
        self,
        secrets: Mapping[str, SecretValue],
        *,
        by: Identity = PUBLISHER,
        publishers: tuple[Identity, ...] | None = None,
        servers: tuple[Identity, ...] | None = None,
        issued: int = ISSUED,
        expires: int | None = None,
    ) -> Self:
        """One more release."""
        body = make_body(
            self.credential,
            secrets,
            serial=len(self.bodies) + 1,
            issued=issued,
            expires=expires,
            by=by,
            prev=sha256(self.signed[-1]) if self.bodies else None,
            publishers=None if publishers is None else tuple(sorted(each.publisher_key() for each in publishers)),
            servers=None if servers is None else tuple(sorted(each.id() for each in servers)),
        )
        self.bodies.append(body)
        return self

    @property
    def signed(self) -> list[bytes]:
        """The signed heads."""
        return [signed_of(body) for body in self.bodies]

    def heads_from(self, serial: int) -> list[bytes]:
        """What an honest server answers to `heads`."""
        return self.signed[max(0, serial - 1) :]


def make_accepted(secrets: Mapping[str, SecretValue], *, head: Head | None = None) -> Accepted:
    """What verification leaves of a release."""
    return Accepted(
        release=SignedHead(head=head or make_head(), signed=b""),
        secrets=tuple(Secret(key=key, value=value) for key, value in secrets.items()),
    )
