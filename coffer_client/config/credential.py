"""A client's credential: its identity, and which of its two keys the server knows."""

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
        bare: whether the operator knows it by its plain NaCl key (suite 0), not by its public key text (suite 1).
    """

    identity: Identity
    bare: bool = False

    def public_text(self) -> str:
        """Return the text for the operator's definition: the public key text, or 64 hex digits for a bare key.

        Raises:
            UnavailableError: this machine's libraries have no ML-KEM-768, which a public key text needs.
        """
        return format_id(self.identity.plain_id()) if self.bare else self.identity.public_text()

    def id_text(self) -> str:
        """Return the id that Hello proves, as 64 hex digits."""
        return format_id(self.identity.plain_id() if self.bare else self.identity.id())

    def clients_line(self, name: str | None = None) -> str:
        """Return the line for `[clients]` in the operator's definition.

        Args:
            name: the client's name in the definition. Default: this machine's name.
        """
        name = name or _machine_name()
        # In TOML, a dot outside quotes would begin a table.
        key = f'"{name}"' if "." in name else name
        return f'{key} = "{self.public_text()}"'

    def file_text(self) -> str:
        """Return the content of an identity file (docs/protocol.md, 1).

        The comments for a bare key have the plain id and no public key text.
        """
        if not self.bare:
            return self.identity.file_text()
        return (
            "# A Coffer identity, known by its bare NaCl key. Everybody who can read this file can act as this client.\n"
            f"{_ID_COMMENT}{self.id_text()}\n"
            f"{self.identity.secret_text()}\n"
        )

    @classmethod
    def from_text(cls, text: str, *, mode: int = _OWNER_ONLY, bare: bool = False) -> Credential:
        """Parse the content of an identity file, or a secret text alone.

        Args:
            text: the file's text.
            mode: the file's permission bits. A text that does not come from a file counts as readable by its owner alone.
            bare: whether to use the bare key even if no comment says so.

        Raises:
            KeyTextError: other users can read the file, or it does not hold exactly one secret text.
        """
        identity = Identity.from_file_text(text, mode=mode)
        ids = {line.removeprefix(_ID_COMMENT).strip() for line in text.splitlines() if line.startswith(_ID_COMMENT)}
        return cls(identity=identity, bare=bare or format_id(identity.plain_id()) in ids)


def _machine_name() -> str:
    """Return this machine's name in a form that the definition allows. The operator may change it."""
    label = os.uname().nodename.partition(".")[0].lower()
    return "".join(character for character in label if character in _NAME_ALPHABET)[:NAME_CHARACTERS] or "client"
