"""The tables, the same for every database that SQLAlchemy Core speaks to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Table

from coffer_protocol.limits import NAME_CHARACTERS

VERSION: Final = 1

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

# One row for each release, for ever.
releases: Final = Table(
    "releases",
    metadata,
    Column("coffer", String(NAME_CHARACTERS), primary_key=True),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("expires", BigInteger),
    Column("committed", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
)

# Never changed, and kept after they leave the current release: Reuse names them. The small columns come first, for SQLite reads a row
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
_is_current = members.c.until_serial.is_(None)
# An identity belongs to one coffer: the database holds it too. This is also the index that every Get uses.
Index("members_current", members.c.client, unique=True, sqlite_where=_is_current, postgresql_where=_is_current)
Index("members_of_current", members.c.coffer, members.c.client, sqlite_where=_is_current, postgresql_where=_is_current)
