"""The entries of a release as a publisher keeps them, so that a server need send only what has changed since (docs/protocol.md, 7 and 8).

The file has the release's *signed* and its packed entries. It holds no secret. If it cannot be used, the whole list is asked for again.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coffer_common import files
from coffer_protocol.errors import ProtocolError, ReleaseError
from coffer_protocol.limits import LISTING_BYTES
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.listing import check_listing_untrusted

from .listing import Listing

# The format of the file, and the length of *signed* behind it.
_HEADER: Final = struct.Struct(">16sI")
_FORMAT: Final = b"coffer entries 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntries:
    """A release, and its entries, which agree with its root.

    Attributes:
        release: the release. Who signed it was checked when it was accepted, and is not checked again.
        listing: its entries.
    """

    release: SignedHead
    listing: Listing


def path_of(state_file: Path) -> Path:
    """Return the path of the file that belongs to a publisher's state file."""
    return state_file.with_suffix(".entries")


def load(state_file: Path) -> KeptEntries | None:
    """Return what is kept, or None if there is no file, or it cannot be used."""
    try:
        data = files.read(path_of(state_file), limit_bytes=LISTING_BYTES)
        if data is None or len(data) > LISTING_BYTES:
            return None
        form, length = _HEADER.unpack_from(data)
        signed, packed = data[_HEADER.size : _HEADER.size + length], data[_HEADER.size + length :]
        if form != _FORMAT:
            return None
        release = SignedHead(head=heads.claimed_untrusted(signed), signed=signed)
        listing = Listing.unpack(packed)
        check_listing_untrusted(release, listing.values())
    except (OSError, struct.error, ValueError, ReleaseError, ProtocolError):
        return None
    return KeptEntries(release=release, listing=listing)


def save(state_file: Path, kept: KeptEntries) -> None:
    """Keep a release's entries. If they cannot be written, the next upload asks for the whole list."""
    signed = kept.release.signed
    with suppress(OSError):
        files.replace(path_of(state_file), _HEADER.pack(_FORMAT, len(signed)) + signed + kept.listing.pack())
