"""The server: listens, gives each connection a task, and drains when it is told to stop."""

from __future__ import annotations

import resource
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from coffer_common import files
from coffer_protocol.address import Host

from .connection import serve_connection
from .errors import ListenError
from .health import socket as healthsocket
from .health.probe import Probe
from .logs import log
from .service import Service

# How long sessions in progress may go on after the server was told to stop.
DRAIN_S: Final = 5.0
# The descriptors of listeners, the database's files and logs, in addition to those of connections.
_OTHER_DESCRIPTORS: Final = 128
_READY_MODE: Final = 0o644


async def run(service: Service, hosts: Sequence[Host], *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        service: what connections share.
        hosts: where to listen; port 0 picks a free one.
        ready_file: holds the bound addresses, one a line, for as long as the server serves; None for no such file.

    Raises:
        ListenError: it cannot listen on one of `hosts`.
    """
    _provide_descriptors(service.settings.max_connections)
    listeners = await open_listeners(hosts)
    with (
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        healthsocket.listening(service.folder) as health,
        _announced(listeners, ready_file),
    ):
        await serve(service, listeners, signals, health)
    log.info("stopped")


async def serve(
    service: Service,
    listeners: Sequence[trio.SocketListener],
    signals: AsyncIterator[int],
    health: trio.SocketListener | None = None,
) -> None:
    """Serve until a signal comes; then let sessions in progress finish, until `DRAIN_S` have passed or another signal comes.

    A session that watches has nothing to finish: it is closed at once. Who asks on `health` is told until the end.
    """
    async with trio.open_nursery() as outer:
        outer.start_soon(service.run)
        async with trio.open_nursery() as sessions:
            if health is not None:
                probe = Probe(service, [_bound(listener) for listener in listeners], lambda: len(sessions.child_tasks))
                outer.start_soon(probe.run)
                outer.start_soon(healthsocket.serve, health, probe.examine)
            accepting = trio.CancelScope()
            outer.start_soon(_stop_at_signals, service, signals, accepting, sessions.cancel_scope)
            with accepting:
                await trio.serve_listeners(partial(_admit, service, sessions), list(listeners), handler_nursery=sessions)
        await service.flush()
        outer.cancel_scope.cancel()


async def _stop_at_signals(service: Service, signals: AsyncIterator[int], accepting: trio.CancelScope, sessions: trio.CancelScope) -> None:
    number = await anext(signals)
    log.info("stopping", signal=signal.Signals(number).name)
    sessions.deadline = trio.current_time() + DRAIN_S
    accepting.cancel()
    service.broadcast.stop()
    await anext(signals)
    sessions.cancel()


async def _admit(service: Service, sessions: trio.Nursery, stream: trio.SocketStream) -> None:
    # This connection's task is among them already.
    if len(sessions.child_tasks) > service.settings.max_connections:
        log.debug("too many connections")
        return
    await serve_connection(service, stream)


async def open_listeners(hosts: Sequence[Host]) -> list[trio.SocketListener]:
    """Return listeners on every one of `hosts`.

    Raises:
        ListenError: there cannot be one. No listener stays open.
    """
    listeners: list[trio.SocketListener] = []
    for host in hosts:
        try:
            listeners += await trio.open_tcp_listeners(host.port, host=host.name)
        except OSError as error:
            # "All interfaces" means those that this machine has; one without IPv6 has none of that kind.
            if host.name == "::" and len(hosts) > 1:
                log.warning("this machine has no IPv6", listen=format_bound(host.name, host.port))
                continue
            for listener in listeners:
                await listener.aclose()
            raise ListenError(
                f"cannot listen on {format_bound(host.name, host.port)}: {error.strerror or error}; "
                "stop what listens there, or name another place with --listen HOST:PORT"
            ) from None
    return listeners


def format_bound(name: str, port: int) -> str:
    """`HOST:PORT`, the port always with it, IPv6 in brackets."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _bound(listener: trio.SocketListener) -> str:
    name, port = listener.socket.getsockname()[:2]
    return format_bound(name, port)


@contextmanager
def _announced(listeners: Sequence[trio.SocketListener], ready_file: Path | None) -> Iterator[None]:
    addresses = [_bound(listener) for listener in listeners]
    for address in addresses:
        log.info("listening", address=address)
    if ready_file is None:
        yield
        return
    # Other users may wait for it. Nobody sees half of it.
    files.replace(ready_file, "".join(f"{address}\n" for address in addresses).encode(), mode=_READY_MODE)
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)


def _provide_descriptors(max_connections: int) -> None:
    """Let this process open as many descriptors as its settings may need, as far as the system allows."""
    wanted = max_connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("fewer connections than max_connections", open_files=allowed, wanted=wanted)
