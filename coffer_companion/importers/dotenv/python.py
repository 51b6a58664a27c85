"""Reads .env files as python-dotenv does (its `dotenv_values`, with interpolation, without the environment)."""

from __future__ import annotations

import io
import re
from functools import partial
from typing import Final

from dotenv.parser import parse_stream

from .lines import UNREADABLE, Fault, Found, assigned, lookup

# In python-dotenv, quotes of neither kind keep this from being replaced.
_REFERENCE: Final = re.compile(r"\$\{([^}:]*)(?::-([^}]*))?\}")


def read(text: str) -> Found:
    """Yield what python-dotenv finds in a file."""
    values: dict[str, str] = {}

    def expand(value: str) -> str:
        # A default counts only if the variable is not set.
        return _REFERENCE.sub(lambda found: lookup(values, found[1]) if found[2] is None else values.get(found[1], found[2]), value)

    for binding in parse_stream(io.StringIO(text)):
        # The binding includes the blank lines in front of it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.error or (binding.key is not None and binding.value is None):
            yield Fault(line=line, text=UNREADABLE)
        elif binding.key is not None and binding.value is not None:
            found = assigned(line, binding.key, partial(expand, binding.value))
            if not isinstance(found, Fault):
                values[found.name] = found.value
            yield found
