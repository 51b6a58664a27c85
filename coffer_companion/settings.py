"""What the companion remembers between its runs: the server and, for each coffer, the newest release and the trusted publishers."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import tomli
import tomlkit

from coffer_common import documents, files, paths
from coffer_common.errors import MissingFileError, TextFileError
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id
from coffer_protocol.release.trust import Seen, Trust

from .errors import SettingsError, StateFileError

# A publisher is some 3000 characters, and a coffer has some hundreds of them at most.
_STATE_BYTES: Final = 1 << 22
_SETTINGS: Final = "companion.toml"
_AGAIN: Final = "`coffer-companion init ADDRESS` writes it again"


def publisher_key() -> Path:
    """Return the path of the publisher's identity file, if no other is named.

    Raises:
        ConfigurationError: this user has no home folder.
    """
    folder = paths.require(paths.CONFIG, os.environ, otherwise="name the publisher's identity with --identity PATH")
    return Path(folder, "publisher.key")


def state_file(*, server: bytes, coffer: str, publisher: bytes) -> Path:
    """Return the path of what this publisher knows of one coffer on one server.

    Raises:
        ConfigurationError: this user has no home folder.
    """
    return _state_folder() / f"{coffer}{_state_suffix(server, publisher)}"


def known_coffers(*, server: bytes, publisher: bytes) -> tuple[str, ...]:
    """Return the coffers on one server for which this publisher has a state file.

    Raises:
        ConfigurationError: this user has no home folder.
    """
    suffix = _state_suffix(server, publisher)
    return tuple(sorted(path.name.removesuffix(suffix) for path in _state_folder().glob(f"*{suffix}")))


def _state_folder() -> Path:
    otherwise = "publish as a user that has one: a publisher must not forget which releases it has signed"
    return Path(paths.require(paths.STATE, os.environ, otherwise=otherwise), "publisher")


def _state_suffix(server: bytes, publisher: bytes) -> str:
    return f"@{format_id(server)[:16]}.{format_id(publisher)[:16]}.json"


def settings_file() -> Path | None:
    """Return the path of companion.toml, which remembers the server; None if this user has no home folder."""
    folder = paths.find(paths.CONFIG, os.environ)
    return None if folder is None else Path(folder, _SETTINGS)


def remembered_server() -> str | None:
    """Return the server in companion.toml; None if there is no such file.

    Raises:
        SettingsError: the file exists and cannot be used.
    """
    path = settings_file()
    if path is None:
        return None
    try:
        content = documents.parse_toml(files.read_text(path, remedy=_AGAIN), str(path), loads=tomli.loads, remedy=_AGAIN)
    except MissingFileError:
        return None
    except TextFileError as error:
        raise SettingsError(str(error)) from None
    match content:
        case {"server": str() as server, **others} if not others:
            return server
    raise SettingsError(f'{path} must hold `server = "coffer://…"` and nothing else: {_AGAIN}')


def remember_server(address: ServerAddress) -> Path:
    """Write the server to companion.toml, and return its path.

    Raises:
        ConfigurationError: this user has no home folder.
        OSError: the file cannot be written.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `coffer-companion init`: the server that uploads go to."))
    document.add("server", tomlkit.item(str(address)))
    folder = paths.require(paths.CONFIG, os.environ, otherwise="name the server with --server ADDRESS or COFFER_SERVER")
    path = Path(folder, _SETTINGS)
    _write(path, tomlkit.dumps(document))
    return path


