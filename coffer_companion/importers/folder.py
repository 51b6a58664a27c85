"""Reads folders with a file for each secret."""

from __future__ import annotations

import os
from pathlib import Path

from coffer_protocol.limits import SHARD_BYTES

from ..errors import ImportingError
from .values import FromFile, Scalar


def read(folder: Path, *, definition: Path) -> dict[str, Scalar]:
    """Return the content of each file of a folder under the file's name.

    A file that is not UTF-8 stays in its place, and the definition names it. Names that begin with a dot are left out, as in a shell:
    Kubernetes keeps its own links under such names.

    Args:
        folder: the folder.
        definition: the file that the values are for. It need not exist yet.

    Raises:
        ImportingError: the folder or a file cannot be read or is of another kind, or a file is larger than a shard.
    """
    values: dict[str, Scalar] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                raise ImportingError(f"{path} is not a file: import a folder of files, and the folders in it one by one")
            with path.open("rb") as file:
                data = file.read(SHARD_BYTES + 1)
            if len(data) > SHARD_BYTES:
                raise ImportingError(f"{path} has more than {SHARD_BYTES} bytes, which cannot be delivered: keep it elsewhere")
            try:
                values[path.name] = data.decode()
            except UnicodeDecodeError:
                # Not where the file's own link leads: Kubernetes replaces that folder.
                real = os.path.join(os.path.realpath(folder), path.name)
                relative = os.path.relpath(real, os.path.realpath(definition.parent))
                values[path.name] = FromFile(path=Path(relative).as_posix())
    except OSError as error:
        raise ImportingError(f"{error.filename or folder} cannot be read ({error.strerror}): check its name and its permissions") from None
    return values
