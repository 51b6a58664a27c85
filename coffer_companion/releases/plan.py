"""A plan: what an upload would change, by client and key name. It has no secret value, and not even the length of one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# If more than this part of the clients would go, or every key of one, the operator must confirm it.
REMOVED_SHARE: Final = 1 / 3


class ChangeKind(StrEnum):
    """What happens to a client or a key. The value is the sign for it."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"
    UNCHANGED = "="


_WORDS: Final = {ChangeKind.ADDED: "added", ChangeKind.CHANGED: "changed", ChangeKind.REMOVED: "removed", ChangeKind.UNCHANGED: "unchanged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """The change of one key. `public` is its new value if the definition says that it is not secret."""

    key: str
    change: ChangeKind
    public: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """The change of one client.

    Attributes:
        client: the client's name, or its id if no note has the name.
        keys: its keys that change; empty if they are not known.
        remark: anything else, such as a host that was added or removed.
        is_emptied: whether it had keys and has none any more.
        is_rekeyed: whether the release knows its id under other public keys.
        is_resealed: whether its shard is sealed again, and nothing in it changes.
        is_unknown: whether it is sealed again under another note key, and nothing else is known of its changes.
    """

    client: str
    change: ChangeKind
    keys: tuple[KeyChange, ...] = ()
    remark: str = ""
    is_emptied: bool = False
    is_rekeyed: bool = False
    is_resealed: bool = False
    is_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """Something of a client that goes back to what an earlier release had. Its text is a sentence.

    Attributes:
        client: the client's name.
        keys: the keys whose values go back; empty if it is a public key that comes back.
        public_key: the fingerprint of that public key.
        serial: the newest release that had these values, or that key.
        is_taken_back: whether a rollback has taken that release back.
    """

    client: str
    keys: tuple[str, ...] = ()
    public_key: str | None = None
    serial: int
    is_taken_back: bool = False

    def __str__(self) -> str:
        rolled = ", which a rollback has taken back" if self.is_taken_back else ""
        if self.public_key is not None:
            return f"{self.client} gets a public key again that it had in release {self.serial}{rolled}: {self.public_key}"
        if len(self.keys) == 1:
            return f"{self.keys[0]} of {self.client} goes back to what it was in release {self.serial}{rolled}"
        return f"{', '.join(self.keys)} of {self.client} go back to what they were in release {self.serial}{rolled}"

    def as_json(self) -> dict[str, object]:
        """Return the same for programs."""
        what = {"keys": list(self.keys)} if self.public_key is None else {"public_key": self.public_key}
        return {"client": self.client, **what, "release": self.serial, "taken_back": self.is_taken_back}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole change from one release to the next.

    Attributes:
        coffer: the coffer's name.
        serial: the serial of the next release.
        clients: the clients that change.
        unchanged: how many clients do not change.
        resealed: how many of these have their shards sealed again.
        is_renewal: whether only the release's expiry changes.
        reverts: what goes back to what an earlier release had.
        remarks: other effects, a sentence each.
    """

    coffer: str
    serial: int
    clients: tuple[ClientChange, ...]
    unchanged: int
    resealed: int = 0
    is_renewal: bool = False
    reverts: tuple[Revert, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not self.clients and not self.resealed and not self.is_renewal

    def counted(self, change: ChangeKind) -> int:
        """Return how many clients have this kind of change."""
        return sum(client.change is change for client in self.clients)

    def drastic_removals(self) -> str | None:
        """Return in words what would be removed if that looks like a mistake, otherwise None."""
        removed = self.counted(ChangeKind.REMOVED)
        before = removed + self.counted(ChangeKind.CHANGED) + self.unchanged
        if before and removed > before * REMOVED_SHARE:
            return f"{removed} of {before} clients would be removed"
        emptied = [client.client for client in self.clients if client.is_emptied]
        if emptied:
            return f"every key of {', '.join(emptied)} would be removed"
        return None

    def rekeyed(self) -> tuple[str, ...]:
        """Return the names of the clients whose public keys change under the same id."""
        return tuple(client.client for client in self.clients if client.is_rekeyed)

    def summary(self) -> str:
        """Return the counts in one line."""
        counts = [f"{self.counted(change)} {_WORDS[change]}" for change in (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED)]
        resealed = f" ({self.resealed} sealed again)" if self.resealed else ""
        return f"{', '.join(counts)}, {self.unchanged} unchanged{resealed}"

    def to_json(self) -> str:
        """Return the plan as JSON, on one line."""
        clients = [
            {
                "client": client.client,
                "change": _WORDS[client.change],
                "keys": [
                    {"key": key.key, "change": _WORDS[key.change]} | ({} if key.public is None else {"public": key.public})
                    for key in client.keys
                ],
            }
            | ({"remark": client.remark} if client.remark else {})
            for client in self.clients
        ]
        return json.dumps(
            {"coffer": self.coffer, "serial": self.serial, "clients": clients, "unchanged": self.unchanged, "renewal": self.is_renewal}
            | ({"resealed": self.resealed} if self.resealed else {})
            | ({"reverts": [revert.as_json() for revert in self.reverts]} if self.reverts else {})
            | ({"remarks": list(self.remarks)} if self.remarks else {}),
        )
