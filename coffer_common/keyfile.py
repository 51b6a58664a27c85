"""Identity files: made so that nobody else can read them, and refused where somebody can (docs/protocol.md, 1)."""

from __future__ import annotations

import os
import stat

from coffer_client.config.credential import Credential
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity, parse_client_file
from coffer_protocol.lean import TYPE_CHECKING

from . import files

if TYPE_CHECKING:
    from typing import Final, TypeAlias

Path: TypeAlias = str | os.PathLike[str]

# An identity file has about 2,400 bytes; what is larger was named by mistake.
_LIMIT_BYTES: Final = 1 << 16
# What the public half of an identity is called has it at its end.
PUBLIC_SUFFIX: Final = ".pub"


def create(path: Path, *, bare: bool = False) -> Identity:
    """Make a new identity, and write it with mode 0600 and its public half beside it, with `.pub` added.

    Missing folders are made for their owner alone. Nothing that exists is written over, and nothing is left behind on failure.

    Args:
        path: where the identity goes.
        bare: whether its owner goes by the plain NaCl key alone: what the files say follows from it.

    Raises:
        KeyTextError: a file of that name exists, or the files cannot be written; the text names which.
        UnavailableError: this machine's libraries have no ML-KEM-768, and the key is not bare.
    """
    credential = Credential(identity=Identity.generate(), bare=bare)
    secret_path = os.fspath(path)
    public_path = secret_path + PUBLIC_SUFFIX
    public_text, secret_text = f"{credential.public_text()}\n", credential.file_text()
    try:
        files.make_folders(os.path.dirname(secret_path))
        _write_new(secret_path, secret_text, 0o600)
        try:
            _write_new(public_path, public_text, 0o644)
        except OSError:
            os.unlink(secret_path)
            raise
    except FileExistsError as error:
        raise KeyTextError(f"{error.filename} exists already and stays as it is: name another path for a new identity") from None
    except OSError as error:
        raise KeyTextError(f"{error.filename or secret_path}: {error.strerror}: name a path that can be written") from None
    return credential.identity


def _write_new(path: str, text: str, mode: int) -> None:
    """Write a file that did not exist, and have it on the disk.

    Raises:
        OSError: it exists, or cannot be written; then it is not there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        os.unlink(path)
        raise


def read_credential(path: Path, *, bare: bool = False, is_systemds: bool = False, program: str = "coffer-client") -> Credential:
    """Read an identity file, and whether its owner goes by the bare key.

    Args:
        path: a file, or a pipe such as a shell's `<(…)`.
        bare: whether it is used by its bare key, also where the file does not say so.
        is_systemds: whether it stands where systemd puts a service's credentials. Where the service has a user of its own, such a file is
            root's, 0440, with an ACL for that user alone: its group's bit is the ACL's mask and lets no group in.
        program: whose `keygen` an error offers.

    Raises:
        KeyTextError: it is not there, others can use it, or it holds no identity. The text names the path and what to type.
    """
    try:
        # The permissions are those of what was opened, not of what stands under its name a moment later.
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise KeyTextError(f"there is no identity at {path}: `{program} keygen {path}` makes one") from None
    except OSError as error:
        raise KeyTextError(f"{path}: {error.strerror}: an identity is a file that its user can read") from None
    mode = stat.S_IMODE(status.st_mode)
    if is_systemds and status.st_uid == 0:
        mode &= ~stat.S_IRGRP
    try:
        if len(data) > _LIMIT_BYTES:
            raise KeyTextError("it is too large for an identity file")
        return Credential.from_text(data.decode(), mode=mode, bare=bare)
    except UnicodeDecodeError:
        raise KeyTextError(f"{path}: it is not text, so it is no identity file") from None
    except KeyTextError as error:
        # Said first of all: anybody may read this one, so its mode is not what is wrong.
        if _is_public(data):
            raise KeyTextError(f"{path}: this is the public half, and the identity itself is wanted: the file without .pub") from None
        raise KeyTextError(f"{path}: {error}") from None


def _is_public(data: bytes) -> bool:
    try:
        parse_client_file(data.decode())
    except (UnicodeDecodeError, KeyTextError):
        return False
    return True


def read(path: Path, *, program: str = "coffer-client") -> Identity:
    """The identity in a file, whichever of its keys its owner goes by. For arguments and errors see `read_credential`."""
    return read_credential(path, program=program).identity
