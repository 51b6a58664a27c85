"""The steps about the server: the addresses of its hosts, whether it answers, whether it knows this client, and its release."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from coffer_common import durations, times
from coffer_protocol.address import Host
from coffer_protocol.errors import (
    CofferError,
    KeyNotFoundError,
    ReleaseError,
    UnopenableError,
    UnreachableError,
    UntrustedPublisherError,
)
from coffer_protocol.identity import format_id
from coffer_protocol.message import Get, OkGet

from ...coffer import Coffer, expiry_warning
from ...conversation.network import unresolved
from ...conversation.retrieval import DEFAULT_TIMEOUT_S
from ...conversation.source import Source
from ...errors import RefusedClientError, StateError
from ...io.blocking import finish
from ...io.happy_eyeballs import dial
from ...trust_store import Memory
from ..exits import exit_code
from .machine import ADDRESS_AGAIN, STATE_AGAIN
from .step import FAIL, OK, WARN, Step, attempt, failed, skipped

if TYPE_CHECKING:
    from ...io.happy_eyeballs import Endpoint

    # As `happy_eyeballs.resolve`.
    Resolve: TypeAlias = Callable[[bytes, int], Sequence[Endpoint]]

# The steps that are skipped if no server answers, in this order.
OF_A_RELEASE: Final = ("known", "release", "expiry", "clock")
# Clocks that are right differ a little.
_CLOCK_STEP: Final = timedelta(minutes=5)
_PUBLISH_AGAIN: Final = "your operator publishes again: coffer-companion upload"


def examine_hosts(source: Source, memory: Memory, clock: Callable[[], float], resolve: Resolve) -> Iterator[Step]:
    """Try every host, and the release of the first that answers."""
    answered: Host | CofferError | None = None
    for host in source.wanted.address.hosts:
        answer = yield from _examine_host(source, host, resolve)
        if answered is None:
            answered = answer
    yield from _examine_release(source, memory, answered, clock)


def _examine_host(source: Source, host: Host, resolve: Resolve) -> Generator[Step, None, Host | CofferError | None]:
    """Yield the steps of a host. Return the host if it gave a session, its refusal if it refused, or None."""
    places = _resolve(host, resolve)
    if isinstance(places, Step):
        yield places
        yield skipped("tcp", "it needs an address", subject=str(host))
        yield skipped("hello", "it needs a connection", subject=str(host))
        return None
    yield Step(name="name", state=OK, subject=str(host), sentence=", ".join(map(_name, places)))
    reached = _examine_places(source, host, places)
    yield reached
    if reached.state == FAIL:
        yield skipped("hello", "it needs a connection", subject=str(host))
        return None
    answer = _hello(source, host)
    if isinstance(answer, Step):
        yield answer
        return None
    yield Step(name="hello", state=OK, subject=str(host), sentence="the server of the address answers")
    return answer


def _resolve(host: Host, resolve: Resolve) -> Sequence[Endpoint] | Step:
    try:
        return resolve(host.name.encode(), host.port)
    except OSError as error:
        return failed("name", unresolved(host, error), f"{ADDRESS_AGAIN}, or look at this machine's DNS", subject=str(host))


def _name(place: Endpoint) -> str:
    return str(place[4][0])


def _examine_places(source: Source, host: Host, places: Sequence[Endpoint]) -> Step:
    """Try whether each address of a host accepts a connection. Nothing is sent."""
    failures: dict[str, str] = {}
    for place in places:
        at = Host(name=_name(place), port=host.port)
        try:
            dial([place], deadline_s=_deadline_s(source)).close()
        except ConnectionError as error:
            failures[at.name] = _failure(host, at, str(error))
        except TimeoutError:
            failures[at.name] = _failure(host, at, f"no answer within {_timeout_s(source):.3g} s")
    mend = "start the server there (`coffer-server run`), or let this machine through the firewalls on the way"
    if len(failures) == len(places):
        return failed("tcp", UnreachableError("; ".join(failures.values())), mend, subject=str(host))
    connected = ", ".join(_name(place) for place in places if _name(place) not in failures)
    if failures:
        sentence = f"connected to {connected}; but {'; '.join(failures.values())}"
        return Step(name="tcp", state=WARN, subject=str(host), sentence=sentence, mend=mend)
    return Step(name="tcp", state=OK, subject=str(host), sentence=f"connected to {connected}")


def _failure(host: Host, at: Host, reason: str) -> str:
    # A step's subject comes before its sentence.
    return reason if at == host else f"{at}: {reason}"


def _timeout_s(source: Source) -> float:
    return DEFAULT_TIMEOUT_S if source.wanted.timeout_s is None else source.wanted.timeout_s


def _deadline_s(source: Source) -> float:
    return source.network.now_s() + _timeout_s(source)


def _silent(host: Host, source: Source) -> UnreachableError:
    return UnreachableError(f"{host}: no answer within {_timeout_s(source):.3g} s")


def _hello(source: Source, host: Host) -> Host | CofferError | Step:
    """Return the host if it gives a session, the refusal of a server that does not serve this client, or the step that failed."""
    try:
        # The session is not kept for the release: a server ends a silent session before the other hosts may have been tried.
        finish(finish(source.connect(host, deadline_s=_deadline_s(source))).close())
    except (KeyNotFoundError, RefusedClientError) as refusal:
        return refusal
    except StateError:
        return skipped("hello", "it needs the state, which has the id by which the server answers", subject=str(host))
    except UnopenableError as error:
        return failed("hello", error, f"another server answers there: {ADDRESS_AGAIN}", subject=str(host))
    except TimeoutError:
        return failed("hello", _silent(host, source), "look at the server's log, and try again", subject=str(host))
    except UnreachableError as error:
        return failed("hello", error, f"the server has another id, or is not a Coffer server: {ADDRESS_AGAIN}", subject=str(host))
    except CofferError as error:
        return failed("hello", error, "look at the server's log, and try again in a minute", subject=str(host))
    return host


def _examine_release(source: Source, memory: Memory, answered: Host | CofferError | None, clock: Callable[[], float]) -> Iterator[Step]:
    if not isinstance(answered, Host):
        yield skipped("known", "no server answers") if answered is None else _refused(source, answered)
        for name in OF_A_RELEASE[1:]:
            yield skipped(name, "there is no release")
        return
    yield Step(name="known", state=OK, sentence="the server knows this client")
    coffer = attempt("release", lambda: finish(_take(source, answered)), _mend_release)
    if isinstance(coffer, Step):
        yield coffer
        for name in OF_A_RELEASE[2:]:
            yield skipped(name, "there is no release that verifies")
        return
    signer = memory.recall().signer
    assert signer is not None
    release = f"release {coffer.release.serial} of {coffer.release.coffer!r}"
    yield Step(name="release", state=OK, sentence=f"{release} verifies; secrets: {len(coffer)}; signed by {format_id(signer)}")
    now = datetime.fromtimestamp(clock(), UTC)
    yield _examine_expiry(coffer, now)
    yield _examine_clock(coffer, now)


async def _take(source: Source, host: Host) -> Coffer:
    try:
        async with await source.connect(host, deadline_s=_deadline_s(source)) as connection:
            await connection.send(Get())
            coffer = await source.take(await connection.receive(OkGet), connection)
            await connection.bye()
    except TimeoutError:
        raise UnreachableError("the server stopped answering before it gave the release") from None
    return coffer


def _refused(source: Source, refusal: CofferError) -> Step:
    line = source.wanted.credential.clients_line()
    if isinstance(refusal, RefusedClientError):
        sentence, mend = f"the server refuses this client: {refusal.code}: {refusal.sentence}", refusal.hint or ""
    else:
        sentence = "the server does not know this client"
        mend = f"send this line to your operator, for [clients] in the definition (the name is free to choose):\n{line}"
    return Step(name="known", state=FAIL, sentence=sentence, mend=mend, exit=exit_code(refusal))


def _mend_release(error: CofferError) -> str:
    match error:
        case UntrustedPublisherError():
            return f"if that publisher is right, {ADDRESS_AGAIN}"
        case ReleaseError():
            return error.hint or "show this to your operator: docs/releases-client.md says what each refusal means"
        case StateError():
            return STATE_AGAIN
    return "look at the server's log, and try again"


def _examine_expiry(coffer: Coffer, now: datetime) -> Step:
    expires = coffer.release.expires
    if expires is None:
        return Step(name="expiry", state=OK, sentence="the release does not expire")
    if expiry_warning(coffer.release, now.timestamp()):
        return Step(name="expiry", state=WARN, sentence=_expiry(expires, now), mend=_PUBLISH_AGAIN)
    return Step(name="expiry", state=OK, sentence=_expiry(expires, now))


def _expiry(expires: datetime, now: datetime) -> str:
    return f"the release expires in {durations.show(expires - now)}, at {_shown(expires)}"


def _shown(moment: datetime) -> str:
    return times.show(moment.timestamp())


def _examine_clock(coffer: Coffer, now: datetime) -> Step:
    """Try whether the clock is behind: it is if it shows a time before the release was signed. Nothing here can tell if it is ahead."""
    issued = coffer.release.issued
    if issued is None:
        return skipped("clock", "the release does not say when it was signed")
    if now < issued - _CLOCK_STEP:
        sentence = f"this machine's clock shows {_shown(now)}, and the release was signed later, at {_shown(issued)}"
        return failed("clock", CofferError(sentence), "set the clock here, or the publisher's: timedatectl set-ntp true")
    return Step(
        name="clock",
        state=OK,
        sentence=f"{_shown(now)}, which is after the release was signed; whether it is ahead, no release can tell",
    )
