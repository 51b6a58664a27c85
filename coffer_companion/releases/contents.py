"""The contents of a release: clients, the ids of their public keys, and the names of their secrets."""

from __future__ import annotations

from dataclasses import dataclass

from coffer_protocol.release.blob import ALG_SEALED_BOX
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import ROLE_CLIENT

from .commit import Base
from .diff import Held, held, notes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client's key in a release.

    Attributes:
        name: the client's name.
        id: the key's id.
        suite: the suite that it uses.
        since: the release in which its shard was sealed.
        keys: the names of its secrets, in the shard's order.
    """

    name: str
    id: bytes
    suite: int
    since: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A release, and its clients in the order of their names."""

    release: SignedHead
    clients: tuple[Client, ...]


async def contents(base: Base, serial: int | None) -> Contents:
    """Return the contents of a release; None is the newest.

    Raises:
        NoReleaseError: there is no such release.
        ServerError: its code is `limit`: the server does not hold the contents any more.
        EarlierNoteKeyError: the release was made under a note key that has been replaced since.
    """
    newest = base.existing()
    if serial is None or serial == newest.head.serial:
        release = Held(release=newest, listing=base.listing)
    else:
        release = await held(base.reader, serial)
    notes = await notes_of(base.reader, release, tuple(release.listing.values()), base.note_keys)
    entries = tuple(entry for entry in release.listing.values() if notes[entry.id].role == ROLE_CLIENT)
    clients = [
        Client(
            name=notes[entry.id].client,
            id=entry.id,
            suite=0 if entry.alg == ALG_SEALED_BOX else 1,
            since=entry.since,
            keys=tuple(key for key, _ in notes[entry.id].keys),
        )
        for entry in entries
    ]
    return Contents(release=release.release, clients=tuple(sorted(clients, key=lambda client: (client.name, client.id))))
