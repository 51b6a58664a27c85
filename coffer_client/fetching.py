"""`fetch` and `afetch`: load the settings, retrieve once, and warn."""

from __future__ import annotations

import os

from coffer_protocol.lean import TYPE_CHECKING

from .config import settings
from .conversation.retrieval import retrieve
from .conversation.source import Source
from .errors import CofferWarning
from .io.blocking import Sockets, finish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from coffer_common import paths
    from coffer_protocol.address import ServerAddress
    from coffer_protocol.identity import Identity

    from .coffer import Coffer


def fetch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | paths.Path | None = None,
    bare: bool = False,
    timeout_s: float | None = None,
    state: paths.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: paths.Path | None = None,
) -> Coffer:
    """Fetch this client's secrets and verify them.

    An argument that is not given is taken from the variables COFFER_SERVER, COFFER_IDENTITY, COFFER_BARE, COFFER_TIMEOUT, COFFER_STATE,
    COFFER_NO_CACHE and COFFER_MAX_STALE, then from the configuration: `./coffer.toml`, `$XDG_CONFIG_HOME/coffer/client.toml`,
    `/etc/coffer/client.toml`.

    Args:
        server: the address that `coffer-companion address` prints.
        identity: an identity or the path of its file. If it is not given, also COFFER_IDENTITY_TEXT (the secret text), systemd's credential
            `coffer-identity` or `$XDG_CONFIG_HOME/coffer/client.key` is used.
        bare: whether the server knows this client by its bare NaCl key (suite 0). A file of `keygen --bare` also says so.
        timeout_s: the seconds for everything together: connecting, asking and receiving; 10 by default. The system resolves names in its
            own time.
        state: the folder for what this client remembers of its releases and for the sealed cache; by default `$XDG_STATE_HOME/coffer` and
            `$XDG_CACHE_HOME/coffer`.
        cache: whether to keep the sealed answer, and to use it if no server answers; True by default.
        max_stale: how long ago the server may have given the answer that the cache holds; 7 days by default. With `timedelta(0)` the cache
            is never used.
        config: the only configuration file to read; by default COFFER_CONFIG.

    Returns:
        A read-only mapping whose values hide themselves in their repr, and the release that they belong to. If the values come from the
        cache, its `stale` says how old they are, and a `CofferWarning` says so too. A `CofferWarning` also says if nothing can be
        remembered.

    Raises:
        ConfigurationError, KeyTextError: the address or the identity is missing or cannot be used.
        UnreachableError: no host could be reached, or none answered in time; and the cache cannot be used.
        ServerError: the server refused. If it is a BusyServerError, the server may serve later.
        KeyNotFoundError: the server does not know this client.
        ProtocolError: the answer did not come from the server of the address, or the connection was tampered with.
        ReleaseError, ShardError: the answer does not verify. Nothing of it is returned.
        StateError: what this client remembers is damaged.
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    wanted = settings.load(
        server=server,
        identity=identity,
        bare=bare,
        environment=os.environ,
        config=config,
        state=state,
        cache=cache,
        timeout_s=timeout_s,
        max_stale=max_stale,
    )
    messages: list[str] = []
    source = Source.of(wanted, Sockets(), warn=messages.append)
    coffer = finish(retrieve(source))
    _say(messages)
    return coffer


async def afetch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | paths.Path | None = None,
    bare: bool = False,
    timeout_s: float | None = None,
    state: paths.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: paths.Path | None = None,
) -> Coffer:
    """Do what `fetch` does in an event loop: asyncio's or trio's, through anyio (the extra `async`).

    If it is cancelled, it closes its connection and leaves no task. Files are read and written, and names resolved, in threads of the event
    loop's own pool, which keeps an idle thread for a while (anyio on asyncio: until the loop ends; trio: 10 s). `timeout_s` also holds for
    resolving a name; the thread that asks the system ends when the system has answered.

    Raises:
        As `fetch`; UnavailableError also if anyio is not installed.
    """
    from .io.eventloop import EventLoop

    wanted = settings.load(
        server=server,
        identity=identity,
        bare=bare,
        environment=os.environ,
        config=config,
        state=state,
        cache=cache,
        timeout_s=timeout_s,
        max_stale=max_stale,
    )
    messages: list[str] = []
    source = Source.of(wanted, EventLoop(), warn=messages.append)
    coffer = await retrieve(source)
    _say(messages)
    return coffer


def _say(messages: Sequence[str]) -> None:
    """Warn about what is wrong although the fetch succeeded. Python shows the application's line with each warning."""
    if messages:
        import warnings

        for message in messages:
            warnings.warn(message, CofferWarning, stacklevel=3)
