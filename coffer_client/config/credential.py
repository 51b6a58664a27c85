"""Who this client is: an identity, and under which of its two keys the server knows it."""

from __future__ import annotations

import os

from coffer_protocol.identity import Identity, format_id
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.limits import NAME_CHARACTERS

if TYPE_CHECKING:
    from typing import Final

_OWNER_ONLY: Final = 0o600
_ID_COMMENT: Final = "# id: "
_NAME_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class Credential(Record):
    """An identity as this client uses it.

    Attributes:
        identity: the keys.
        bare: whether the operator knows it by its plain NaCl key alone (suite 0), not by its public key text (suite 1).
    """

    identity: Identity
    bare: bool = False

    def public_text(self) -> str:
        """What the operator's definition holds: the public key text, or 64 hex digits for a bare key.

        Raises:
            UnavailableError: this machine's libraries have no ML-KEM-768, which a public key text needs.
        """
        return format_id(self.identity.plain_id()) if self.bare else self.identity.public().text()

    def id_text(self) -> str:
        """The id that Hello proves, as 64 hex digits."""
        return format_id(self.identity.plain_id() if self.bare else self.identity.id())

    def clients_line(self, name: str | None = None) -> str:
        """Return the line for `[clients]` in the operator's definition.

        Args:
            name: what the definition is to call this client. Default: this machine's name.
        """
        name = name or _machine_name()
        # In TOML a dot outside of quotes would begin another table.
        key = f'"{name}"' if "." in name else name
        return f'{key} = "{self.public_text()}"'

    def file_text(self) -> str:
        """What an identity file holds (docs/protocol.md, 1). Of a bare key its comments tell the plain id, and no public key text."""
        if not self.bare:
            return self.identity.file_text()
        return (
            "# A Coffer identity, known by its bare NaCl key. Whoever can read this file is its owner.\n"
            f"{_ID_COMMENT}{self.id_text()}\n"
            f"{self.identity.secret_text()}\n"
        )

    @classmethod
    def from_text(cls, text: str, *, mode: int = _OWNER_ONLY, bare: bool = False) -> Credential:
        """Parse what an identity file holds, or a secret text alone.

        Args:
            text: the file's text.
            mode: the file's permission bits; what comes from elsewhere is nobody else's.
            bare: whether it is used by its bare key, also where no comment says so.

        Raises:
            KeyTextError: others can read the file, or it does not hold exactly one secret text.
        """
        identity = Identity.from_file_text(text, mode=mode)
        ids = {line.removeprefix(_ID_COMMENT).strip() for line in text.splitlines() if line.startswith(_ID_COMMENT)}
        return cls(identity=identity, bare=bare or format_id(identity.plain_id()) in ids)


def _machine_name() -> str:
    """This machine's name as the definition can have it, for the operator to change at will."""
    label = os.uname().nodename.partition(".")[0].lower()
    return "".join(character for character in label if character in _NAME_ALPHABET)[:NAME_CHARACTERS] or "client"
