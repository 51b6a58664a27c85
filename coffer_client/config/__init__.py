"""Which server a client talks to, as whom, and how.

Modules:
    settings.py     all settings together: from arguments, variables, files, and default places
    lookup.py       the nearest place that gives a setting
    names.py        the names of settings, and of the files that are read
    file.py         a configuration file, as TOML
    credential.py   the identity, and which of its keys the server knows
"""
