"""Make the manuals of the programs: man pages and help texts, from the client's table of commands and from the typer applications of the
other two programs; and, from that table, completion scripts and the reference in docs/client.md.

`scripts/manuals` writes all of them. They are committed, so that nobody who installs or reads Coffer needs a generator; a test compares.
"""
