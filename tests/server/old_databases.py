"""Databases as older versions of Coffer have left them: their tables as they were, word for word, filled with releases as those did it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.message import Drop, Put, Reuse

from .publishing import ISSUED, Author, Release, identity

_SCHEMA_1: Final = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE publishers (
    client BLOB NOT NULL, coffer VARCHAR(64) NOT NULL, sign BLOB NOT NULL, public_text VARCHAR NOT NULL, name VARCHAR(64),
    added BIGINT NOT NULL, PRIMARY KEY (client)
);
CREATE UNIQUE INDEX publishers_by_name ON publishers (coffer, name);
CREATE TABLE releases (
    coffer VARCHAR(64) NOT NULL, serial BIGINT NOT NULL, sha256 BLOB NOT NULL, expires BIGINT, committed BIGINT NOT NULL,
    signed BLOB NOT NULL, PRIMARY KEY (coffer, serial)
);
CREATE TABLE blobs (
    coffer VARCHAR(64) NOT NULL, client BLOB NOT NULL, since BIGINT NOT NULL, alg SMALLINT NOT NULL, sha256 BLOB NOT NULL,
    blob BLOB NOT NULL, note BLOB NOT NULL, PRIMARY KEY (coffer, client, since, alg, sha256)
);
CREATE TABLE members (
    coffer VARCHAR(64) NOT NULL, client BLOB NOT NULL, from_serial BIGINT NOT NULL, until_serial BIGINT, since BIGINT NOT NULL,
    alg SMALLINT NOT NULL, sha256 BLOB NOT NULL, blob_bytes INTEGER NOT NULL, mark BLOB NOT NULL,
    PRIMARY KEY (coffer, client, from_serial),
    FOREIGN KEY(coffer, client, since, alg, sha256) REFERENCES blobs (coffer, client, since, alg, sha256)
);
CREATE UNIQUE INDEX members_current ON members (client) WHERE until_serial IS NULL;
CREATE INDEX members_of_current ON members (coffer, client) WHERE until_serial IS NULL;
INSERT INTO schema_version VALUES (1);
"""
_SCHEMA_2: Final = """
ALTER TABLE releases ADD COLUMN held BOOLEAN NOT NULL DEFAULT true;
CREATE INDEX releases_held ON releases (coffer, serial) WHERE held;
CREATE INDEX members_ended ON members (coffer, until_serial) WHERE until_serial IS NOT NULL;
CREATE TABLE fetches (
    coffer VARCHAR(64) NOT NULL, client BLOB NOT NULL, serial BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (coffer, client)
);
UPDATE schema_version SET version = 2;
"""

WEB: Final = identity(100).id()
WORKER: Final = identity(101).id()
GONE: Final = identity(102).id()
PUBLISHER_NAME: Final = "the-laptop-of-ann"


def make_1(path: Path) -> Author:
    """A database of schema 1 with four releases; their author. The first was signed by a publisher who has been removed since."""
    author, former = Author(), Author(2)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA_1)
        row = (author.key.id, author.coffer, author.key.sign, author.key.text(), PUBLISHER_NAME, ISSUED)
        connection.execute("INSERT INTO publishers VALUES (?, ?, ?, ?, ?, ?)", row)
        clients = {author.key.id: b"note key", WEB: b"for web", WORKER: b"for worker", GONE: b"gone"}
        first = author.release([author.put(id_, blob) for id_, blob in clients.items()], signer=former.identity)
        _publish(connection, author, first)
        _publish(connection, author, author.release([author.put(WEB, b"second"), Drop(id=GONE)]))
        _publish(
            connection, author, author.release([Reuse(id=WEB, mark=sha256(b"for web")[:16], alg=2, since=1, sha256=sha256(b"for web"))])
        )
        _publish(connection, author, author.release([author.put(WORKER, b"fourth")]))
        connection.commit()
    return author


def make_2(path: Path) -> Author:
    """The same in schema 2, whose retention has let go of what was only in the first two releases; and a recorded fetch."""
    author = make_1(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA_2)
        connection.execute("UPDATE releases SET held = false WHERE serial < 3")
        connection.execute("DELETE FROM members WHERE until_serial <= 3")
        connection.execute(
            "DELETE FROM blobs WHERE NOT EXISTS (SELECT * FROM members WHERE members.client = blobs.client AND members.since = blobs.since)"
        )
        connection.execute("INSERT INTO fetches VALUES (?, ?, ?, ?)", (author.coffer, WEB, 4, ISSUED))
        connection.commit()
    return author


MAKERS: Final[Mapping[int, Callable[[Path], Author]]] = {1: make_1, 2: make_2}


def _publish(connection: sqlite3.Connection, author: Author, release: Release) -> None:
    coffer, serial = author.coffer, release.head.serial
    for change in release.changes:
        connection.execute(
            "UPDATE members SET until_serial = ? WHERE coffer = ? AND client = ? AND until_serial IS NULL", (serial, coffer, change.id)
        )
        match change:
            case Put(id=client, alg=alg, mark=mark, note=note, blob=blob):
                since, digest, size = serial, sha256(blob), len(blob)
                connection.execute("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?)", (coffer, client, since, alg, digest, blob, note))
            case Reuse(id=client, alg=alg, mark=mark, since=since, sha256=digest):
                [size] = connection.execute("SELECT length(blob) FROM blobs WHERE client = ? AND since = ?", (client, since)).fetchone()
            case Drop():
                continue
        row = (coffer, client, serial, None, since, alg, digest, size, mark)
        connection.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    head = release.head
    connection.execute(
        "INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?)",
        (coffer, serial, sha256(release.signed), head.expires, ISSUED + serial, release.signed),
    )
    author.published(release)
