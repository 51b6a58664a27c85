"""Releases: make them and verify them (docs/protocol.md, 7).

Modules:
    blob.py      seals a shard to one client
    tree.py      the Merkle tree over all blobs of a release
    head.py      the head, which signs the tree's root
    coffer.py    what one client gets, and how it checks it
    listing.py   what a publisher gets of the current release, and how it checks that
    notes.py     what publishers tell each other without the server's knowledge
    receipt.py   a client's signature that it has opened a release
    chain.py     the walk from one head to a later one, which proves who may sign that
    trust.py     what a reader knows of a coffer, and what it demands of the next release
    evidence.py  what shows that a server parts its readers, or that a history was begun again
"""
