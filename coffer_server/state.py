"""The state folder: everything that belongs to one server. Only the folder's owner may work on it."""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coffer_common import files, keyfile
from coffer_common.errors import MissingFileError
from coffer_protocol.identity import Identity

from . import config
from .config import Settings
from .errors import StateError
from .store.open import open_postgres, open_sqlite, postgres
from .store.sql.database import Database
from .store.sql.sqlite import Sqlite
from .store.sql_store import SqlStore

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class StateFolder:
    """A folder of mode 0700 with `identity`, `identity.pub`, `server.toml` and the database."""

    path: Path

    @property
    def identity_path(self) -> Path:
        """The path of the server's identity."""
        return self.path / "identity"

    @property
    def settings_path(self) -> Path:
        """The path of the server's settings."""
        return self.path / "server.toml"

    @property
    def database_path(self) -> Path:
        """The path of the SQLite database."""
        return self.path / "coffer.sqlite3"

    def create(self, settings: Settings, identity: Identity | None = None) -> Identity:
        """Create the folder and everything in it.

        Args:
            settings: the settings to write to server.toml.
            identity: the identity of other servers that share the database, or None for a new identity.

        Returns:
            The server's identity.

        Raises:
            StateError: if the folder is not empty, which changes nothing, or if it cannot be created.
            StoreError: if the database cannot be used.
        """
        if self.identity_path.exists():
            raise StateError(
                f"{self.path} is a server's state folder already", hint=f"see its address with: coffer-server id {self._quoted()}"
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            identity = self._begin(identity)
            self._open_store(settings, identity).close()
            # The file may hold a database URL with a password.
            files.replace(self.settings_path, config.render(settings).encode())
            # The identity gets its name last, because a folder that has one counts as a server's.
            files.move(self._unfinished_path, self.identity_path)
            keyfile.ensure_public(self.identity_path, identity.public_text())
        except OSError as error:
            raise StateError(f"cannot create {self.path}: {error.strerror}") from None
        return identity

    @property
    def _unfinished_path(self) -> Path:
        """The path of the identity while `create` is under way, or after it was killed."""
        return self.path / "identity.unfinished"

    def _begin(self, identity: Identity | None) -> Identity:
        """Keep the identity that the folder gets, before anything is sealed with it. The next `create` finishes one that was killed.

        Raises:
            StateError: if the folder holds something else.
            OSError: if the identity cannot be written.
        """
        if self._unfinished_path.exists():
            begun = read_identity(self._unfinished_path)
            if identity is None or identity == begun:
                return begun
            raise StateError(
                f"{self.path} was begun with another identity, and not finished: name another folder, or leave out --identity to finish it"
            )
        if any(not files.is_temporary(entry.name) for entry in self.path.iterdir()):
            raise StateError(f"{self.path} is not empty: name an empty folder, or one that does not exist yet")
        begun = identity or Identity.generate()
        files.create(self._unfinished_path, begun.file_text().encode())
        return begun

    def check(self, command: Sequence[str]) -> None:
        """Check that this is a state folder, that other users cannot access it, and that this process runs as its owner.

        Args:
            command: the arguments of `coffer-server`, for the command that the hint tells the owner to type.

        Raises:
            StateError: if one of the checks fails.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise StateError(
                f"cannot find {self.path} ({error.strerror})", hint=f"create it with: coffer-server init {self._quoted()}"
            ) from None
        # Root may not either: it would leave files that the owner's server cannot write.
        if status.st_uid != os.geteuid():
            raise StateError(
                f"{self.path} belongs to {_user_name(status.st_uid)}, and you are {_user_name(os.geteuid())}",
                hint=f"sudo -u {shlex.quote(_user_name(status.st_uid))} coffer-server {shlex.join(command)}",
            )
        if not self.identity_path.exists():
            raise StateError(f"{self.path} is not a server's state folder", hint=f"create one with: coffer-server init {self._quoted()}")
        if stat.S_IMODE(status.st_mode) & _OTHERS:
            raise StateError(
                f"other users can access {self.path} (mode {stat.S_IMODE(status.st_mode):04o})", hint=f"chmod 700 {self._quoted()}"
            )

    def identity(self) -> Identity:
        """Return the server's identity.

        Raises:
            KeyTextError: if the identity cannot be used.
        """
        identity = read_identity(self.identity_path)
        keyfile.ensure_public(self.identity_path, identity.public_text())
        return identity

    def settings(self) -> Settings:
        """Return the settings in server.toml, or the defaults if the file does not exist.

        Raises:
            SettingsError: if server.toml holds wrong settings.
            TextFileError: if server.toml cannot be read.
        """
        try:
            text = files.read_text(self.settings_path)
        except MissingFileError:
            return Settings()
        return config.parse(text, source=str(self.settings_path))

    @contextmanager
    def in_use(self, *, alone: bool = False) -> Iterator[None]:
        """Lock the folder: shared by the servers that run on it, or `alone` to replace the database.

        Raises:
            StateError: if another process holds a lock that excludes this one.
        """
        with self.identity_path.open("rb") as file:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                other = "by a server: stop it first" if alone else "by a restore: wait until it is done"
                raise StateError(f"{self.path} is in use {other}") from None
            yield

    def is_store_lost(self) -> bool:
        """Return whether the folder's SQLite database is missing.

        Raises:
            SettingsError, StateError: as for `settings`.
        """
        return self.settings().store is None and not self.database_path.exists()

    def store(self) -> SqlStore:
        """Open the store.

        Raises:
            SettingsError: if the settings or the database's URL cannot be used.
            StateError: if the identity or the settings cannot be read, or the database's driver is not installed.
            StoreError: if the database cannot be used.
        """
        return self._open_store(self.settings(), self.identity())

    def database(self) -> Database:
        """Open the store's database without creating or migrating it.

        Raises:
            SettingsError, StateError, StoreError: as for `store`.
        """
        url = self.settings().store
        return Sqlite(self.database_path) if url is None else postgres(url)

    def _open_store(self, settings: Settings, identity: Identity) -> SqlStore:
        key, cache_bytes = identity.at_rest_key(), settings.cache_bytes
        if settings.store is None:
            return open_sqlite(self.database_path, at_rest_key=key, cache_bytes=cache_bytes)
        return open_postgres(settings.store, at_rest_key=key, cache_bytes=cache_bytes)

    def _quoted(self) -> str:
        return shlex.quote(str(self.path))


def read_identity(path: Path) -> Identity:
    """Read a server's identity file. Errors are those of `keyfile.read`."""
    return keyfile.read(path, missing="restore it from a backup, because clients refuse this server without it")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # sudo names a user without a name like this.
        return f"#{uid}"
