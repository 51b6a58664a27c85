"""`get`: print secrets."""

from __future__ import annotations

import sys

from .. import output
from ..errors import UsageError
from ..options import Parsed
from .common import fetch, source, write


def main(parsed: Parsed) -> None:
    """`get`: print secrets."""
    keys = tuple(dict.fromkeys(parsed.arguments))
    name = parsed.text("format") or output.RAW
    if name == output.RAW:
        if len(keys) != 1:
            raise UsageError("raw prints one value and wants one KEY; for several or all there is --format shell, dotenv or json")
        write(output.raw(fetch(parsed, source(parsed))[keys[0]], terminal=sys.stdout.isatty()))
        return
    if name not in output.FORMATS:
        raise UsageError(f"--format is one of {', '.join((output.RAW, *output.FORMATS))}")
    write(output.FORMATS[name](fetch(parsed, source(parsed)).select(keys)).encode())
