"""How secrets reach a script, a file, or a template.

Modules:
    text.py          one secret as text
    formats.py       several secrets as text: for a shell, in JSON, in TOML
    env_files.py     several secrets as a file of variables, for the readers of such files
    variables.py     names of variables that a secret cannot have or should not
    naming.py        which secrets are wanted, and their names at the destination
    folder.py        one file for each secret, in a folder that changes as a whole
    placed_file.py   one file, replaced as a whole, with its mode and owner
    template.py      a Jinja template with secrets in it
"""
