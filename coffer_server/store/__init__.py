"""The store of the server: publishers, releases, blobs, and the log of everything that happened to them.

    base.py             what a store does: the `Store` protocol, its values, and the errors of each method
    open.py             opens a store: in an SQLite file, or in a PostgreSQL database that several servers share
    sql_store.py        `SqlStore`, the `Store` over SQL
    pending_release.py  takes the changes of one upload into an open transaction
    rules.py            what the facts must be for a change to be allowed; pure
    events.py           what can happen, each kind with its encoding and its hash; pure
    sealing.py          how values are sealed at rest, each to its own place; pure
    snapshot.py         a release as audit paths need it, small enough for memory
    cache.py            values in memory, bounded in bytes
    sql/                the databases, their tables, and the reads that need no event log
    log/                the event log, the tables that follow from it, and the proof that they do
    upkeep/             the work around serving: make or migrate a database, back it up, rotate its keys
    shared/             what a store needs when other servers commit to the same database

For those who edit this package
===============================

The model
---------
The event log is what the server knows. Each change is one event, and each event holds the hash of the one before it. All other tables are
a *projection*: they follow from the events, exist so that reads are fast, and `coffer-server rebuild` makes them again.

    change --> rules (allowed?) --> Ledger: append the event, apply it to the tables --> commit      one transaction
    read   --> cache in memory  --> the tables (never the log)
    verify --> replay the log into empty tables --> compare with the tables that answer

Blobs are the exception. An event names a blob by its hash and does not hold it, so that retention can delete old blobs and leave the log
whole. Records of which client fetched what are not events either: no answer to a client depends on them.

Invariants
----------
1. A store method is one transaction. It sees one state of the database, and changes everything or nothing. When `commit` returns, the
   release is on the disk: OkCommit promises that to the publisher.
2. Facts are read in the transaction that acts upon them. `rules` gets facts as arguments and reads nothing, so that every store decides
   alike, including the one in memory with which the tests compare the others (tests/server/store/test_contract.py).
3. Publishers, releases, their members and blocked ids change through `Ledger.record` and no other way. It appends an event and applies it,
   by the same function that a replay uses.
4. A right is looked up at each call. Nothing that a session was allowed before is kept, so a publisher that is removed, or a client that is
   blocked, has no rights from its next request on.
5. "Not yours" and "not there" are the same answer in the same words.
6. A stolen database holds no secret and tells little. Blobs are sealed to their clients before they arrive; blobs, names, marks, notes and
   events are also sealed at rest, each value to its table, column and row (docs/storage.md).
7. Memory is bounded in bytes (`cache`), and is never ahead of the database: a release enters it after its transaction has ended well.
8. Methods block; the server calls them in threads. No method may be called from the event loop.
9. Imports run one way: `sql` never imports `log`, `log` never imports `upkeep`, and no module outside of this package imports SQLAlchemy.
"""
