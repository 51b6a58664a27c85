"""A server that lies: the real one, over sockets, on a store that does what an attacker's would.

It runs in a thread of the tests, so that a test can say at any moment what it lies about. The programs that it lies to are real processes.
"""

from __future__ import annotations

import copy
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import trio

from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.identity import Identity
from coffer_protocol.message import Entry, Put
from coffer_protocol.question import Fetch, PastEntry
from coffer_protocol.suite.box import BoxResponder
from coffer_protocol.suite.noise import NoiseResponder, hint
from coffer_server.config import Settings
from coffer_server.errors import DeniedError
from coffer_server.server import open_listeners, serve
from coffer_server.service import Service
from coffer_server.store.base import Change, Changes, Listing, Publisher, Receipt
from tests.server.memory_store import MemoryStore, _History
from tests.support import identity

# Nothing here takes so long; it ends a test that would hang.
_GUARD_S = 60.0


@dataclass
class Lies:
    """What a server lies about.

    Attributes:
        refuses: whether it refuses each Commit with `denied`, and keeps what was sent.
        keeps_and_refuses: whether it keeps a release, and answers its Commit with `denied` all the same.
        marks: by id, the mark that it shows in the place of the true one.
        notes: by id, the note that it shows in the place of the true one.
        hides: the serials whose heads it does not show.
        invents_changes: whether it says of every entry that changed that it has another blob.
        on_open: called when an upload is opened.
        before_commit: called when a Commit has come, before anything is kept.
        after_commit: called when a release is kept, before its Commit is answered.
        clock_ahead_s: how far its clock is ahead.
        kept: what was sent in uploads that it refused.
    """

    refuses: bool = False
    keeps_and_refuses: bool = False
    marks: dict[bytes, bytes] = field(default_factory=dict)
    notes: dict[bytes, bytes] = field(default_factory=dict)
    hides: set[int] = field(default_factory=set)
    invents_changes: bool = False
    on_open: Callable[[], None] = lambda: None
    before_commit: Callable[[], None] = lambda: None
    after_commit: Callable[[], None] = lambda: None
    clock_ahead_s: float = 0.0
    kept: list[Change] = field(default_factory=list)

    def kept_put(self, client: bytes) -> Put:
        """Return the last Put of a client that was kept from a refused upload."""
        return next(change for change in reversed(self.kept) if isinstance(change, Put) and change.id == client)


class LyingStore(MemoryStore):
    """The store in memory, which shows and keeps what `lies` says."""

    def __init__(self) -> None:
        super().__init__()
        self.lies = Lies()

    def state(self) -> dict[str, _History]:
        """Return all that it holds of every coffer: an attacker's backup."""
        with self._lock:
            return copy.deepcopy(self._histories)

    def put_back(self, state: dict[str, _History]) -> None:
        """Hold what a backup has, and nothing else."""
        with self._lock:
            self._histories = copy.deepcopy(state)

    def _shown(self, entry: Entry) -> Entry:
        return replace(entry, mark=self.lies.marks.get(entry.id, entry.mark))

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Listing | None]:
        with super().current(coffer=coffer, publisher=publisher) as listing:
            yield None if listing is None else replace(listing, entries=map(self._shown, listing.entries))

    @contextmanager
    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Listing]:
        with super().entries(coffer=coffer, publisher=publisher, serial=serial) as listing:
            yield replace(listing, entries=map(self._shown, listing.entries))

    @contextmanager
    def changes(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Changes]:
        with super().changes(coffer=coffer, publisher=publisher, serial=serial) as changes:
            changed: Iterator[Entry] = map(self._shown, changes.changed)
            if self.lies.invents_changes:
                changed = (replace(entry, sha256=bytes(32)) for entry in changed)
            yield replace(changes, changed=changed)

    @contextmanager
    def notes(self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        with super().notes(coffer=coffer, publisher=publisher, serial=serial, ids=ids) as notes:
            yield ((client, self.lies.notes.get(client, note)) for client, note in notes)

    @contextmanager
    def past(self, *, coffer: str, publisher: bytes, ids: Collection[bytes]) -> Iterator[Iterator[PastEntry]]:
        with super().past(coffer=coffer, publisher=publisher, ids=ids) as past:
            yield (replace(entry, note=self.lies.notes.get(entry.id, entry.note)) for entry in past)

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        shown = super().heads(coffer=coffer, asker=asker, from_serial=from_serial)
        releases = self._histories[coffer].releases if coffer in self._histories else {}
        hidden = {releases[serial].signed for serial in self.lies.hides & releases.keys()}
        return [signed for signed in shown if signed not in hidden]

    def record_adoption(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        # What was noted of a coffer that is gone meanwhile is forgotten.
        super().record_adoption(
            [(coffer, fetch) for coffer, fetch in fetches if coffer in self._histories],
            [receipt for receipt in receipts if receipt.coffer in self._histories],
        )

    def publisher(self, *, coffer: str, publisher: bytes) -> Publisher:
        found = super().publisher(coffer=coffer, publisher=publisher)
        self.lies.on_open()
        return found

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        changes = list(changes)
        self.lies.before_commit()
        if self.lies.refuses:
            self.lies.kept += changes
            _refuse()
        serial = super().commit(coffer=coffer, publisher=publisher, signed=signed, changes=changes, now=now)
        self.lies.after_commit()
        if self.lies.keeps_and_refuses:
            _refuse()
        return serial


def _refuse() -> NoReturn:
    raise DeniedError("no")


async def _never() -> AsyncIterator[int]:
    await trio.Event().wait()
    yield 0


class LyingServer:
    """Serves on a free port of a loopback address while it is entered.

    Attributes:
        store: what it serves, and what it lies about.
        address: where it is, without coffer and publishers.
    """

    def __init__(self, own: Identity | None = None) -> None:
        self.store = LyingStore()
        self._own = identity("server") if own is None else own
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def lies(self) -> Lies:
        """What it lies about now."""
        return self.store.lies

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_GUARD_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(_GUARD_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        trio.run(self._serve)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        keys = {hint(self._own.id()): self._own.box_secret()}
        with tempfile.TemporaryDirectory() as folder, trio.CancelScope() as self._scope:
            service = Service(
                store=self.store,
                responders={1: lambda: NoiseResponder(keys), 0: lambda: BoxResponder(self._own.plain_secret())},
                settings=Settings(),
                folder=Path(folder),
                now=lambda: time.time() + self.lies.clock_ahead_s,
            )
            listeners = await open_listeners([Host(name="127.0.0.1", port=0)])
            name, port = listeners[0].socket.getsockname()[:2]
            self.address = ServerAddress(server=self._own.id(), hosts=(Host(name=name, port=port),))
            self._ready.set()
            await serve(service, listeners, _never())
