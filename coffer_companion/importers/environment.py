"""Reads variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ImportingError
from .values import is_unicode


def read(environ: Mapping[str, str], *, only: str) -> dict[str, str]:
    """Return the variables whose names begin with `only`, under their whole names.

    Raises:
        ImportingError: there is no such variable, or one is not UTF-8.
    """
    values = {name: value for name, value in sorted(environ.items()) if name.startswith(only)}
    if not values:
        raise ImportingError(f"no environment variable begins with {only!r}: set them for coffer-companion, or name another prefix")
    for name, value in values.items():
        if not is_unicode(value):
            raise ImportingError(f"the environment variable {name} is not UTF-8: write it to a file, and name that with from_file")
    return values
