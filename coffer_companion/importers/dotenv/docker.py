"""Reads .env files as `docker run --env-file` does (docker/cli, pkg/kvfile): no quotes, no escapes, no comments at the end of a line."""

from __future__ import annotations

from functools import partial

from .lines import UNREADABLE, Fault, Found, assigned


def read(text: str) -> Found:
    """Yield what docker finds in a file."""
    for line, content in enumerate(text.split("\n"), 1):
        content = content.removesuffix("\r").lstrip()
        if not content or content.startswith("#"):
            continue
        name, equals, value = content.partition("=")
        # Without an =, docker takes the variable of its own environment.
        yield assigned(line, name, partial(str, value)) if equals else Fault(line=line, text=UNREADABLE)
