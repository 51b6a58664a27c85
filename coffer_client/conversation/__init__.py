"""A client's conversation with a server. Nothing here waits by itself: `network.py` has the interfaces that it needs, and `io/` has them.

Modules:
    network.py      the interfaces to connections, time and files
    connection.py   one session with one host, under a deadline
    retrieval.py    one fetch: each host in turn, then the cache
    source.py       secrets from the server of one address, or from the cache
    verifying.py    verifies what a server gave
    watching.py     new releases as they come
"""
