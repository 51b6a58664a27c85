"""Reads .env files. Each tool that reads such files has rules of its own, its dialect.

Modules:
    reading.py   the dialects together: one of them, or what all of them agree on
    lines.py     what a dialect makes of a file: assignments and faults, each with its line
    python.py    as python-dotenv reads it
    compose.py   as Docker Compose reads it
    node.py      as npm's dotenv reads it
    docker.py    as `docker run --env-file` reads it
"""
