"""Try what a fetch needs, step by step: first this machine, then the server.

Modules:
    step.py      what a step is
    machine.py   versions, libraries, configuration, identity, state, evidence and cache
    server.py    names, connections, and the release

Each step is a part of a fetch and runs the same code, so that what works here works there. A fetch that works is remembered like any
other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from coffer_protocol.crypto import known_answers
from coffer_protocol.identity import Identity

from ...config.settings import Settings
from ...conversation.source import Source
from ...io import happy_eyeballs
from ...io.blocking import Sockets
from ...trust_store import Memory, find_folders
from . import machine, server
from .machine import Asked
from .step import FAIL, OK, SKIP, WARN, Step, attempt, skipped

if TYPE_CHECKING:
    from ...io.happy_eyeballs import Endpoint

__all__ = ["FAIL", "OK", "SKIP", "WARN", "Asked", "Step", "examine"]


def examine(
    asked: Asked,
    *,
    check_mlkem: Callable[[], None] = known_answers.check,
    clock: Callable[[], float] = time.time,
    resolve: Callable[[bytes, int], Sequence[Endpoint]] = happy_eyeballs.resolve,
) -> Iterator[Step]:
    """Yield each step as soon as it was tried. No step that can be tried is left out.

    Args:
        asked: what was typed, and what is configured.
        check_mlkem: raises UnavailableError if this machine has no ML-KEM-768.
        clock: gives the seconds since 1970.
        resolve: as `happy_eyeballs.resolve`.
    """
    yield machine.examine_versions()
    yield from machine.examine_libraries()
    # The address does not depend on the identity, which is the subject of the next step: any identity will do.
    address = attempt("configuration", lambda: asked.load(Identity.generate()), lambda error: machine.mend_configuration(asked, error))
    yield address if isinstance(address, Step) else machine.describe_address(asked, address)
    credential = attempt("identity", asked.load_credential, lambda error: machine.mend_identity(asked, error))
    if isinstance(address, Step) and isinstance(credential, Step) and credential.sentence == address.sentence:
        credential = skipped("identity", "it needs the configuration")
    yield credential if isinstance(credential, Step) else machine.describe_identity(asked, credential)
    yield machine.examine_mlkem(check_mlkem, None if isinstance(credential, Step) else credential)
    if isinstance(address, Step) or isinstance(credential, Step):
        for name in ("state", "evidence", "cache", "name", "tcp", "hello", *server.OF_A_RELEASE):
            yield skipped(name, "it needs a configuration and an identity")
        return
    wanted = Settings(
        address=address.address,
        trust=address.trust,
        credential=credential,
        state=address.state,
        cache=address.cache,
        timeout_s=address.timeout_s,
        max_stale=address.max_stale,
    )
    folders = find_folders(state=wanted.state, cache=wanted.cache, environment=asked.configured.environment)
    memory = Memory(wanted, folders, warn=_ignore)
    source = Source(wanted, memory, Sockets(resolve=resolve), warn=_ignore, clock=clock)
    yield machine.examine_state(memory, folders)
    yield machine.examine_evidence(memory)
    yield machine.examine_cache(source, memory)
    yield from server.examine_hosts(source, memory, clock, resolve)


def _ignore(message: str) -> None:
    """Drop a warning of the source: each has a step of its own here."""
