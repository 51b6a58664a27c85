"""The health report of a server, as JSON for scripts and as text for people. This module is pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from coffer_common import documents, times
from coffer_common.errors import TextFileError

from ..errors import NotServingError
from ..store.base import Trouble


class Status(StrEnum):
    """The health of a server in one word."""

    OK = "ok"
    # The server serves, but not everything, or not from its database, or it takes no uploads.
    DEGRADED = "degraded"
    # The server was told to stop, and finishes the sessions in progress.
    STOPPING = "stopping"


class Reads(StrEnum):
    """The source of what the server serves."""

    DATABASE = "database"
    # The database is away: the server serves again what it has served before.
    MEMORY = "memory"
    # The database can be reached but not read: the server serves the part that can still be read.
    FAILING = "failing"


class Writes(StrEnum):
    """What would happen to an upload."""

    ACCEPTED = "accepted"
    # A write is in progress, and has lasted so long that another server's write would be refused.
    WAITING = "waiting"
    REFUSED = "refused"


# These agree with the exit codes of coffer-client: no code means one thing there and another here.
EXIT_NOT_SERVING: Final = 3
EXIT_DEGRADED: Final = 7
# The exit codes of `coffer-server health`, in addition to those of every command.
EXITS: Final = {
    0: "the server is healthy",
    EXIT_NOT_SERVING: "the server does not run, does not answer, or is stopping",
    EXIT_DEGRADED: "degraded: it serves from memory only, or not everything, or takes no uploads",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of a running server.

    Attributes:
        at: the time of the report, in seconds since 1970.
        version: the version of Coffer.
        pid: the id of the server's process.
        started: the time of the server's start, in seconds since 1970.
        is_stopping: whether the server was told to stop.
        listening: the addresses on which the server listens, each as `HOST:PORT`.
        database: the name of the database in errors. It contains no password.
        event: the number of the last event that is served, or None if it cannot be read.
        releases: the serial of the current release of each coffer; empty if they cannot be read.
        reads: the source of what the server serves.
        reads_trouble: since when and why that is not the database, or None if it is.
        writes: what would happen to an upload.
        writes_trouble: since when and why an upload would not be accepted, or None if it would.
        connections: the number of connections.
        max_connections: the limit of that number.
        watchers: the number of connections that wait for a release.
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
        """The health in one word."""
        if self.is_stopping:
            return Status.STOPPING
        return Status.OK if (self.reads, self.writes) == (Reads.DATABASE, Writes.ACCEPTED) else Status.DEGRADED

    @property
    def exit_code(self) -> int:
        """The exit code of `coffer-server health`."""
        return {Status.OK: 0, Status.DEGRADED: EXIT_DEGRADED, Status.STOPPING: EXIT_NOT_SERVING}[self.status]

    def to_json(self) -> str:
        """Return the report as one line of JSON, which begins with the status."""
        return json.dumps({"status": self.status, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Health:
        """Return the report that `to_json` wrote.

        Raises:
            NotServingError: if another version of Coffer or another program wrote the text.
        """
        try:
            fields: dict[str, Any] = documents.parse_json(text, "the answer")
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
        except (TextFileError, KeyError, TypeError, ValueError):
            raise NotServingError("the running server is a different version of Coffer: restart it") from None


def _trouble(fields: Any) -> Trouble | None:
    return None if fields is None else Trouble(**fields)


def as_text(health: Health) -> str:
    """Return the report as text for people: the status, then one line for each fact."""
    lines = {
        "reads": _READS[health.reads] + _since(health.reads_trouble),
        "writes": str(health.writes) + _since(health.writes_trouble),
        "serves": _served(health),
        "connections": f"{health.connections} of {health.max_connections}, {health.watchers} of them watching",
        "listens": " ".join(health.listening),
        "database": health.database,
        "runs": f"since {times.show(health.started)}, version {health.version}, process {health.pid}",
    }
    width = max(map(len, lines))
    return "\n".join([str(health.status), *(f"  {name:{width}}  {said}" for name, said in lines.items())])


_READS: Final = {Reads.DATABASE: "from the database", Reads.MEMORY: "from memory", Reads.FAILING: "failing"}


def _served(health: Health) -> str:
    if health.event is None:
        return "the part that can still be read"
    releases = ", ".join(f"{coffer} {serial}" for coffer, serial in sorted(health.releases.items())) or "no release yet"
    return f"{releases} (event {health.event})"


def _since(trouble: Trouble | None) -> str:
    return "" if trouble is None else f" since {times.show(trouble.since)}: {trouble.reason}"
