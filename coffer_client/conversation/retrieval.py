"""One retrieval: the hosts of an address in turn, and the cache if none of them answers."""

from __future__ import annotations

from coffer_protocol.errors import UnreachableError
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Get, OkGet

from ..errors import BusyServerError, CacheError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from typing import Final

    from coffer_protocol.address import Host

    from ..coffer import Coffer
    from .source import Source

DEFAULT_TIMEOUT_S: Final = 10.0
# A week-end, and the days that it takes to notice.
DEFAULT_MAX_STALE_S: Final = 7 * 86400.0
# Errors that say nothing against the server: another host may do, the same one later, or the cache.
PASSING: Final = (UnreachableError, BusyServerError)


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
    hint = next((failure.hint for failure in failures if failure.hint), None)
    return UnreachableError("no host of the address could serve: " + "; ".join(map(str, failures)), hint=hint)


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
        raise UnreachableError(f"{failure} (the cache cannot stand in: {error})", hint=failure.hint) from failure
    assert coffer.stale is not None
    source.warn(
        f"no server answered, so this is release {coffer.release.serial} of {coffer.release.coffer!r} as it was fetched "
        f"{durations.show(coffer.stale)} ago ({failure})"
    )
    return coffer
