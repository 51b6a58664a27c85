"""Makes the body of an OkGet as a publisher's release would have it: the client alone in the tree."""

from __future__ import annotations

from collections.abc import Mapping

from coffer_client.credential import Credential
from coffer_protocol import shard
from coffer_protocol.identity import BareKey
from coffer_protocol.primitives import sha256
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release import tree
from coffer_protocol.release.coffer import Accepted, Coffer
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.shard import Secret, SecretValue
from tests.support import identity

PUBLISHER = identity("publisher")
COFFER = "shop"
SERIAL = 7
ISSUED = 1_700_000_000
# 2023-11-14 22:13:20 UTC
NOW = ISSUED


def make_head(*, root: bytes = bytes(32), serial: int = SERIAL, issued: int = ISSUED, expires: int | None = None) -> Head:
    """A head of one leaf, by the publisher whom every address of these tests names."""
    return Head(coffer=COFFER, serial=serial, root=root, count=1, issued=issued, expires=expires, publisher=PUBLISHER.publisher_key())


def make_body(
    credential: Credential, secrets: Mapping[str, SecretValue], *, serial: int = SERIAL, issued: int = ISSUED, expires: int | None = None
) -> bytes:
    """What a server gives to this client in OkGet."""
    key = BareKey(id=credential.identity.plain_id()) if credential.bare else credential.identity.public()
    encoded = shard.encode(Secret(key=name, value=value) for name, value in secrets.items())
    blob = blobs.seal(key, coffer=COFFER, since=serial, shard=encoded)
    alg = blobs.alg_of(key)
    leaf = tree.leaf_data(coffer=COFFER, client_id=key.id, alg=alg, since=serial, blob_sha256=sha256(blob))
    head = make_head(root=tree.leaf_hash(leaf), serial=serial, issued=issued, expires=expires)
    return Coffer(signed=heads.sign(head, PUBLISHER), index=0, path=(), alg=alg, since=serial, blob=blob).encode()


def make_accepted(secrets: Mapping[str, SecretValue], *, head: Head | None = None) -> Accepted:
    """What verification leaves of a release."""
    return Accepted(
        release=SignedHead(head=head or make_head(), signed=b""),
        secrets=tuple(Secret(key=key, value=value) for key, value in secrets.items()),
    )
