"""What both ends of Coffer must agree on: keys, frames, sessions, shards and releases (docs/protocol.md).

Pure: bytes in, values out. Nothing here opens a socket or a file, reads a clock or logs; time, randomness and bytes are arguments.

Modules:
    crypto/        the cryptographic primitives and the libraries that they come from
    suite/         how a session's messages are sealed
    release/       releases: making and verifying them
    session.py     a session as a state machine: bytes in, messages out
    message.py     the messages, and the table that says which side may send which message when
    question.py    the questions that a client may ask, and their answers
    enrolment.py   the proofs of clients that ask to be let in
    frame.py       frames: the length and the type in front of each message
    identity.py    identities, public keys, and their texts
    address.py     the address of a server, and what it demands of releases
    shard.py       a shard: the secrets of one client
    dates.py       dates and times in shards
    cbor.py        deterministic CBOR, strictly decoded
    limits.py      every limit, with its reason
    errors.py      the tree of errors
    lean.py        records and flags that load neither `dataclasses` nor `enum`
    fallbacks.py   the undocumented modules of libraries that are missing, and the modules that are used in their place
"""
