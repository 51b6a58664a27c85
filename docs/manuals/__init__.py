"""Makes what is told of the programs: man pages, from the client's table of commands and from the typer applications of the other two; and,
from that table, completion scripts and the reference in docs/client.md.

`scripts/manuals` writes all of it anew. It is committed, so that whoever installs or reads Coffer needs no generator; a test compares.
"""
