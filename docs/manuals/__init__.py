"""Makes what is told of `coffer-client` from its table of commands: man pages, completion scripts, and the reference in docs/client.md.

`scripts/manuals` writes all of it anew. It is committed, so that whoever installs or reads Coffer needs no generator; a test compares.
"""
