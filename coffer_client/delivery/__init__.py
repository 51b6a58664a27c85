"""How secrets reach a script, a file, or a template.

Modules:
    text.py          one secret as text
    formats.py       several secrets as text: env, JSON and other formats
    naming.py        which secrets are wanted, and their names at the destination
    folder.py        one file for each secret, in a folder that changes as a whole
    placed_file.py   one file, replaced as a whole, with its mode and owner
    template.py      a Jinja template with secrets in it
"""
