"""The state folder: all that a server has. Its owner, and nobody else, works on it."""

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

from coffer_protocol.identity import Identity

from . import config, keyfile
from .config import Settings
from .errors import StateError
from .store.open import open_postgres, open_sqlite, postgres
from .store.sql.database import Database
from .store.sql.sqlite import Sqlite
from .store.sql_store import SqlStore

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class StateFolder:
    """`identity`, `identity.pub`, `server.toml` and the database, in one folder of mode 0700."""

    path: Path

    @property
    def identity_path(self) -> Path:
        """The server's seed."""
        return self.path / "identity"

    @property
    def settings_path(self) -> Path:
        """The server's settings."""
        return self.path / "server.toml"

    @property
    def database_path(self) -> Path:
        """The SQLite database."""
        return self.path / "coffer.sqlite3"

    def create(self, settings: Settings, identity: Identity | None = None) -> Identity:
        """Make the folder and everything in it.

        Args:
            settings: what server.toml is to say.
            identity: that of other servers which share the database, or None for a new one.

        Returns:
            The server's identity.

        Raises:
            StateError: the folder holds something already. Nothing is changed.
            StoreError: the database cannot be used.
        """
        if self.identity_path.exists():
            raise StateError(f"{self.path} is a server's state folder already; see its address:\n  coffer-server id {self._quoted()}")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise StateError(f"{self.path} is not empty: name a folder that is, or one that does not exist yet")
            self.path.chmod(0o700)
            identity = identity or Identity.generate()
            self._open_store(settings, identity).close()
            # A URL has a password.
            self.settings_path.touch(mode=0o600)
            self.settings_path.write_text(config.render(settings), encoding="utf-8")
            # Last, for it is what makes a folder a server's.
            keyfile.create(self.identity_path, identity)
        except OSError as error:
            raise StateError(f"{self.path} cannot be made: {error.strerror}") from None
        return identity

    def check(self, command: Sequence[str]) -> None:
        """See that this is a state folder, that nobody else can look into it, and that its owner is at work.

        Args:
            command: the arguments of `coffer-server`, for the line that the right user would type.

        Raises:
            StateError: one of these is not so.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise StateError(f"{self.path} is not there ({error.strerror}); make it:\n  coffer-server init {self._quoted()}") from None
        # Not even root may: it would leave files that the owner's server cannot write.
        if status.st_uid != os.geteuid():
            raise StateError(
                f"{self.path} belongs to {_user_name(status.st_uid)}, and this is {_user_name(os.geteuid())}:\n"
                f"  sudo -u {shlex.quote(_user_name(status.st_uid))} coffer-server {shlex.join(command)}"
            )
        if not self.identity_path.exists():
            raise StateError(f"{self.path} is not a server's state folder; make one:\n  coffer-server init {self._quoted()}")
        if stat.S_IMODE(status.st_mode) & _OTHERS:
            raise StateError(f"others can look into {self.path} (mode {stat.S_IMODE(status.st_mode):04o}):\n  chmod 700 {self._quoted()}")

    def identity(self) -> Identity:
        """The server's identity.

        Raises:
            StateError: it cannot be used.
        """
        return keyfile.read(self.identity_path)

    def settings(self) -> Settings:
        """What server.toml says; the defaults where it is not there.

        Raises:
            SettingsError: it cannot be used.
            StateError: it cannot be read.
        """
        try:
            text = self.settings_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self.settings_path} cannot be read: {error}") from None
        return config.parse(text, source=str(self.settings_path))

    @contextmanager
    def in_use(self, *, alone: bool = False) -> Iterator[None]:
        """Hold the folder as one that serves from it, or `alone`, as one that puts another database there.

        Raises:
            StateError: another process holds it so that this cannot be.
        """
        with self.identity_path.open("rb") as file:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                other = "a server runs on it: stop that first" if alone else "a backup is being restored into it: wait until that is done"
                raise StateError(f"{self.path} is in use: {other}") from None
            yield

    def is_store_lost(self) -> bool:
        """Whether the database that belongs into the folder is not there.

        Raises:
            SettingsError, StateError: as `settings`.
        """
        return self.settings().store is None and not self.database_path.exists()

    def store(self) -> SqlStore:
        """The store, opened.

        Raises:
            SettingsError: the settings, or the database's URL, cannot be used.
            StateError: the identity or the settings cannot be read, or the database's driver is not installed.
            StoreError: the database cannot be used.
        """
        return self._open_store(self.settings(), self.identity())

    def database(self) -> Database:
        """The store's database, as it is: neither made nor brought to this version.

        Raises:
            SettingsError, StateError, StoreError: as `store`.
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


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # As sudo wants a user without a name.
        return f"#{uid}"
