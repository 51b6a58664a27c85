"""Releases: make them and verify them (docs/protocol.md, 7).

Modules:
    blob.py      seals a shard to one client
    tree.py      the Merkle tree over all blobs of a release
    head.py      the head, which signs the tree's root
    coffer.py    the part of a release that one client gets, and its checks
    listing.py   the list of a release that a publisher gets, and its check
    notes.py     what publishers tell each other without the server's knowledge
    receipt.py   a client's signature that it has opened a release
    chain.py     the walk from one head to a later one, which proves who may sign the later one
    trust.py     what a reader knows of a coffer, and what it demands of the next release
    evidence.py  evidence that a server shows different releases to different readers, or that a history was begun again
"""
