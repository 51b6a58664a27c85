"""One retrieval: the hosts of an address in turn, and the cache if none of them gives a good answer."""

from __future__ import annotations

from coffer_protocol.errors import (
    BlobError,
    ClockError,
    CofferError,
    KeyNotFoundError,
    ProtocolError,
    ReleaseError,
    ShardError,
    UnreachableError,
    UntrustedPublisherError,
    WrongCofferError,
)
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import USE_ONCE, Get, OkGet

from ..errors import BusyServerError, CacheError, ConfigurationError, RefusedClientError

if TYPE_CHECKING:
    from typing import Final

    from coffer_protocol.address import Host

    from ..coffer import Coffer
    from .source import Source

DEFAULT_TIMEOUT_S: Final = 10.0
# A weekend, and the days that it takes to notice.
DEFAULT_MAX_STALE_S: Final = 7 * 86400.0
# No answer. These errors do not mean that the server lies: another host may serve, or the same one later, or the cache.
PASSING: Final = (UnreachableError, BusyServerError)
# The server says that it does not serve this client. That is believed, and no cache overrules it.
_BELIEVED: Final = (KeyNotFoundError, RefusedClientError)
# No answer, or a bad one.
_NO_GOOD: Final = (UnreachableError, ProtocolError, ReleaseError, ShardError, ClockError)


def asks_on(error: CofferError) -> bool:
    """Return whether the next host is asked after an error of one, and then the cache. A bad answer is never worse than no answer."""
    return isinstance(error, _NO_GOOD) and not isinstance(error, _BELIEVED)


async def retrieve(source: Source) -> Coffer:
    """Return a source's secrets, within its settings' `timeout_s` for all hosts together, or from a cache within `max_stale`.

    The hosts are tried one after the other, each with its share of the time that is left, until one gives a good answer.

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
    failures = Failures(source)
    for number, host in enumerate(hosts):
        share_s = max(0.0, end_s - now_s()) / (len(hosts) - number)
        try:
            coffer = await _ask(host, source, deadline_s=now_s() + share_s)
        except CofferError as error:
            if not asks_on(error):
                raise
            failures.add(host, error)
        except TimeoutError:
            failures.add(host, UnreachableError(f"{host}: no answer within {share_s:.3g} s: try again, or allow more time (timeout)"))
        else:
            failures.tell()
            return coffer
    return await _from_cache(source, failures)


class Failures:
    """The failures and the bad answers of the hosts of an address."""

    __slots__ = ("_errors", "_source")

    def __init__(self, source: Source) -> None:
        self._errors: list[tuple[Host, CofferError]] = []
        self._source = source

    def add(self, host: Host, error: CofferError) -> None:
        """Add the error with which a request to a host has ended."""
        self._errors.append((host, error))

    @property
    def refusal(self) -> CofferError | None:
        """The error with which the first bad answer was refused; None if no host gave a bad answer."""
        return next((error for _, error in self._errors if not isinstance(error, PASSING)), None)

    def combined(self) -> CofferError:
        """Return one error for all hosts: the first bad answer's, or otherwise one that names every host."""
        if (refusal := self.refusal) is not None:
            if refusal.hint is None and not isinstance(refusal, _WITH_REMEDY):
                refusal.hint = _ADVICE
            return refusal
        errors = [error for _, error in self._errors]
        if len(errors) == 1:
            return errors[0]
        hint = next((error.hint for error in errors if error.hint), None)
        return UnreachableError(f"no host of the address could serve: {self}", hint=hint)

    def tell(self) -> None:
        """Warn of the bad answers and forget them, because another host has given a good one."""
        for host, error in self._errors:
            if not isinstance(error, PASSING):
                self._source.warn(f"the answer of {host} was refused, and another host was asked ({error})")
        self._errors = [(host, error) for host, error in self._errors if isinstance(error, PASSING)]

    def __str__(self) -> str:
        return "; ".join(_at(host, error) for host, error in self._errors)


def _at(host: Host, error: CofferError) -> str:
    text = str(error)
    return text if text.startswith(str(host)) else f"{host}: {text}"


# Refusals whose text says what to do. For others that have no hint of their own, there is one here.
_WITH_REMEDY: Final = (BlobError, ClockError, UntrustedPublisherError, WrongCofferError)
_ADVICE: Final = "ask your operator to look at the server: coffer-companion verify"


async def _ask(host: Host, source: Source, *, deadline_s: float) -> Coffer:
    async with await source.connect(host, deadline_s=deadline_s) as connection:
        await connection.send(Get())
        source.load_result()
        coffer = await source.take(await connection.receive(OkGet), connection)
        await source.sign_for(coffer.release, connection, use=USE_ONCE)
        await connection.bye()
    return coffer


async def _from_cache(source: Source, failures: Failures) -> Coffer:
    """Return what the cache holds, because no host gives a good answer. Raise the hosts' error if the cache cannot be used."""
    # A fetch needs these only here.
    from datetime import timedelta

    from coffer_common import durations

    wanted, failure, refusal = source.wanted, failures.combined(), failures.refusal
    max_stale = timedelta(seconds=DEFAULT_MAX_STALE_S) if wanted.max_stale is None else wanted.max_stale
    if not max_stale or not wanted.cache:
        raise failure
    try:
        coffer = await source.from_cache(max_stale, refusal=refusal)
    except CacheError as error:
        if refusal is None:
            raise UnreachableError(f"{failure} (the cache cannot be used: {error})", hint=failure.hint) from failure
        refusal.hint = "; ".join(filter(None, (refusal.hint, f"the cache cannot be used: {error}")))
        raise refusal from error
    assert coffer.stale is not None
    age = f"release {coffer.release.serial} of {coffer.release.coffer!r} is used, which was fetched {durations.show(coffer.stale)} ago"
    if refusal is None:
        source.warn(f"no server answered, so {age} ({failure})")
    else:
        hint = f"\nhint: {refusal.hint}" if refusal.hint else ""
        source.warn(f"the answer of the server was refused, so {age} ({failures}){hint}")
        # An application may keep it for long, and a traceback keeps whatever the functions of this fetch have used.
        refusal.__cause__ = refusal.__context__ = refusal.__traceback__ = None
    await source.tell_evidence()
    return coffer
