"""The tables, the same for every database that SQLAlchemy Core speaks to."""

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

VERSION: Final = 3

metadata: Final = MetaData()

schema_version: Final = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

# What has happened, in order, for ever. From publishers, blocked, releases and members nothing can be read that does not stand here too:
# they are made anew from it (replay.py). Blobs are not in it; it has their hashes.
events: Final = Table(
    "events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("prev", LargeBinary, nullable=False),
)

# The keys that values are sealed under, each wrapped by one that the server's identity gives (sealing.py). More than one while they rotate.
root_keys: Final = Table(
    "root_keys",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
)

# Who may publish what. An identity belongs to one coffer, so its id is the key.
publishers: Final = Table(
    "publishers",
    metadata,
    Column("client", LargeBinary, primary_key=True),
    Column("coffer", String(NAME_CHARACTERS), nullable=False),
    Column("sign", LargeBinary, nullable=False),
    Column("public_text", String, nullable=False),
    Column("name", LargeBinary),
    Column("added", BigInteger, nullable=False),
)

# Ids that are as good as unknown, whatever the other tables say of them, until the server's operator takes that back.
blocked: Final = Table(
    "blocked",
    metadata,
    Column("client", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# One row for each release, for ever. `held` ends where the release's members are let go.
releases: Final = Table(
    "releases",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("expires", BigInteger),
    Column("committed", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("held", Boolean, nullable=False, server_default=true()),
)
releases_held: Final = Index(
    "releases_held", releases.c.coffer, releases.c.serial, sqlite_where=releases.c.held, postgresql_where=releases.c.held
)

# Never changed, and kept while a release that is held has them: Reuse names them. The small columns come first, for SQLite reads a row
# from its beginning, and a long blob goes into pages of its own.
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

# Which blob, under which mark, a client has from one serial until another; in the current release where `until_serial` is NULL.
# since, alg, sha256 and size stand here too, so that a list or a tree of a million clients reads this table alone.
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
# An identity belongs to one coffer: the database holds it too. This is also the index that every Get uses.
Index("members_current", members.c.client, unique=True, sqlite_where=IS_CURRENT, postgresql_where=IS_CURRENT)
Index("members_of_current", members.c.coffer, members.c.client, sqlite_where=IS_CURRENT, postgresql_where=IS_CURRENT)
# Those that are in no current release, in the order in which retention lets go of them.
_is_ended = members.c.until_serial.is_not(None)
members_ended: Final = Index("members_ended", members.c.coffer, members.c.until_serial, sqlite_where=_is_ended, postgresql_where=_is_ended)

# The last release that each client has fetched, and when.
fetches: Final = Table(
    "fetches",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("client", LargeBinary, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# The outline of each coffer's current release (snapshot.py), so that a server that starts need not read every member for its first answer.
# It follows from members: a row that is not there, or is of another serial, costs a reader that time and nothing else.
outlines: Final = Table(
    "outlines",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("outline", LargeBinary, nullable=False),
)

# The places of the values that stand sealed. The key of each is its table's primary key, in the order of its columns.
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
