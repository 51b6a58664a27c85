"""Where the companion keeps its files (XDG Base Directory Specification), and how it writes them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from coffer_protocol.identity import format_id


def _base(variable: str, default: str) -> Path:
    """The folder that an XDG variable names; the specification has relative paths ignored."""
    value = os.environ.get(variable, "")
    return (Path(value) if value.startswith("/") else Path.home() / default) / "coffer"


def config_folder() -> Path:
    """`$XDG_CONFIG_HOME/coffer`."""
    return _base("XDG_CONFIG_HOME", ".config")


def publisher_key() -> Path:
    """The publisher's identity file, where no other is named."""
    return config_folder() / "publisher.key"


def settings_file() -> Path:
    """`companion.toml`, which remembers the server."""
    return config_folder() / "companion.toml"


def _state_folder() -> Path:
    return _base("XDG_STATE_HOME", ".local/state") / "publisher"


def _state_suffix(server: bytes, publisher: bytes) -> str:
    return f"@{format_id(server)[:16]}.{format_id(publisher)[:16]}.json"


def state_file(*, server: bytes, coffer: str, publisher: bytes) -> Path:
    """What this publisher knows of one coffer on one server."""
    return _state_folder() / f"{coffer}{_state_suffix(server, publisher)}"


def known_coffers(*, server: bytes, publisher: bytes) -> tuple[str, ...]:
    """The coffers on one server of which this publisher knows something."""
    suffix = _state_suffix(server, publisher)
    return tuple(sorted(path.name.removesuffix(suffix) for path in _state_folder().glob(f"*{suffix}")))


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file, or leave it as it was: 0600, in a folder of 0700, on the disk before the old one is gone.

    Raises:
        OSError: it could not be written; the old file is untouched.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
