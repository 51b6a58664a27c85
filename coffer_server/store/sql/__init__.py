"""The databases: their tables, and what each of them does differently.

Modules:
    database.py        what a database must be able to do
    sqlite.py          SQLite
    postgres.py        PostgreSQL
    schema.py          the tables
    root_keys.py       the root keys that a process knows
    history.py         what past releases hold
    outlines.py        the outlines of current releases
    session_reads.py   the reads of every session, on the driver itself
"""
