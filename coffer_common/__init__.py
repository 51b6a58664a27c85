"""What the server, the companion and the client share, and the protocol must not know.

Modules:
    files.py       files that are made for their owner alone and replaced whole
    keyfile.py     identity files
    paths.py       the folders in which the companion keeps its files
    hardening.py   keeps the memory of a process from core files and from tracing
    program.py     what each program says of itself: help, version, exit codes
    durations.py   durations as people write them
"""
