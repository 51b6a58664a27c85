"""Read .env files."""

from __future__ import annotations

import io

from dotenv.parser import parse_stream

from ..errors import ImportingError


def read(text: str) -> dict[str, str]:
    """The variables of a .env file, as python-dotenv reads it; of one that stands twice, the last.

    Raises:
        ImportingError: a line cannot be read, has no value, or refers to another variable.
    """
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        # The binding begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.error:
            raise ImportingError(f"line {line}: this is not NAME=VALUE. Correct it, or make it a comment.")
        if binding.key is None:
            continue
        if binding.value is None:
            raise ImportingError(f"line {line}: {binding.key} has no value. Write {binding.key}= if it is empty.")
        if "${" in binding.value:
            raise ImportingError(
                f"line {line}: {binding.key} refers to other variables with ${{…}}, which is not followed here. "
                "Write the text out, and make it a from_template in the definition later."
            )
        values[binding.key] = binding.value
    return values