def _write(path: Path, text: str) -> None:
    files.make_folders(path.parent)
    files.replace(path, text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRelease:
    """A release that was signed here, and of which it is not known that it became the coffer's.

    Attributes:
        serial: its serial.
        sha256: the hash of its *signed*, 32 bytes.
        is_spent: whether another release has been accepted in its place. Then no server may show this one.
    """

    serial: int
    sha256: bytes
    is_spent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPublisher:
    """A publisher in the coffer's tree: its name, which may be empty, and the body of its public key text."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNoteKeys:
    """The coffer's note keys, which this publisher keeps for the case that the server loses them.

    Attributes:
        sha256: the hash of the blob of this publisher's own shard that held them, 32 bytes.
        sealed: the same shard, sealed to this publisher.
    """

    sha256: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherState:
    """What this publisher knows of one coffer on one server. It asks the server for everything else.

    Attributes:
        seen: the newest release that it has made or checked, or None before the first.
        signer: the publisher of that release, a key of 32 bytes.
        publishers: the keys trusted from the next release on, or None if no release has named them yet.
        servers: the ids under which the server may answer, or None if no release has named any.
        hosts: the hosts that reach the server, or None if no release has named any.
        latest: the highest `issued` that was ever accepted, in seconds since 1970.
        signed: the releases that were signed here, and of which it is not known that they became the coffer's.
        tree: the publishers in the tree of the last release that was made here.
        note_keys: the coffer's note keys, sealed to this publisher; None before they were first read or made.
    """

    seen: Seen | None = None
    signer: bytes | None = None
    publishers: frozenset[bytes] | None = None
    servers: tuple[bytes, ...] | None = None
    hosts: tuple[str, ...] | None = None
    latest: int = 0
    signed: tuple[SignedRelease, ...] = ()
    tree: tuple[KnownPublisher, ...] = ()
    note_keys: KeptNoteKeys | None = None

    @property
    def highest_serial(self) -> int:
        """The highest serial of all releases that were seen or signed here; 0 if there was none."""
        return max((0 if self.seen is None else self.seen.serial, *(release.serial for release in self.signed)))

    @property
    def pending(self) -> tuple[SignedRelease, ...]:
        """The releases that were signed here and may still become the newest."""
        return tuple(release for release in self.signed if not release.is_spent)

    def following(self, trust: Trust, accepted: Collection[bytes], *, is_named: bool) -> PublisherState:
        """Return the state after a release has been accepted.

        Args:
            trust: the trust that follows from the release.
            accepted: the hashes of that release and of those before it that were accepted with it.
            is_named: whether a release has named the publishers.
        """
        assert trust.seen is not None
        # A release that was accepted is no longer pending. One that is not above the newest can no longer become a release.
        left = (
            replace(release, is_spent=release.is_spent or release.serial <= trust.seen.serial)
            for release in self.signed
            if release.sha256 not in accepted
        )
        return replace(
            self,
            seen=trust.seen,
            signer=trust.signer,
            publishers=frozenset(trust.publishers) if is_named else self.publishers,
            servers=trust.servers,
            hosts=trust.hosts,
            latest=trust.latest,
            signed=tuple(left),
        )

    @classmethod
    def load(cls, path: Path) -> PublisherState:
        """Read the state, or return an empty one if there is no file.

        Raises:
            SettingsError: the file is damaged, or was written before the protocol was revised. To go on without it would let an old release
                pass for the newest.
        """
        try:
            content = documents.parse_json(files.read_text(path, limit_bytes=_STATE_BYTES), str(path))
            if isinstance(content, dict) and "version" not in content:
                raise SettingsError(
                    f"{path}: this was written before Coffer's protocol was revised, and cannot be used any more",
                    hint=f"remove it: rm {shlex.quote(str(path))}\nOnce the server was made again, its operator lets this publisher in "
                    "with the text that `coffer-companion id --text` prints:\n  coffer-server publisher add DIR COFFER TEXT\n"
                    "Then upload: coffer-companion upload FILE",
                )
            if content["version"] != _VERSION:
                raise SettingsError(f"{path}: this was written by another version of Coffer: install that version, or a newer one")
            publishers, servers, hosts = content["publishers"], content["servers"], content["hosts"]
            return cls(
                seen=_seen_from(content["seen"]),
                signer=None if content["signer"] is None else bytes.fromhex(content["signer"]),
                publishers=None if publishers is None else frozenset(map(bytes.fromhex, publishers)),
                servers=None if servers is None else tuple(map(bytes.fromhex, servers)),
                hosts=None if hosts is None else tuple(map(str, hosts)),
                latest=int(content["latest"]),
                signed=tuple(
                    SignedRelease(serial=int(item["serial"]), sha256=bytes.fromhex(item["sha256"]), is_spent=bool(item["spent"]))
                    for item in content["signed"]
                ),
                tree=tuple(KnownPublisher(name=str(item["name"]), body=bytes.fromhex(item["body"])) for item in content["tree"]),
                note_keys=_note_keys_from(content["note_keys"]),
            )
        except MissingFileError:
            return cls()
        except (TextFileError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{path}: this publisher's memory of its releases cannot be read ({type(error).__name__})",
                hint="restore it from a backup; or, if the server is known to show its newest release, remove the file",
            ) from None

    def _save(self, path: Path) -> None:
        content = {
            "version": _VERSION,
            "seen": _seen_to(self.seen),
            "signer": None if self.signer is None else self.signer.hex(),
            "publishers": None if self.publishers is None else sorted(key.hex() for key in self.publishers),
            "servers": None if self.servers is None else [server.hex() for server in self.servers],
            "hosts": None if self.hosts is None else list(self.hosts),
            "latest": self.latest,
            "signed": [{"serial": item.serial, "sha256": item.sha256.hex(), "spent": item.is_spent} for item in self.signed],
            "tree": [{"name": item.name, "body": item.body.hex()} for item in self.tree],
            "note_keys": None if (kept := self.note_keys) is None else {"sha256": kept.sha256.hex(), "sealed": kept.sealed.hex()},
        }
        _write(path, json.dumps(content))

    @classmethod
    def update(cls, path: Path, change: Callable[[PublisherState], PublisherState]) -> PublisherState:
        """Change the state in its file, and return the new state. Other commands of this publisher wait meanwhile.

        Args:
            path: the file.
            change: called with the state in the file. It returns the new state.

        Raises:
            StateFileError: the file cannot be written.
            SettingsError: the file is damaged.
        """
        try:
            with files.Lock(f"{path}.lock"):
                before = cls.load(path)
                after = change(before)
                if after != before:
                    after._save(path)
        except OSError as error:
            raise StateFileError(
                f"{error.filename or path}: this publisher's memory of its releases cannot be written ({error.strerror})",
                hint="nothing was changed. Make room on that disk, or let this user write there, then type the same command again",
            ) from None
        return after


_VERSION: Final = 1


def _seen_to(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    signed = None if seen.signed is None else seen.signed.hex()
    return {"serial": seen.serial, "sha256": seen.signed_sha256.hex(), "issued": seen.issued, "signed": signed}


def _seen_from(content: dict[str, Any] | None) -> Seen | None:
    if content is None:
        return None
    signed = content["signed"]
    return Seen(
        serial=int(content["serial"]),
        signed_sha256=bytes.fromhex(content["sha256"]),
        issued=int(content["issued"]),
        signed=None if signed is None else bytes.fromhex(signed),
    )


def _note_keys_from(content: dict[str, str] | None) -> KeptNoteKeys | None:
    if content is None:
        return None
    return KeptNoteKeys(sha256=bytes.fromhex(content["sha256"]), sealed=bytes.fromhex(content["sealed"]))


def parse_address(text: str, source: str) -> ServerAddress:
    """Parse a server's address. The error names the place that it comes from.

    Raises:
        KeyTextError: the text is not an address.
    """
    try:
        return ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"{source}: {error}") from None
