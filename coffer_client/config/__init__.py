"""The settings of a client: the server that it asks, its credential, and how it asks.

Modules:
    settings.py     all settings together: from arguments, variables, files, and default places
    lookup.py       the nearest place that gives a setting
    names.py        the names of settings, and of the files that are read
    file.py         a configuration file, as TOML
    credential.py   the identity, and which of its keys the server knows
"""
