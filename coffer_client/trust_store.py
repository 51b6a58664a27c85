"""What this client remembers between its runs: the keys that it trusts, the newest release that it has accepted, and the sealed answer.

There is a set of files for each identity and address (the server's id and the coffer). Because of `.trust`, a release that goes back or
belongs to another history is refused (docs/protocol.md, 7). `.cache` is the OkGet, still sealed, for the case that no server answers; it
is verified at each use as strictly as on the first day. Both are written under one lock, never go back to an older release, and take a
newer one only if it was accepted under what they hold. If the address has several hosts, `.host` names the one that served last.
`.evidence` has the pairs of heads that show two histories, until a person has looked (`evidence_store`).
"""

from __future__ import annotations

import errno
import os

from coffer_common import files, paths
from coffer_protocol import cbor
from coffer_protocol.address import Host
from coffer_protocol.errors import DecodeError, ForkError
from coffer_protocol.identity import format_id
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.limits import MESSAGE_BYTES
from coffer_protocol.release.evidence import FORK, Evidence
from coffer_protocol.release.trust import Seen, Trust

from .errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, Self

    from .config.settings import Environment, Settings
    from .evidence_store import KeptEvidence

# The file holds a few keys of 32 bytes.
_TRUST_LIMIT_BYTES: Final = 1 << 20
# The file holds nine pairs of heads at most.
_EVIDENCE_LIMIT_BYTES: Final = 1 << 20
# The file holds a DNS name or an address, and a port.
_HOST_LIMIT_BYTES: Final = 1 << 10
_VERSION: Final = 1
# The cache says when its release was last fetched with this precision. An exact time would cost every fetch a write to the disk.
_REFRESH_S: Final = 60.0
_KEY_BYTES: Final = 32
# What it means if a file cannot be read or written.
_NO_TRUST: Final = "this client will not notice if the server goes back to an old release"
_NO_CACHE: Final = "there is no cache if no server answers"
_NO_EVIDENCE: Final = "nobody will hear of it after this run"


class Folders(Record):
    """The folders for the files.

    Attributes:
        state: the folder of the trust; None if there is no folder for it.
        cache: the folder of the cache; None if no cache is kept.
    """

    state: str | None
    cache: str | None


def find_folders(*, state: str | os.PathLike[str] | None, cache: bool, environment: Environment) -> Folders:
    """Return the named folder for both kinds of files, or `$XDG_STATE_HOME/coffer/client` and `$XDG_CACHE_HOME/coffer/client`.

    Args:
        state: a folder; None for the default folders.
        cache: whether a cache is kept.
        environment: the process's variables.

    Raises:
        ConfigurationError: as `paths.absolute`.
    """
    if state is not None:
        folder = paths.absolute(state, environment)
        return Folders(state=folder, cache=folder if cache else None)
    trust, cached = paths.find(paths.STATE, environment), paths.find(paths.CACHE, environment)
    return Folders(state=trust and os.path.join(trust, "client"), cache=os.path.join(cached, "client") if cached and cache else None)


class Cached(Record):
    """The body of an OkGet as it came, and when it was last fetched, in seconds since 1970."""

    body: bytes
    fetched_at: int


