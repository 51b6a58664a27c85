"""The cryptographic primitives. Only this folder imports PyNaCl and cryptography.

Modules:
    primitives.py          every primitive of protocol 1: boxes, signatures, key agreement, ML-KEM-768, AEADs
    sodium.py              the calls of libsodium that every fetch makes
    documented_sodium.py   the same calls, through the module that PyNaCl documents
    mlkem.py               the two functions that make ML-KEM-768 keys
    hashes.py              SHA-2, SHA-3, BLAKE2b and HMAC
    hpke.py                HPKE in base mode, which seals shards
    known_answers.py       checks at start that the libraries compute what the standards say
"""
