"""Reads .env files as python-dotenv does."""

from __future__ import annotations

import io

from dotenv.parser import parse_stream

from ..errors import ImportingError


def read(text: str) -> dict[str, str]:
    """Return the variables of a .env file, as python-dotenv reads it. If a variable is set twice, the last value counts.

    Raises:
        ImportingError: a line cannot be read, has no value, or refers to another variable.
    """
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        # The binding includes the blank lines in front of it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.error:
            raise ImportingError(f"line {line}: this is not NAME=VALUE: correct it, or make it a comment")
        if binding.key is None:
            continue
        if binding.value is None:
            raise ImportingError(f"line {line}: {binding.key} has no value: write {binding.key}= if it is empty")
        if "${" in binding.value:
            raise ImportingError(
                f"line {line}: {binding.key} refers to other variables with ${{…}}, which cannot be imported: "
                "write the whole text, and make it a from_template in the definition later"
            )
        values[binding.key] = binding.value
    return values
