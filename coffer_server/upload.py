"""An upload in progress: it is kept in an unnamed file until the commit, so that large uploads take no memory."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from coffer_protocol import message
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.message import Drop, MessageType, Put, Reuse
from coffer_protocol.release.blob import PAD_MULTIPLE_BYTES

from .errors import StoreError, TooLargeError
from .store.base import Change

# A record is the type of its message, the length of its body, and the body.
_RECORD: Final = struct.Struct(">BI")
# Bytes written to disk at a time: many small changes take one call in a thread.
FLUSH_BYTES: Final = 1 << 20
# The size of a shard at its limit, padded and sealed. HPKE adds a KEM ciphertext of 1,120 bytes and a tag; a sealed box adds 48 bytes.
BLOB_BYTES: Final = SHARD_BYTES + PAD_MULTIPLE_BYTES + 1120 + 16


def check_room(folder: Path) -> None:
    """Check that `folder` has room for the first bytes of an upload. This blocks.

    Raises:
        StoreError: if they cannot be written.
    """
    with Upload(folder, max_bytes=FLUSH_BYTES, max_shards=1) as trial:
        trial._pending += bytes(FLUSH_BYTES)
        trial.flush()


class Upload:
    """The changes of one upload, in the order in which they came.

    Args:
        folder: the folder of the unnamed file.
        max_bytes: the limit of all changes together.
        max_shards: the limit of the number of changes.
    """

    def __init__(self, folder: Path, *, max_bytes: int, max_shards: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_shards = max_shards
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self._bytes = 0
        self.counts: dict[type[Change], int] = {Put: 0, Reuse: 0, Drop: 0}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            # Closing writes again what a full disk did not take. It is no longer needed.
            with suppress(OSError):
                self._file.close()

    @property
    def wants_flush(self) -> bool:
        """Whether enough changes are in memory to be written."""
        return len(self._pending) >= FLUSH_BYTES

    def add(self, change: Change) -> None:
        """Add one change.

        Raises:
            TooLargeError: if a limit is exceeded.
        """
        if isinstance(change, Put) and len(change.blob) > BLOB_BYTES:
            raise TooLargeError(f"a shard is over {SHARD_BYTES} bytes (its blob has {len(change.blob)}): split its secrets")
        body = message.encode_body(change)
        self._bytes += len(body)
        self.counts[type(change)] += 1
        if self._bytes > self._max_bytes:
            raise TooLargeError(
                f"the upload is over {self._max_bytes} bytes: ask the server's operator to raise upload_bytes in server.toml"
            )
        if sum(self.counts.values()) > self._max_shards:
            raise TooLargeError(
                f"the upload names over {self._max_shards} clients: ask the server's operator to raise upload_shards in server.toml"
            )
        self._pending += _RECORD.pack(message.type_of(change), len(body)) + body

    def flush(self) -> None:
        """Write the changes in memory to disk. This blocks.

        Raises:
            StoreError: if they cannot be written.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed when the upload ends)
            self._file.write(self._pending)
            self._file.flush()
        except OSError as error:
            raise StoreError(f"cannot keep an upload in progress in {self._folder}: {error.strerror}") from None
        self._pending.clear()

    def changes(self) -> Iterator[Change]:
        """Yield every added change, read back from disk. This blocks. Afterwards no change can be added."""
        self.flush()
        assert self._file is not None
        self._file.seek(0)
        while header := self._file.read(_RECORD.size):
            kind, size_bytes = _RECORD.unpack(header)
            yield cast(Change, message.decode_body_untrusted(MessageType(kind), self._file.read(size_bytes)))
