"""The tables of the store, the same for every database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    true,
)

from coffer_protocol.limits import NAME_CHARACTERS

from ..sealing import SealedColumn

VERSION: Final = 1

metadata: Final = MetaData()

# Databases from before the protocol was revised have a table of another name, by which they are recognised.
OLD_VERSION_TABLE: Final = "schema_version"
schema_version: Final = Table("coffer_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

# Everything that has happened, in order, for ever. The tables publishers, blocked, releases and members have no facts that are not here,
# too: they can be rebuilt from the events (replay.py). Events hold the hashes of blobs, not the blobs.
events: Final = Table(
    "events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("prev", LargeBinary, nullable=False),
)

# The keys under which values are sealed, each wrapped by a key that the server's identity gives (sealing.py). During a rotation there are
# two.
root_keys: Final = Table(
    "root_keys",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
)

# The publishers of each coffer. An identity belongs to one coffer, so its id is the key.
publishers: Final = Table(
    "publishers",
    metadata,
    Column("client", LargeBinary, primary_key=True),
    Column("coffer", String(NAME_CHARACTERS), nullable=False),
    Column("sign", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("name", LargeBinary),
    Column("may_block", Boolean, nullable=False),
    Column("added", BigInteger, nullable=False),
)

# Ids that the server treats as unknown, whatever the other tables say, until its operator unblocks them.
blocked: Final = Table(
    "blocked",
    metadata,
    Column("client", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# One row for each release, for ever. `held` becomes false when the release's members are deleted.
releases: Final = Table(
    "releases",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("committed", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("held", Boolean, nullable=False, server_default=true()),
)
releases_held: Final = Index(
    "releases_held", releases.c.coffer, releases.c.serial, sqlite_where=releases.c.held, postgresql_where=releases.c.held
)

# The sealed shards. They never change, and are kept as long as a held release has them, because a Reuse may name them. The small columns
# come first: SQLite reads a row from its beginning, and puts a long blob into pages of its own.
blobs: Final = Table(
    "blobs",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("client", LargeBinary, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("alg", SmallInteger, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary, primary_key=True),
    Column("blob", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)

# The blob and the mark that a client has from one serial until another. If `until_serial` is NULL, it has them in the current release.
# since, alg, sha256 and size are here, too, so that a list or a tree of a million clients needs only this table.
members: Final = Table(
    "members",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("client", LargeBinary, primary_key=True),
    Column("from_serial", BigInteger, primary_key=True, autoincrement=False),
    Column("until_serial", BigInteger),
    Column("since", BigInteger, nullable=False),
    Column("alg", SmallInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("blob_bytes", Integer, nullable=False),
    Column("mark", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["coffer", "client", "since", "alg", "sha256"],
        [blobs.c.coffer, blobs.c.client, blobs.c.since, blobs.c.alg, blobs.c.sha256],
    ),
)
IS_CURRENT: Final = members.c.until_serial.is_(None)
# An identity belongs to one coffer: this index makes the database enforce that, too. Every Get uses it.
Index("members_current", members.c.client, unique=True, sqlite_where=IS_CURRENT, postgresql_where=IS_CURRENT)
Index("members_of_current", members.c.coffer, members.c.client, sqlite_where=IS_CURRENT, postgresql_where=IS_CURRENT)
# The members that are in no current release, in the order in which retention deletes them.
_is_ended = members.c.until_serial.is_not(None)
members_ended: Final = Index("members_ended", members.c.coffer, members.c.until_serial, sqlite_where=_is_ended, postgresql_where=_is_ended)

# The release that each client fetched last, and the time of that.
fetches: Final = Table(
    "fetches",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("client", LargeBinary, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# For each client and use, its receipt of the highest serial (docs/protocol.md, 7), not verified.
receipts: Final = Table(
    "receipts",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("client", LargeBinary, primary_key=True),
    Column("use", SmallInteger, primary_key=True, autoincrement=False),
    Column("serial", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
)

# The outline of each coffer's current release (snapshot.py), so that a server need not read every member for its first answer after a
# start. Outlines follow from members: if a row is missing or has another serial, a reader only takes longer.
outlines: Final = Table(
    "outlines",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("outline", LargeBinary, nullable=False),
)

# The columns whose values are sealed. The key of a value is its table's primary key, in the order of its columns.
PUBLISHER_NAME: Final = SealedColumn("publishers.name")
BLOB: Final = SealedColumn("blobs.blob")
NOTE: Final = SealedColumn("blobs.note")
MARK: Final = SealedColumn("members.mark")
EVENT_BODY: Final = SealedColumn("events.body")
SEALED: Final[tuple[tuple[SealedColumn, Column[bytes]], ...]] = (
    (PUBLISHER_NAME, publishers.c.name),
    (BLOB, blobs.c.blob),
    (NOTE, blobs.c.note),
    (MARK, members.c.mark),
    (EVENT_BODY, events.c.body),
)
