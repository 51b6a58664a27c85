"""What the server, the companion and the client share, and the protocol must not know.

Modules:
    errors.py        the errors that the programs share
    files.py         the one durable writer, the one reader of our text files, and a lock
    documents.py     the one reader of TOML and of JSON
    identifiers.py   finds what a person names
    keyfile.py       identity files
    paths.py         the home folder and the XDG folders
    hardening.py     keeps the memory of a process from core files and from tracing
    help.py          lays out the help of each program
    command_line.py  reads the command lines of each program
    application.py   typer applications with this help and reading, for the server and the companion
    program.py       standard streams, the version, and how a program ends and prints errors
    durations.py     spans of time as people write and read them
    times.py         times as people and scripts read them
"""
