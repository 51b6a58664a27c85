"""Reads the public keys in `[clients]`."""

from __future__ import annotations

from typing import Any, Final

from coffer_common import files
from coffer_common.errors import TextFileError
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import ClientKey, parse_client_file, parse_client_key

from .layers import Item
from .source import Folder, Place, Report, UnreadableError

# A public key text has about 2,100 characters. The rest is room for comments.
_FILE_BYTES: Final = 16 << 10
_FORMS: Final = 'a public key text, 64 hex digits, { from_file = "NAME.pub" }, or a list of these'


class KeyReader:
    """Reads the keys of all clients, and refuses a key that is used twice."""

    def __init__(self, folder: Folder, report: Report) -> None:
        self._folder = folder
        self._report = report
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
            owner, first = self._owners.setdefault(key.id, (name, place))
            if first is not place:
                whose = f"is listed twice for client {name!r}" if owner == name else f"of client {name!r} is also that of client {owner!r}"
                self._report.refuse(place, f"this key {whose}, at {first}: take one out, because a key belongs to one client")
                continue
            keys.append(key)
        return tuple(keys)

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
