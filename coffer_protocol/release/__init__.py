"""Releases: make them and verify them (PROTOCOL.md, 7).

`blob` seals a shard to one client, `tree` is the Merkle tree over all of them, `head` signs its root, `coffer` is what one client gets
and how it checks it, `listing` is what a publisher gets and how it checks that, `notes` is what publishers tell each other past the server.
"""
