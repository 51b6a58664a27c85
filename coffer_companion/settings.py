"""What the companion remembers between its runs: the server, and of each coffer the newest release and who may make the next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli
import tomlkit

from coffer_common import paths
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import CofferError, KeyTextError
from coffer_protocol.release.trust import Seen


class SettingsError(CofferError):
    """A file of the companion's own cannot be read, or does not hold what it should."""


def remembered_server() -> str | None:
    """The server in companion.toml, or None where there is none.

    Raises:
        SettingsError: the file is there and cannot be read.
    """
    path = paths.settings_file()
    try:
        content = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}. `coffer-companion init ADDRESS` writes it anew") from None
    match content:
        case {"server": str() as server, **others} if not others:
            return server
    raise SettingsError(f'{path}: it must hold `server = "coffer://…"` and nothing else; `coffer-companion init ADDRESS` writes it anew')


def remember_server(address: ServerAddress) -> Path:
    """Write the server to companion.toml, and return its path.

    Raises:
        OSError: it cannot be written.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `coffer-companion init`: the server that uploads go to."))
    document.add("server", tomlkit.item(str(address)))
    path = paths.settings_file()
    paths.write_atomically(path, tomlkit.dumps(document).encode())
    return path


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
            content = json.loads(path.read_text(encoding="utf-8"))
            publishers = content["publishers"]
            return cls(
                seen=_seen_from(content["seen"]),
                signer=None if content["signer"] is None else bytes.fromhex(content["signer"]),
                publishers=None if publishers is None else frozenset(bytes.fromhex(key) for key in publishers),
                pending=_seen_from(content["pending"]),
            )
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
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
        paths.write_atomically(path, json.dumps(content).encode())


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
