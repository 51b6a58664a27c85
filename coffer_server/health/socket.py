"""Where a running server is asked for its health: a socket in its state folder, which only the folder's owner can reach.

There is no request: who connects is sent the answer, one line of JSON, and the end.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from ..errors import NotServingError
from ..logs import log, place_of
from .report import Health

NAME: Final = "health.sock"
# What the smallest system takes for a socket's path, in bytes, less the name and a process's number.
_FOLDER_BYTES: Final = 80
# A server that cannot say how it is in this time is not well. Its own answer takes two seconds and a read at most.
TIMEOUT_S: Final = 10.0
_RECEIVE_BYTES: Final = 64 << 10
# What a server of a hundred thousand coffers says of itself is a few of these.
_ANSWER_BYTES: Final = 16 << 20


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """The folder, by a name that is short enough."""
    if len(os.fsencode(folder)) <= _FOLDER_BYTES:
        yield folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@contextmanager
def listening(folder: Path) -> Iterator[trio.SocketListener | None]:
    """The socket of a server that serves from `folder`; it is removed where the context ends.

    None where there cannot be one, as in a folder that has become read-only, or where another server has it: the log says so, and the
    server serves all the same.
    """
    path = folder / NAME
    try:
        bound = _bind(folder)
    except OSError as error:
        log.warning("nobody can ask this server for its health", path=str(path), reason=error.strerror or str(error))
        yield None
        return
    with bound:
        made = path.stat().st_ino
        try:
            yield trio.SocketListener(trio.socket.from_stdlib_socket(bound))
        finally:
            with suppress(OSError):
                if path.stat().st_ino == made:
                    path.unlink()


def _bind(folder: Path) -> socket.socket:
    """A socket that listens in the folder, in the place of one that a server which was killed has left."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(folder) as short:
            # Under a name of its own first: the other is never there without somebody who listens.
            own = short / f"{NAME}.{os.getpid()}"
            own.unlink(missing_ok=True)
            bound.bind(str(own))
            try:
                own.chmod(0o600)
                bound.listen()
                if _is_answered(short / NAME):
                    raise OSError("another server that runs on this folder is asked")
                own.replace(short / NAME)
            except OSError:
                own.unlink(missing_ok=True)
                raise
    except OSError:
        bound.close()
        raise
    return bound


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        # Where others already wait for an answer in plenty, a connect that blocks would keep this server from its start for as long.
        other.setblocking(False)
        try:
            other.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


async def serve(listener: trio.SocketListener, examine: Callable[[], Awaitable[Health]]) -> None:
    """Answer whoever asks, until cancelled."""

    async def answer(stream: trio.SocketStream) -> None:
        try:
            with trio.move_on_after(TIMEOUT_S):
                await stream.send_all(f"{(await examine()).to_json()}\n".encode())
        except trio.BrokenResourceError:
            log.debug("who asked for the server's health is gone")
        except Exception as error:  # noqa: BLE001 (a fault here must not end the sessions)
            log.error("the server's health cannot be said", error=type(error).__name__, place=place_of(error))

    await trio.serve_listeners(answer, [listener])


def ask(folder: Path) -> Health:
    """What the server that runs on `folder` says of itself. Blocks, for `TIMEOUT_S` at most.

    Raises:
        NotServingError: none runs there, or it does not answer.
    """
    path = folder / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _short(folder) as short:
            answer = _ask(asking, short / NAME)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotServingError(f"no server runs on {folder}, or it could not make {path}; its log says which") from None
    except OSError as error:
        reason = f"not within {TIMEOUT_S:.0f} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise NotServingError(
            f"the server that runs on {folder} does not answer on {path}: {reason}; see its log, and restart it"
        ) from None
    return Health.from_json(answer.decode(errors="replace"))


def _ask(asking: socket.socket, path: Path) -> bytearray:
    deadline_s = time.monotonic() + TIMEOUT_S
    asking.settimeout(TIMEOUT_S)
    asking.connect(str(path))
    answer = bytearray()
    while data := asking.recv(_RECEIVE_BYTES):
        answer += data
        if len(answer) > _ANSWER_BYTES:
            raise OSError(f"it says more than {_ANSWER_BYTES >> 20} MiB")
        # A wait of its own for each piece would let one that dribbles go on for ever.
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        asking.settimeout(left_s)
    if not answer:
        raise OSError("it closes without an answer, for it is stopping, or at fault")
    return answer
