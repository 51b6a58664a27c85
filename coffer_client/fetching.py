"""`fetch` and `afetch`: what is configured, one retrieval, and warnings."""

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

    from coffer_common import keyfile
    from coffer_protocol.address import ServerAddress
    from coffer_protocol.identity import Identity

    from .coffer import Coffer


def fetch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | keyfile.Path | None = None,
    bare: bool = False,
    timeout_s: float | None = None,
    state: keyfile.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: keyfile.Path | None = None,
) -> Coffer:
    """This client's secrets, fetched and verified.

    What is not given is taken from the variables COFFER_SERVER, COFFER_IDENTITY, COFFER_BARE, COFFER_TIMEOUT, COFFER_STATE, COFFER_NO_CACHE
    and COFFER_MAX_STALE, then from the configuration: `./coffer.toml`, `$XDG_CONFIG_HOME/coffer/client.toml`, `/etc/coffer/client.toml`.

    Args:
        server: the address that `coffer-companion address` prints.
        identity: an identity or the path of its file; without one also COFFER_IDENTITY_TEXT (the secret text), systemd's credential
            `coffer-identity`, or `$XDG_CONFIG_HOME/coffer/client.key`.
        bare: whether the server knows this client by its bare NaCl key (suite 0). Files of `keygen --bare` say it too.
        timeout_s: seconds for everything, 10 where nothing says: connecting, asking, and receiving. Names are resolved by the system, in
            its own time.
        state: the folder for what this client remembers of its releases, and for the sealed cache; else `$XDG_STATE_HOME/coffer` and
            `$XDG_CACHE_HOME/coffer`.
        cache: whether the sealed answer is kept, and stands in where no server answers; True where nothing says.
        max_stale: how long ago the server may have given what the cache stands in with, 7 days where nothing says; a `timedelta(0)` never
            lets it.
        config: the one configuration file that is read; else COFFER_CONFIG.

    Returns:
        A read-only mapping whose values hide themselves in their repr, with the release that they are of. Its `stale` says whether the
        cache stood in, and how old it is; a `CofferWarning` says it too. Another one says where nothing can be remembered.

    Raises:
        ConfigurationError, KeyTextError: the address or the identity is missing, or cannot be used.
        UnreachableError: no host could be reached, or none answered in time; and the cache cannot stand in.
        ServerError: the server refused; by the subclass BusyServerError it may serve later.
        KeyNotFoundError: the server does not know this client.
        ProtocolError: what answered is not the server of the address, or the connection was tampered with.
        ReleaseError, ShardError: what came back does not verify. Nothing of it is returned.
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
    coffer = finish(retrieve(source, timeout_s=wanted.timeout_s, max_stale=wanted.max_stale))
    _say(messages)
    return coffer


async def afetch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | keyfile.Path | None = None,
    bare: bool = False,
    timeout_s: float | None = None,
    state: keyfile.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: keyfile.Path | None = None,
) -> Coffer:
    """As `fetch`, in an event loop: asyncio's or trio's, through anyio (the extra `async`).

    Cancelled, it closes its connection and leaves no task. Files are read and written, and names resolved, in threads of the event loop's
    own pool, which keeps an idle thread for a while (anyio on asyncio: until the loop ends; trio: 10 s). `timeout_s` holds for resolving
    a name too; the thread that asks the system ends when the system has answered.

    Raises:
        As `fetch`; UnavailableError also where anyio is not installed.
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
    coffer = await retrieve(source, timeout_s=wanted.timeout_s, max_stale=wanted.max_stale)
    _say(messages)
    return coffer


def _say(messages: Sequence[str]) -> None:
    """Warn of what a fetch went on in spite of. The line that is shown with it is the application's."""
    if messages:
        import warnings

        for message in messages:
            warnings.warn(message, CofferWarning, stacklevel=3)
