"""Secrets from other tools into a definition.

Each source's `read` returns values as a definition can have them, or refuses a value by its name. `insertion` adds them to a definition.

Modules:
    dotenv/          .env files, in the dialects of their readers
    json.py          JSON objects
    sops.py          what SOPS has decrypted
    folder.py        folders with a file for each secret
    environment.py   variables of the environment
    encryption.py    recognises what other tools have encrypted
    values.py        values as a definition can have them
    insertion.py     adds values to a definition's text
"""
