"""A plan: what an upload would change, by client and key name. Never a secret value, nor its length."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Where more of the clients go than this, or every key of one, the operator must say that it is meant.
REMOVED_SHARE: Final = 1 / 3


class ChangeKind(StrEnum):
    """What happens to a client or a key; the value is its sign."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"
    UNCHANGED = "="


_WORDS: Final = {ChangeKind.ADDED: "added", ChangeKind.CHANGED: "changed", ChangeKind.REMOVED: "removed", ChangeKind.UNCHANGED: "unchanged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key of a client. `public` is its new value where the definition says that it is no secret."""

    key: str
    change: ChangeKind
    public: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """One client.

    Attributes:
        client: its name, or its id where no note tells the name.
        keys: its keys that change; empty where they are not known.
        remark: what else there is to say: a host that came or went.
        is_emptied: whether it had keys and none of them stays.
        is_rekeyed: whether the release knows its id under other public keys.
    """

    client: str
    change: ChangeKind
    keys: tuple[KeyChange, ...] = ()
    remark: str = ""
    is_emptied: bool = False
    is_rekeyed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it.

    Attributes:
        coffer: the coffer's name.
        serial: of the release that it leads to.
        clients: those that change.
        unchanged: how many do not.
        is_renewal: whether nothing but the release's expiry changes.
        remarks: what else it does, a sentence each.
    """

    coffer: str
    serial: int
    clients: tuple[ClientChange, ...]
    unchanged: int
    is_renewal: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not self.clients and not self.is_renewal

    def counted(self, change: ChangeKind) -> int:
        """How many clients change so."""
        return sum(client.change is change for client in self.clients)

    def drastic_removals(self) -> str | None:
        """What would be removed that somebody may not have meant, in words; None where there is nothing of the kind."""
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
        """The counts, in one line."""
        counts = [f"{self.counted(change)} {_WORDS[change]}" for change in (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED)]
        return f"{', '.join(counts)}, {self.unchanged} unchanged"

    def to_json(self) -> str:
        """The plan for a program, on one line."""
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
            | ({"remarks": list(self.remarks)} if self.remarks else {}),
            ensure_ascii=False,
        )
