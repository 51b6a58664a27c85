"""`get`: print secrets."""

from __future__ import annotations

import sys

from .. import output
from ..errors import UsageError
from ..options import Parsed
from .common import fetch, naming, refuse_naming, source, write


def main(parsed: Parsed) -> None:
    """Do what the command line says."""
    keys = tuple(dict.fromkeys(parsed.arguments))
    name = parsed.text("format")
    if name in (None, output.RAW):
        refuse_naming(parsed, "raw prints one value without its name; these go with the other formats")
        if len(keys) != 1:
            raise UsageError("raw prints one value and wants one KEY; for several or all there are the other formats")
        is_terminal = not parsed.switch("no-newline") and sys.stdout.isatty()
        write(output.raw(fetch(parsed, source(parsed))[keys[0]], terminal=is_terminal))
    else:
        _refuse_no_newline(parsed)
        _print(parsed, keys, name)


def _refuse_no_newline(parsed: Parsed) -> None:
    if parsed.switch("no-newline"):
        raise UsageError("-n is for raw")


def _print(parsed: Parsed, keys: tuple[str, ...], name: str) -> None:
    from ..formats import FORMATS

    if name not in FORMATS:
        raise UsageError(f"--format is one of {', '.join((output.RAW, *FORMATS))}")
    write(FORMATS[name](fetch(parsed, source(parsed)).select(keys), naming(parsed)).encode())
