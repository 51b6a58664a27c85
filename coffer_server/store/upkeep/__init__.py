"""Work on a whole database.

Modules:
    prepare.py      makes a database, or brings it to this version
    backup.py       backups of SQLite, and restoring them
    rotation.py     seals every value again under a new root key
"""
