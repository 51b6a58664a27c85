"""Releases as a publisher sees them: making, reading and comparing them.

Modules:
    reader.py            a publisher's questions to the server, each answer checked
    commit.py            makes a release: opens the coffer, drafts, sends, signs, commits
    clock.py             whether this machine's clock can be signed into a release
    shards.py            a definition -> what a release must hold
    upload.py            publishes a definition
    reverts.py           what an upload would set back to what an earlier release had
    rollback.py          publishes an old release again
    renewal.py           publishes the newest release again, with a later expiry
    plan.py              what an upload would change, by client and key name
    diff.py              what differs between two releases
    key_diff.py          what differs between two notes, key by key
    listing.py           the entries of a release, packed
    kept_entries.py      the entries that this publisher keeps on its disk
    history.py           what happened to a coffer, release by release
    contents.py          the clients and the names of the secrets in a release
    publishers.py        who may publish a coffer
    publisher_entry.py   a publisher's entry in the tree
    adoption.py          which client has, and uses, which release
    audit.py             whether the server holds exactly what was signed
"""
