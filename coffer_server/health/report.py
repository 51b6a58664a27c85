"""How a server is: what it says when it is asked, as JSON for scripts and as text for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from ..errors import NotServingError
from ..store.base import Trouble


class Status(StrEnum):
    """In one word."""

    OK = "ok"
    # It serves, but not all, or not from its database, or it takes no upload.
    DEGRADED = "degraded"
    # It was told to stop, and only ends what it has begun.
    STOPPING = "stopping"


class Reads(StrEnum):
    """Where what is served comes from."""

    DATABASE = "database"
    # The database is away: what was served before is served again.
    MEMORY = "memory"
    # The database is there, and cannot be read: what can still be read of it is served.
    FAILING = "failing"


class Writes(StrEnum):
    """What becomes of an upload."""

    ACCEPTED = "accepted"
    # One is being written, and others wait for it: long enough that another server's would be refused.
    WAITING = "waiting"
    REFUSED = "refused"


# None of the exit codes that coffer-client has a meaning for says another thing here.
EXIT_NOT_SERVING: Final = 3
EXIT_DEGRADED: Final = 7
# What `coffer-server health` ends with, beside what every command may end with.
EXITS: Final = {
    0: "all is well",
    EXIT_NOT_SERVING: "the server does not run, does not answer, or stops",
    EXIT_DEGRADED: "degraded: it serves, but from memory alone, or not everything, or it takes no upload",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a running server says of itself.

    Attributes:
        at: when, in seconds since 1970.
        version: Coffer's.
        pid: of its process.
        started: in seconds since 1970.
        is_stopping: whether it was told to stop.
        listening: where, each as `HOST:PORT`.
        database: what it is called in errors: there is no password in it.
        event: the number of the last event that is served; None where it cannot be read.
        releases: the serial of the current release of each coffer; empty where they cannot be read.
        reads: where what is served comes from.
        reads_trouble: since when, and why, where that is not the database.
        writes: what becomes of an upload.
        writes_trouble: since when, and why, where it is not accepted.
        connections, max_connections: how many there are, and may be.
        watchers: how many of them wait for a release.
    """

    at: int
    version: str
    pid: int
    started: int
    is_stopping: bool
    listening: tuple[str, ...]
    database: str
    event: int | None
    releases: Mapping[str, int]
    reads: Reads
    reads_trouble: Trouble | None
    writes: Writes
    writes_trouble: Trouble | None
    connections: int
    max_connections: int
    watchers: int

    @property
    def status(self) -> Status:
        """The whole of it in one word."""
        if self.is_stopping:
            return Status.STOPPING
        return Status.OK if (self.reads, self.writes) == (Reads.DATABASE, Writes.ACCEPTED) else Status.DEGRADED

    @property
    def exit_code(self) -> int:
        """What `coffer-server health` ends with."""
        return {Status.OK: 0, Status.DEGRADED: EXIT_DEGRADED, Status.STOPPING: EXIT_NOT_SERVING}[self.status]

    def to_json(self) -> str:
        """For scripts, on one line. It begins with the status."""
        return json.dumps({"status": self.status, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Health:
        """What `to_json` has made.

        Raises:
            NotServingError: it was made by another version of Coffer, or by something else.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            del fields["status"]
            return cls(
                **fields
                | {
                    "listening": tuple(fields["listening"]),
                    "reads": Reads(fields["reads"]),
                    "writes": Writes(fields["writes"]),
                    "reads_trouble": _trouble(fields["reads_trouble"]),
                    "writes_trouble": _trouble(fields["writes_trouble"]),
                }
            )
        except (KeyError, TypeError, ValueError):
            raise NotServingError("what runs there answers as another version of Coffer does: restart it") from None


def _trouble(fields: Any) -> Trouble | None:
    return None if fields is None else Trouble(**fields)


def as_text(health: Health) -> str:
    """For people: the status, then a line for each thing that can be said."""
    lines = {
        "reads": _READS[health.reads] + _since(health.reads_trouble),
        "writes": str(health.writes) + _since(health.writes_trouble),
        "serves": _served(health),
        "connections": f"{health.connections} of {health.max_connections}, {health.watchers} of them watch",
        "listens": " ".join(health.listening),
        "database": health.database,
        "runs": f"since {_time(health.started)}, version {health.version}, process {health.pid}",
    }
    width = max(map(len, lines))
    return "\n".join([str(health.status), *(f"  {name:{width}}  {said}" for name, said in lines.items())])


_READS: Final = {Reads.DATABASE: "from the database", Reads.MEMORY: "from memory", Reads.FAILING: "failing"}


def _served(health: Health) -> str:
    if health.event is None:
        return "what can still be read"
    releases = ", ".join(f"{coffer} {serial}" for coffer, serial in sorted(health.releases.items())) or "no release yet"
    return f"{releases} (event {health.event})"


def _since(trouble: Trouble | None) -> str:
    return "" if trouble is None else f" since {_time(trouble.since)}: {trouble.reason}"


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
