"""The tables, the same for every database that SQLAlchemy Core speaks to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
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

VERSION: Final = 2

metadata: Final = MetaData()

schema_version: Final = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

# Who may publish what. An identity belongs to one coffer, so its id is the key.
publishers: Final = Table(
    "publishers",
    metadata,
    Column("client", LargeBinary, primary_key=True),
    Column("coffer", String(NAME_CHARACTERS), nullable=False),
    Column("sign", LargeBinary, nullable=False),
    Column("public_text", String, nullable=False),
    Column("name", String(NAME_CHARACTERS)),
    Column("added", BigInteger, nullable=False),
)
Index("publishers_by_name", publishers.c.coffer, publishers.c.name, unique=True)

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


def migrate_from_1(connection: Connection) -> None:
    """Bring the tables of version 1 to version 2: who fetched what, and which releases are held."""
    fetches.create(connection)
    connection.exec_driver_sql("ALTER TABLE releases ADD COLUMN held BOOLEAN NOT NULL DEFAULT true")
    releases_held.create(connection)
    members_ended.create(connection)
    connection.execute(schema_version.update().values(version=2))
