"""The operator's tool: compiles a definition into shards and publishes them as signed releases.

Modules:
    cli/            the command line
    definition/     the definition: reading and checking it
    importers/      secrets from other tools into a definition
    releases/       making, reading and comparing releases
    connection.py   a session with a server, over trio
    errors.py       the tree of errors, and their exit codes
    target.py       the coffer, server and publisher that a command works with
    settings.py     what the companion remembers between its runs
    __main__.py     the program `coffer-companion`
"""

from __future__ import annotations

from typing import Final

PROGRAM: Final = "coffer-companion"
