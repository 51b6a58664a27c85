"""A plan: what an upload would change, by client and key name. Never a secret value, nor its length."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rich.console import Console
from rich.text import Text

# Where more of the clients go than this, or every key of one, the operator must say that it is meant.
REMOVED_SHARE: Final = 1 / 3
# A person reads no more of them, and a terminal takes its time over each line.
CLIENTS_SHOWN: Final = 200


class ChangeKind(StrEnum):
    """What happens to a client or a key; the value is its sign."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"
    UNCHANGED = "="


_WORDS: Final = {ChangeKind.ADDED: "added", ChangeKind.CHANGED: "changed", ChangeKind.REMOVED: "removed", ChangeKind.UNCHANGED: "unchanged"}
_STYLES: Final = {ChangeKind.ADDED: "green", ChangeKind.CHANGED: "yellow", ChangeKind.REMOVED: "red", ChangeKind.UNCHANGED: "dim"}


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
    """

    client: str
    change: ChangeKind
    keys: tuple[KeyChange, ...] = ()
    remark: str = ""
    is_emptied: bool = False


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

    def show(self, console: Console) -> None:
        """Print the plan for a person."""
        for line in self._lines():
            console.print(line, soft_wrap=True)

    def _lines(self) -> Iterable[Text]:
        yield Text(f"coffer {self.coffer}, release {self.serial}: {self.summary()}")
        for sentence in self.remarks:
            yield Text(f"  {sentence}", style="bold")
        for client in self.clients[:CLIENTS_SHOWN]:
            remark = f"  ({client.remark})" if client.remark else ""
            yield Text(f"  {client.change} {client.client}{remark}", style=_STYLES[client.change])
            for key in client.keys:
                public = "" if key.public is None else f" = {key.public}"
                yield Text(f"      {key.change} {key.key}{public}", style=_STYLES[key.change])
        if len(self.clients) > CLIENTS_SHOWN:
            yield Text(f"  … and {len(self.clients) - CLIENTS_SHOWN} clients more: --json has them all")
        if self.is_renewal and not self.clients:
            yield Text("  the release is renewed: its expiry changes, and nothing else")
