"""One retrieval: the hosts of an address in turn, and the cache if none of them answers."""

from __future__ import annotations

from coffer_protocol.errors import UnreachableError
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import USE_ONCE, Get, OkGet

from ..errors import BusyServerError, CacheError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from coffer_protocol.address import Host

    from ..coffer import Coffer
    from .source import Source

DEFAULT_TIMEOUT_S: Final = 10.0
# A weekend, and the days that it takes to notice.
DEFAULT_MAX_STALE_S: Final = 7 * 86400.0
# Errors that do not mean that the server lies: another host may serve, or the same one later, or the cache.
PASSING: Final = (UnreachableError, BusyServerError)


async def retrieve(source: Source) -> Coffer:
    """Return a source's secrets, within its settings' `timeout_s` for all hosts together, or from a cache within `max_stale`.

    The hosts are tried one after the other, each with its share of the time that is left.

    Raises:
        As `fetch`.
    """
    wanted = source.wanted
    timeout_s = DEFAULT_TIMEOUT_S if wanted.timeout_s is None else wanted.timeout_s
    if not 0 < timeout_s < float("inf"):
        raise ConfigurationError(f"timeout_s is {timeout_s}: give a number of seconds above 0")
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
            failures.append(UnreachableError(f"{host}: no answer within {share_s:.3g} s: try again, or allow more time (timeout)"))
    return await _from_cache(source, combined(failures))


def combined(failures: Sequence[UnreachableError | BusyServerError]) -> UnreachableError | BusyServerError:
    """Return one error for the errors of all hosts of an address."""
    if len(failures) == 1:
        return failures[0]
    hint = next((failure.hint for failure in failures if failure.hint), None)
    return UnreachableError("no host of the address could serve: " + "; ".join(map(str, failures)), hint=hint)


async def _ask(host: Host, source: Source, *, deadline_s: float) -> Coffer:
    async with await source.connect(host, deadline_s=deadline_s) as connection:
        await connection.send(Get())
        coffer = await source.take(await connection.receive(OkGet), connection)
        await source.sign_for(coffer.release, connection, use=USE_ONCE)
        await connection.bye()
    return coffer


async def _from_cache(source: Source, failure: UnreachableError | BusyServerError) -> Coffer:
    """Return what the cache holds, because no server answers. Raise `failure`, or an error with its text, if the cache cannot be used."""
    # A fetch needs these only here.
    from datetime import timedelta

    from coffer_common import durations

    wanted = source.wanted
    max_stale = timedelta(seconds=DEFAULT_MAX_STALE_S) if wanted.max_stale is None else wanted.max_stale
    if not max_stale or not wanted.cache:
        raise failure
    try:
        coffer = await source.from_cache(max_stale)
    except CacheError as error:
        raise UnreachableError(f"{failure} (the cache cannot be used: {error})", hint=failure.hint) from failure
    assert coffer.stale is not None
    source.warn(
        f"no server answered, so release {coffer.release.serial} of {coffer.release.coffer!r} is used, which was fetched "
        f"{durations.show(coffer.stale)} ago ({failure})"
    )
    return coffer
