"""What the companion remembers between its runs: the server, and of each coffer the newest release and who may make the next."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli
import tomlkit

from coffer_common import files, paths
from coffer_common.errors import MissingFileError, TextFileError
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id
from coffer_protocol.release.trust import Seen

from .errors import SettingsError

# A key is 64 digits, and a release names some hundreds of publishers at most.
_STATE_BYTES: Final = 1 << 20
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
    """Return the coffers on one server of which this publisher knows something.

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
        content = tomli.loads(files.read_text(path, remedy=_AGAIN))
    except MissingFileError:
        return None
    except TextFileError as error:
        raise SettingsError(str(error)) from None
    except tomli.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML ({error}): {_AGAIN}") from None
    match content:
        case {"server": str() as server, **others} if not others:
            return server
    raise SettingsError(f'{path} must hold `server = "coffer://…"` and nothing else: {_AGAIN}')


def remember_server(address: ServerAddress) -> Path:
    """Write the server to companion.toml, and return its path.

    Raises:
        ConfigurationError: this user has no home folder.
        OSError: it cannot be written.
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
class PublisherState:
    """What this publisher knows of one coffer on one server. All else that it needs, the server is asked for.

    Attributes:
        seen: the newest release that it has made or checked, or None before the first.
        signer: who signed it, a key of 32 bytes.
        publishers: the keys trusted from the release behind it on, or None where no release has named them yet.
        pending: a release that was signed and sent, and of which the server has not said what became of it.
    """

    seen: Seen | None = None
    signer: bytes | None = None
    publishers: frozenset[bytes] | None = None
    pending: Seen | None = None

    @classmethod
    def load(cls, path: Path) -> PublisherState:
        """Read it, or an empty one where there is no file.

        Raises:
            SettingsError: the file is damaged: to go on without it would let an old release pass for the newest.
        """
        try:
            content = json.loads(files.read_text(path, limit_bytes=_STATE_BYTES))
            publishers = content["publishers"]
            return cls(
                seen=_seen_from(content["seen"]),
                signer=None if content["signer"] is None else bytes.fromhex(content["signer"]),
                publishers=None if publishers is None else frozenset(bytes.fromhex(key) for key in publishers),
                pending=_seen_from(content["pending"]),
            )
        except MissingFileError:
            return cls()
        except (TextFileError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{path}: this publisher's memory of its releases cannot be read ({type(error).__name__}). Restore it from a backup, or, "
                "if the server is known to show its newest release, remove the file"
            ) from None

    def save(self, path: Path) -> None:
        """Write it, atomically, unless what is there is of a newer release: another command may have been faster.

        Raises:
            OSError: it cannot be written.
            SettingsError: what is there is damaged.
        """
        there = PublisherState.load(path).seen
        if there is not None and (self.seen is None or there.serial > self.seen.serial):
            return
        content = {
            "seen": _seen_to(self.seen),
            "signer": None if self.signer is None else self.signer.hex(),
            "publishers": None if self.publishers is None else sorted(key.hex() for key in self.publishers),
            "pending": _seen_to(self.pending),
        }
        _write(path, json.dumps(content))


def _seen_to(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {"serial": seen.serial, "signed_sha256": None if seen.signed_sha256 is None else seen.signed_sha256.hex()}


def _seen_from(content: dict[str, Any] | None) -> Seen | None:
    if content is None:
        return None
    digest = content["signed_sha256"]
    return Seen(serial=int(content["serial"]), signed_sha256=None if digest is None else bytes.fromhex(digest))


def parse_address(text: str, source: str) -> ServerAddress:
    """A server's address, with the place it came from in its error.

    Raises:
        KeyTextError: it is not one.
    """
    try:
        return ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"{source}: {error}") from None
