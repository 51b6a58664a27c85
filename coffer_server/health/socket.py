"""The health socket of a running server: a Unix socket in its state folder, which only the folder's owner can reach.

There is no request. The server sends each connection its report, one line of JSON, and closes it.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import trio

from ..errors import NotServingError
from ..logs import log, place_of
from .report import Health

NAME: Final = "health.sock"
# The longest folder: the shortest limit of any system for a socket's path, less the socket's name and a process id.
_FOLDER_BYTES: Final = 80
# A server that does not answer in this time is not healthy: its answer takes two seconds and one read at most.
TIMEOUT_S: Final = 10.0
# How soon a connection is tried again that found no descriptor.
_RETRY_S: Final = 0.1
_RECEIVE_BYTES: Final = 64 << 10
# The report of a server with a hundred thousand coffers has a few megabytes.
_ANSWER_BYTES: Final = 16 << 20


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Yield a path of the folder that is short enough for a socket."""
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
    """Yield the health socket of a server on `folder`. It is removed when the context ends.

    Yield None if there can be no socket, as in a read-only folder, or if another server has it. The log says so, and the server serves
    without it.
    """
    path = folder / NAME
    try:
        bound = _bind(folder)
    except OSError as error:
        log.warning("this server has no health socket", path=str(path), reason=error.strerror or str(error))
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
    """Return a socket that listens in the folder. It replaces the socket that a killed server left."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(folder) as short:
            # It listens under a name of its own before it gets the public name, so that the public name always has a listener.
            own = short / f"{NAME}.{os.getpid()}"
            own.unlink(missing_ok=True)
            bound.bind(str(own))
            try:
                own.chmod(0o600)
                bound.listen()
                if _is_answered(short / NAME):
                    raise OSError("another server on this folder has it")
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
        # A blocking connect would delay this server's start if the other's queue of connections is full.
        other.setblocking(False)
        try:
            other.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


async def serve(listener: trio.SocketListener, examine: Callable[[], Awaitable[Health]]) -> None:
    """Send every connection the report, until cancelled."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                with trio.move_on_after(TIMEOUT_S):
                    await stream.send_all(f"{(await examine()).to_json()}\n".encode())
            except trio.BrokenResourceError:
                log.debug("a health connection was lost")
            except Exception as error:  # noqa: BLE001 (a fault here must not end the sessions)
                log.error("the health report failed", error=type(error).__name__, place=place_of(error))

    async with trio.open_nursery() as nursery:
        with _Reserve() as reserve:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in (errno.EMFILE, errno.ENFILE):
                        raise
                    # The connections of clients have used up what there is. This is the time when an operator asks.
                    stream = await reserve.accept(listener)
                nursery.start_soon(answer, stream)


class _Reserve:
    """A descriptor that is kept for the moment in which there is no other."""

    def __init__(self) -> None:
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._free()

    def _take(self) -> None:
        with suppress(OSError):
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _free(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def accept(self, listener: trio.SocketListener) -> trio.SocketStream:
        """Accept a connection with the descriptor of the reserve, and take another one when there is one again."""
        while True:
            if self._descriptor < 0:
                self._take()
            self._free()
            try:
                # The connection is there already, so nothing else runs between the two, and takes the descriptor.
                return await listener.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
            finally:
                self._take()
            await trio.sleep(_RETRY_S)


def ask(folder: Path) -> Health:
    """Return the report of the server that runs on `folder`. This blocks, for at most `TIMEOUT_S`.

    Raises:
        NotServingError: if no server runs on the folder, or if it does not answer.
    """
    path = folder / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _short(folder) as short:
            answer = _ask(asking, short / NAME)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotServingError(f"no server runs on {folder}, or it could not create {path}: see its log") from None
    except OSError as error:
        reason = f"timed out after {TIMEOUT_S:.0f} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise NotServingError(f"the server on {folder} does not answer on {path} ({reason}): see its log, and restart it") from None
    return Health.from_json(answer.decode(errors="replace"))


def _ask(asking: socket.socket, path: Path) -> bytearray:
    deadline_s = time.monotonic() + TIMEOUT_S
    asking.settimeout(TIMEOUT_S)
    asking.connect(str(path))
    answer = bytearray()
    while data := asking.recv(_RECEIVE_BYTES):
        answer += data
        if len(answer) > _ANSWER_BYTES:
            raise OSError(f"its answer is over {_ANSWER_BYTES >> 20} MiB")
        # One deadline for all: with a timeout for each piece, a server that sends a byte now and then would never end.
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        asking.settimeout(left_s)
    if not answer:
        raise OSError("it closed the connection without an answer, because it is stopping or has failed")
    return answer