class _Record(Record):
    """The trust, and the address from which it grew. If the operator's address has other publishers or another serial, the address counts.

    Attributes:
        root: the publishers of that address.
        root_serial: the serial of that address; 0 if it had none.
        trust: the trust.
    """

    root: tuple[bytes, ...]
    root_serial: int
    trust: Trust

    def encode(self) -> bytes:
        trust, seen = self.trust, self.trust.seen
        assert seen is not None
        return cbor.encode(
            {
                "version": _VERSION,
                "coffer": trust.coffer,
                "root": self.root,
                "root_serial": self.root_serial,
                "publishers": trust.publishers,
                "servers": trust.servers,
                "hosts": trust.hosts,
                "serial": seen.serial,
                "signed_sha256": seen.signed_sha256,
                "issued": seen.issued,
                "signed": seen.signed,
                "signer": trust.signer,
                "latest": trust.latest,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the record that `encode` encoded.

        Raises:
            DecodeError: `encode` did not make these bytes.
            _OldRecordError: a Coffer from before the protocol was revised made it.
        """
        match cbor.decode(data):
            case {
                "version": version,
                "coffer": str() as coffer,
                "root": list() as root,
                "root_serial": int() as root_serial,
                "publishers": [_, *_] as publishers,
                "servers": (list() | None) as servers,
                "hosts": (list() | None) as hosts,
                "serial": int() as serial,
                "signed_sha256": bytes() as signed_sha256,
                "issued": int() as issued,
                "signed": (bytes() | None) as signed,
                "signer": bytes() as signer,
                "latest": int() as latest,
                **others,
            } if version == _VERSION and not others:
                trust = Trust(
                    coffer=coffer,
                    publishers=_keys(publishers),
                    servers=None if servers is None else _keys(servers),
                    hosts=None if hosts is None else tuple(map(str, hosts)),
                    seen=Seen(serial=serial, signed_sha256=signed_sha256, issued=issued, signed=signed),
                    signer=signer,
                    lowest=root_serial,
                    latest=latest,
                )
                return cls(root=_keys(root), root_serial=root_serial, trust=trust)
            case {"v": 1}:
                raise _OldRecordError
        raise DecodeError("not a state of this version")


class _OldRecordError(Exception):
    """The file is of a Coffer from before the protocol was revised."""


def _keys(values: list[cbor.Value]) -> tuple[bytes, ...]:
    keys = tuple(value for value in values if isinstance(value, bytes) and len(value) == _KEY_BYTES)
    if len(keys) != len(values):
        raise DecodeError("not a list of keys")
    return keys


class Memory:
    """The files of one address and identity.

    If one of them cannot be read or written, fetching goes on: `warn` is called once for each, and this process remembers in memory.
    """

    def __init__(self, wanted: Settings, folders: Folders, *, warn: Callable[[str], None]) -> None:
        """Make the paths. Nothing is read or written yet.

        Args:
            wanted: the address and the identity.
            folders: the folders for the files.
            warn: called with a warning for people.
        """
        self._address = wanted.address
        self._root = wanted.address.publishers
        self._warn = warn
        # Both ids in full: an attacker can choose an id that begins alike, and must not share the file.
        name = f"{wanted.trust.coffer}@{format_id(wanted.address.server)}.{wanted.credential.id_text()}"
        self._trust_path, self._lock_path, self._host_path, self._evidence_path = (
            os.path.join(folders.state, f"{name}.{kind}") if folders.state is not None else None
            for kind in ("trust", "lock", "host", "evidence")
        )
        self._cache_path = os.path.join(folders.cache, f"{name}.cache") if folders.cache is not None else None
        self._initial = wanted.trust
        # What this process has accepted but could not write to the files.
        self._unwritten: Trust | None = None
        # The host that served last in this process.
        self._last_host: str | None = None
        # The evidence that could not be written.
        self._unwritten_evidence: tuple[KeptEvidence, ...] = ()
        # The evidence that this process has warned of.
        self._told: tuple[KeptEvidence, ...] = ()
        # The losses that this process has warned of.
        self._warned: set[str] = set()

    def recall(self) -> Trust:
        """Return the trust, from which the demands of the next release follow: the remembered one, or otherwise that of the address.

        The remembered trust may be older than the serial in the address. Then the missed heads begin after that trust's release, and the
        address's serial is demanded too.

        Raises:
            StateError: the file is damaged. Without it, an old release could pass for the newest.
        """
        try:
            record = self._read()
        except OSError as error:
            self._give_up(error)
            record = None
        return self._known(record)

    def _known(self, record: _Record | None) -> Trust:
        """Return what is known, given what the file holds: None if it holds nothing or cannot be read."""
        # If another process has written a newer release since, the files know more than this process did when its write failed.
        if self._unwritten is not None and (record is None or _serial(record.trust) < _serial(self._unwritten)):
            return self._unwritten
        if record is None:
            return self._initial
        trust = record.trust
        if (set(record.root), record.root_serial) == (set(self._root), self._address.serial):
            return trust
        # The address names other publishers or another serial now, and the operator's address is what counts. If it does not name the key
        # that signed what was seen, that key may be a thief's: nothing that it has said holds the client back, not even its serial.
        if trust.signer not in self._root:
            return self._initial
        from dataclasses import replace

        # If the address starts at a release that this client has not seen, nothing else counts: the heads up to there may be signed by
        # publishers that the address does not name, so this client could not follow them.
        if _serial(trust) < self._address.serial:
            return replace(self._initial, latest=trust.latest)
        return replace(trust, publishers=self._initial.publishers, servers=None, hosts=None, lowest=self._initial.lowest)

    def hosts(self, trust: Trust) -> tuple[Host, ...]:
        """Return the server's hosts: first the one that served last, then those that heads have named, then the address's.

        Args:
            trust: the result of `recall`.
        """
        hosts = self._address.hosts
        if trust.hosts is not None:
            hosts = tuple(dict.fromkeys((*map(Host.from_text, trust.hosts), *hosts)))
        if len(hosts) == 1:
            return hosts
        last = self._last_host or self._read_host()
        return tuple(sorted(hosts, key=lambda host: str(host) != last))

    def _read_host(self) -> str:
        try:
            data = files.read(self._host_path, limit_bytes=_HOST_LIMIT_BYTES) if self._host_path is not None else None
        except OSError:
            data = None
        # A text that is not, or no longer, a host of the address has no effect.
        return (data or b"").decode(errors="replace").strip()

    def _write_host(self, host: Host) -> None:
        assert self._host_path is not None
        try:
            files.replace(self._host_path, f"{host}\n".encode())
        except OSError:
            # The file only saves time.
            return

    def record(self, trust: Trust, body: bytes, *, under: Trust, host: Host, now: float, restarts: Sequence[Evidence] = ()) -> bool:
        """Remember a release that has been accepted, and the host that served it.

        If another process has remembered a newer release in the meantime, that one is kept.

        Args:
            trust: the trust that follows from the release (`Trust.after`).
            body: the body of the OkGet.
            under: the trust that `recall` returned and under which the release was accepted.
            host: the host that it came from.
            now: seconds since 1970.
            restarts: the restarts on the way to that release, which are kept as evidence.

        Returns:
            Whether this is done. If not, nothing was remembered: another process has remembered a release since `under`, and this one is
            not older. What that release says about publishers may forbid this one, so recall the trust and accept again.

        Raises:
            ForkError: another process was given a different release with the same serial.
            StateError: the file is damaged.
        """
        is_other_host = host != self.hosts(under)[0]
        self._last_host = str(host)
        try:
            if self._trust_path is None or self._lock_path is None:
                raise FileNotFoundError("this user has no home folder")
            with files.Lock(self._lock_path):
                if is_other_host:
                    self._write_host(host)
                old = self._read()
                if _has_gone_on(known := self._known(old), since=under):
                    return _is_overtaken(trust, by=known)
                record = _Record(root=self._root, root_serial=self._address.serial, trust=trust)
                is_written = self._write(
                    None if record == old else record.encode(),
                    self._add_evidence(restarts, host, now),
                    self._refreshed(Cached(body=body, fetched_at=int(now))),
                )
                self._unwritten = None if is_written else trust
        except OSError as error:
            self._give_up(error)
            if _has_gone_on(known := self.recall(), since=under):
                return _is_overtaken(trust, by=known)
            self._unwritten = trust
            self._add_evidence(restarts, host, now)
        return True

    def _write(self, trust: bytes | None, evidence: bytes | None, cache: bytes | None) -> bool:
        """Write those files that are given, and return whether the trust is written, or need not be.

        If the disk is nearly full, what keeps this client safe is the first that gets room: the trust, then evidence, then the cache. They
        get their names in the opposite order. A client that is killed between two of them then has a cache that is newer than its trust;
        one that is older would be refused. And it will see a restart once more, rather than never tell of it.
        """
        new_trust = self._stage(self._trust_path, trust, _NO_TRUST)
        new_evidence = self._stage(self._evidence_path, evidence, _NO_EVIDENCE)
        new_cache = self._stage(self._cache_path, cache, _NO_CACHE)
        if self._move(new_evidence, self._evidence_path, _NO_EVIDENCE):
            self._unwritten_evidence = ()
        self._move(new_cache, self._cache_path, _NO_CACHE)
        return self._move(new_trust, self._trust_path, _NO_TRUST) or trust is None

    def _stage(self, path: str | None, data: bytes | None, loss: str) -> str | None:
        """Write `data` to a new file for `path`, and return its name; None if there is nothing to write, or it cannot be written."""
        if path is None or data is None:
            return None
        try:
            files.make_folders(os.path.dirname(path))
            return files.stage(path, data)
        except OSError as error:
            self._warn_of(path, "written", error, loss)
        return None

    def _move(self, new: str | None, path: str | None, loss: str) -> bool:
        """Give a file that was staged its name, and return whether it has it."""
        if path is None or new is None:
            return False
        try:
            files.move(new, path)
        except OSError as error:
            self._warn_of(path, "written", error, loss)
            return False
        return True

    def _refreshed(self, new: Cached) -> bytes | None:
        """Return the new content of the cache; None if it can stay as it is, or none is kept."""
        if self._cache_path is None:
            return None
        old = self.cached()
        if old is not None and old.body == new.body and 0 <= new.fetched_at - old.fetched_at < _REFRESH_S:
            return None
        return cbor.encode({"version": _VERSION, "fetched_at": new.fetched_at, "body": new.body})

    def cached(self) -> Cached | None:
        """Return the last answer, unverified; None if no answer can be read."""
        try:
            data = files.read(self._cache_path, limit_bytes=2 * MESSAGE_BYTES) if self._cache_path is not None else None
            content = cbor.decode(data) if data is not None else None
        except (OSError, DecodeError):
            return None
        match content:
            case {"version": version, "fetched_at": int() as at, "body": bytes() as body, **others} if version == _VERSION and not others:
                return Cached(body=body, fetched_at=at)
        return None

    def evidence(self) -> tuple[KeptEvidence, ...]:
        """Return the evidence that nobody has acknowledged yet, the oldest first.

        Raises:
            StateError: the file is damaged.
        """
        written = self._written_evidence()
        if not self._unwritten_evidence:
            return written
        from . import evidence_store

        return evidence_store.joined(written, self._unwritten_evidence)

    def untold_evidence(self) -> str | None:
        """Return a warning about the evidence that is kept; None if nothing is kept, or this process has warned of it already."""
        try:
            kept = self.evidence()
        except StateError as error:
            return f"{error}\nhint: {error.hint}"
        if not kept or kept == self._told:
            return None
        from . import evidence_store

        self._told = kept
        return evidence_store.tell(kept)

    def _written_evidence(self) -> tuple[KeptEvidence, ...]:
        path = self._evidence_path
        if path is None:
            return ()
        try:
            data = files.read(path, limit_bytes=_EVIDENCE_LIMIT_BYTES)
        except NotADirectoryError:
            data = None
        except OSError as error:
            self._warn_of(path, "read", error, "nobody is told of the evidence in it")
            return ()
        if data is None:
            # So it is at most clients, and the module that parses evidence is not loaded.
            return ()
        from . import evidence_store

        return evidence_store.decode(data, path)

    def keep_evidence(self, new: Evidence, *, host: Host, now: float) -> None:
        """Keep two heads, of which a server has shown the second one in an answer that was refused, until a person has looked at them.

        Args:
            new: the two heads.
            host: the host that has shown the second one.
            now: seconds since 1970.
        """
        try:
            if self._lock_path is None:
                raise FileNotFoundError("this user has no home folder")
            with files.Lock(self._lock_path):
                self._write(None, self._add_evidence((new,), host, now), None)
        except OSError as error:
            self._add_evidence((new,), host, now)
            self._warn_of(self._evidence_path or "the evidence", "written", error, _NO_EVIDENCE)

    def _add_evidence(self, new: Sequence[Evidence], host: Host, now: float) -> bytes | None:
        """Let this process remember evidence, and return the new content of the file: None if it stays as it is."""
        if not new and not self._unwritten_evidence:
            return None
        from . import evidence_store

        pieces = [evidence_store.KeptEvidence(evidence=each, seen_at=int(now), host=host) for each in new]
        self._unwritten_evidence = evidence_store.joined(self._unwritten_evidence, pieces)
        try:
            written = self._written_evidence()
        except StateError:
            # A person may want to look at the damaged file.
            return None
        kept = evidence_store.joined(written, self._unwritten_evidence)
        return None if kept == written else evidence_store.encode(kept)

    def clear_evidence(self) -> bool:
        """Remove the evidence, which a person has looked at, and return whether there was any.

        Raises:
            OSError: the file cannot be removed.
        """
        unwritten, self._unwritten_evidence = self._unwritten_evidence, ()
        if self._lock_path is None or self._evidence_path is None or not os.path.exists(self._evidence_path):
            return bool(unwritten)
        with files.Lock(self._lock_path):
            return files.remove(self._evidence_path)

    def forget(self) -> bool:
        """Remove trust, cache and host, and return whether there was anything. Evidence stays until a person has looked at it.

        Raises:
            OSError: a file cannot be removed.
        """
        paths = [path for path in (self._trust_path, self._cache_path, self._host_path) if path is not None]
        # If nothing was ever kept, there is no folder for the lock, and this makes none.
        if self._lock_path is None or not any(map(os.path.exists, paths)):
            return False
        with files.Lock(self._lock_path):
            removed = [files.remove(path) for path in paths]
        return any(removed)

    def _read(self) -> _Record | None:
        data = files.read(self._trust_path, limit_bytes=_TRUST_LIMIT_BYTES) if self._trust_path is not None else None
        if data is None:
            return None
        try:
            return _Record.decode(data)
        except _OldRecordError:
            raise StateError(
                f"{self._trust_path}: this was written before Coffer's protocol was revised, and cannot be used any more",
                hint="ask your operator for the address of the new server, and type: coffer-client trust reset",
            ) from None
        except DecodeError:
            raise StateError(
                f"{self._trust_path}: what this client remembers of its releases is damaged",
                hint="restore the file from a backup; or, if you know that the server gives its newest release, type: "
                "coffer-client trust reset",
            ) from None

    def _give_up(self, error: OSError) -> None:
        """Warn of everything that is not kept if the folder of the trust cannot be used."""
        if self._trust_path is None:
            self._warn_once(_NO_TRUST, f"this user has no home folder, so {_NO_TRUST}, and {_NO_CACHE}: name a folder with --state DIR")
            return
        self._warn_of(self._trust_path, "used", error, _NO_TRUST)
        if self._cache_path is not None:
            self._warn_of(self._cache_path, "written", error, _NO_CACHE)

    def _warn_of(self, path: str, what: str, error: OSError, loss: str) -> None:
        """Warn that a file cannot be used, once for each loss.

        Args:
            path: the file that this is about.
            what: what cannot be done with it.
            error: what the system says, perhaps about another file that is needed first.
            loss: what that means.
        """
        reason = error.strerror or str(error)
        if error.filename is not None and os.fspath(error.filename) != path:
            reason = f"{os.fspath(error.filename)}: {reason}"
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space on that disk" if is_full else "name a folder that can be written with --state DIR"
        self._warn_once(loss, f"{path} cannot be {what} ({reason}), so {loss}: {remedy}")

    def _warn_once(self, loss: str, message: str) -> None:
        if loss not in self._warned:
            self._warned.add(loss)
            self._warn(message)


def _serial(trust: Trust) -> int:
    return trust.seen.serial if trust.seen is not None else 0


def _has_gone_on(known: Trust, *, since: Trust) -> bool:
    """Return whether another release has been accepted since."""
    return known.seen is not None and known.seen != since.seen


def _is_overtaken(trust: Trust, *, by: Trust) -> bool:
    """Return whether a release that was accepted is older than the newest known one.

    Raises:
        ForkError: the two are different releases with the same serial.
    """
    if _serial(trust) == _serial(by) and trust.seen != by.seen:
        from coffer_protocol.release.chain import ADVICE

        assert trust.seen is not None
        assert by.seen is not None
        error = ForkError(
            f"two processes of this client were given two different releases with the serial {_serial(by)}",
            hint=ADVICE,
        )
        shown = trust.seen.signed
        raise error.with_evidence(None if shown is None else Evidence(kind=FORK, known=by.seen.signed, shown=shown))
    return _serial(trust) < _serial(by)


def describe(trust: Trust) -> str:
    """Return a trust as lines for people and scripts: a word and its value."""
    seen = trust.seen
    if seen is not None:
        newest = f"{seen.serial} {seen.signed_sha256.hex()}"
    else:
        newest = f"none; the address demands {trust.lowest} or later" if trust.lowest else "none"
    lines = [f"coffer {trust.coffer}", f"release {newest}"]
    lines += [f"publisher {format_id(key)}" for key in trust.publishers]
    lines += [f"server {format_id(server)}" for server in trust.servers or ()]
    lines += [f"host {host}" for host in trust.hosts or ()]
    return "".join(f"{line}\n" for line in lines)


def as_json(trust: Trust) -> dict[str, object]:
    """Return a trust for a JSON document."""
    seen = trust.seen
    return {
        "coffer": trust.coffer,
        "release": None if seen is None else {"serial": seen.serial, "signed_sha256": seen.signed_sha256.hex()},
        "lowest": trust.lowest,
        "publishers": list(map(format_id, trust.publishers)),
        "servers": list(map(format_id, trust.servers or ())),
        "hosts": list(trust.hosts or ()),
    }
