"""Several servers on one PostgreSQL.

Modules:
    store.py      a store that follows what other servers commit
    follower.py   learns what other servers commit, with LISTEN
    fallback.py   what the server has answered, for the time that the database is away
"""
