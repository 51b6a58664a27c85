"""The event log, and the tables that follow from it.

Modules:
    log.py            the log in the database: appending, and reading in order
    projection.py     what an event does to the tables
    ledger.py         a transaction that changes the log and the tables together
    retention.py      deletes what no kept release needs
    replay.py         makes the tables again from the log
    verification.py   whether the tables are what the log says
"""
