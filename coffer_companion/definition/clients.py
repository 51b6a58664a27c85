"""Reads the public keys in `[clients]`.

A public key text has four keys, and its proof covers only the signing key. So a text can be put together from parts of others: two texts
that share a part are refused (docs/protocol.md, 1).
"""

from __future__ import annotations

from typing import Any, Final

from coffer_common import files
from coffer_common.errors import TextFileError
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import ClientKey, PublicKey, parse_client_file, parse_client_key

from .layers import Item
from .source import Folder, Place, Report, UnreadableError

# A public key text has about 2,100 characters. The rest is room for comments.
_FILE_BYTES: Final = 16 << 10
_FORMS: Final = 'a public key text, 64 hex digits, { from_file = "NAME.pub" }, or a list of these'


class KeyReader:
    """Reads the keys of all clients, and refuses a key that is used twice, or of which a part is used twice."""

    def __init__(self, folder: Folder, report: Report) -> None:
        self._folder = folder
        self._report = report
        # The client and the place that each key, and each part of one, was first read for.
        self._owners: dict[bytes, tuple[str, Place]] = {}

    def read(self, name: str, item: Item) -> tuple[ClientKey, ...]:
        """Return the keys of one client. The report gets what is wrong with any of them."""
        if item.raw == []:
            self._report.refuse(item.place, f"client {name!r} has no key: give it {_FORMS}")
        listed = (
            [(raw, item.place.within(index)) for index, raw in enumerate(item.raw)]
            if isinstance(item.raw, list)
            else [(item.raw, item.place)]
        )
        keys = []
        for raw, place in listed:
            try:
                key = self._key(raw, place)
            except (KeyTextError, UnreadableError) as error:
                self._report.refuse(place, str(error))
                continue
            if (fault := self._fault(name, key, place)) is not None:
                self._report.refuse(place, fault)
                continue
            keys.append(key)
        return tuple(keys)

    def _fault(self, name: str, key: ClientKey, place: Place) -> str | None:
        """Return what is wrong if the key, or a part of it, was read before."""
        owner, first = self._owners.setdefault(key.id, (name, place))
        if first is not place:
            other = f"of client {name!r} is also that of client {owner!r}"
            whose = f"is listed twice for client {name!r}" if owner == name else other
            return f"this key {whose}, at {first}: take one out, because a key belongs to one client"
        for part, value in _parts(key).items():
            owner, first = self._owners.setdefault(value, (name, place))
            if first is not place:
                return (
                    f"this public key text has the same {part} as a key of client {owner!r}, at {first}, and another id: one of the two "
                    "was put together from parts of others: compare both with the fingerprints that `coffer-client id` shows on them"
                )
        return None

    def _key(self, raw: Any, place: Place) -> ClientKey:
        match raw:
            case str():
                return parse_client_key(raw)
            case {"from_file": str(name), **others} if not others:
                path = self._folder.find(name, named_in=place.source.path)
                try:
                    return parse_client_file(files.read_text(path, limit_bytes=_FILE_BYTES))
                except TextFileError as error:
                    raise KeyTextError(f"{name!r}: {error.reason}: name the .pub file that `coffer-client keygen` wrote") from None
                except KeyTextError as error:
                    raise KeyTextError(f"{name!r}: {error}") from None
            case {"from_file": _, **others} if others:
                raise KeyTextError(f"a table with from_file cannot also have {next(iter(others))!r} here: take it out")
            case _:
                raise KeyTextError(f"this is not a client's key: write {_FORMS}")


def _parts(key: ClientKey) -> dict[str, bytes]:
    """Return the keys that a public key text has in addition to the id."""
    if not isinstance(key, PublicKey):
        return {}
    return {"signing key": key.sign, "ML-KEM key": key.seal_mlkem, "sealing key": key.seal_x25519}
