"""Read variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ImportingError
from .values import is_unicode


def read(environ: Mapping[str, str], *, only: str) -> dict[str, str]:
    """The variables of an environment whose names begin with `only`, under their whole names.

    Raises:
        ImportingError: there are none, or one is not UTF-8.
    """
    values = {name: value for name, value in sorted(environ.items()) if name.startswith(only)}
    if not values:
        raise ImportingError(f"no environment variable begins with {only!r}. Set them where coffer-companion runs, or name another prefix.")
    for name, value in values.items():
        if not is_unicode(value):
            raise ImportingError(f"the environment variable {name} is not UTF-8. Put it into a file, and name that with from_file.")
    return values
