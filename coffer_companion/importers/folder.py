"""Read folders with a file for each secret."""

from __future__ import annotations

import os
from pathlib import Path

from coffer_protocol.limits import SHARD_BYTES

from ..errors import ImportingError
from .values import FromFile, Scalar


def read(folder: Path, *, definition: Path) -> dict[str, Scalar]:
    """The files of a directory, each under its name: text where it is UTF-8, else left in its file, which the definition names.

    Names that begin with a dot are left out, as a shell would: Kubernetes keeps its own links under such names.

    Args:
        folder: the directory.
        definition: the file that the values are meant for, which need not exist yet.

    Raises:
        ImportingError: the directory or a file cannot be read, or is not what it should be; or a file is larger than any shard.
    """
    values: dict[str, Scalar] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                raise ImportingError(f"{path} is not a file. Import a directory of files; directories inside it one by one.")
            with path.open("rb") as file:
                data = file.read(SHARD_BYTES + 1)
            if len(data) > SHARD_BYTES:
                raise ImportingError(f"{path} has more than {SHARD_BYTES} bytes, which no client can be given. Keep it elsewhere.")
            try:
                values[path.name] = data.decode()
            except UnicodeDecodeError:
                relative = os.path.relpath(os.path.realpath(path), os.path.realpath(definition.parent))
                values[path.name] = FromFile(path=Path(relative).as_posix())
    except OSError as error:
        raise ImportingError(f"{error.filename or folder} cannot be read ({error.strerror}). Check its name and its permissions.") from None
    return values
