"""One fetch: the hosts of an address in turn, and the cache where none of them answers."""

from __future__ import annotations

import os

from coffer_protocol.errors import UnreachableError
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Get, OkGet

from .config import settings
from .conversation.source import Source
from .errors import BusyServerError, CacheError, CofferWarning, ConfigurationError
from .io.blocking import Sockets, finish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from typing import Final

    from coffer_common import keyfile
    from coffer_protocol.address import Host, ServerAddress
    from coffer_protocol.identity import Identity

    from .coffer import Coffer

DEFAULT_TIMEOUT_S: Final = 10.0
# A week-end, and the days that it takes to notice.
DEFAULT_MAX_STALE_S: Final = 7 * 86400.0
# Errors that say nothing against the server: another host may do, the same one later, or the cache.
PASSING: Final = (UnreachableError, BusyServerError)


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


async def retrieve(source: Source, *, timeout_s: float | None, max_stale: timedelta | None) -> Coffer:
    """As `fetch`, from a source. The hosts are tried one after the other, each with its share of the time that is left.

    Args:
        source: whom to ask.
        timeout_s: seconds for all hosts together; None for the default.
        max_stale: as for `fetch`; None for the default.

    Raises:
        As `fetch`.
    """
    timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
    if not 0 < timeout_s < float("inf"):
        raise ConfigurationError("the timeout is a number of seconds above 0")
    now_s = source.network.now_s
    end_s = now_s() + timeout_s
    hosts = await source.hosts()
    failures: list[UnreachableError | BusyServerError] = []
    for number, host in enumerate(hosts):
        share_s = max(0.0, end_s - now_s()) / (len(hosts) - number)
        try:
            return await _ask(host, source, deadline_s=now_s() + share_s)
        except PASSING as error:
            failures.append(error)
        except TimeoutError:
            failures.append(UnreachableError(f"{host}: no answer within {share_s:.3g} s: try again, or with a longer timeout"))
    return await _stand_in(source, combined(failures), max_stale)


def combined(failures: Sequence[UnreachableError | BusyServerError]) -> UnreachableError | BusyServerError:
    """One error for what every host of an address said."""
    if len(failures) == 1:
        return failures[0]
    return UnreachableError("no host of the address could serve: " + "; ".join(map(str, failures)))


async def _ask(host: Host, source: Source, *, deadline_s: float) -> Coffer:
    async with await source.connect(host, deadline_s=deadline_s) as connection:
        await connection.send(Get())
        coffer = await source.take(await connection.receive(OkGet), connection)
        await connection.bye()
    return coffer


async def _stand_in(source: Source, failure: UnreachableError | BusyServerError, max_stale: timedelta | None) -> Coffer:
    """The cache in the place of a server that does not answer."""
    # Only here does a fetch need any of these.
    from datetime import timedelta

    from coffer_common import durations

    max_stale = timedelta(seconds=DEFAULT_MAX_STALE_S) if max_stale is None else max_stale
    if not max_stale or not source.wanted.cache:
        raise failure
    try:
        coffer = await source.from_cache(max_stale)
    except CacheError as error:
        raise UnreachableError(f"{failure} (the cache cannot stand in: {error})") from failure
    assert coffer.stale is not None
    source.warn(
        f"no server answered, so this is release {coffer.release.serial} of {coffer.release.coffer!r} as it was fetched "
        f"{durations.show(coffer.stale)} ago ({failure})"
    )
    return coffer
