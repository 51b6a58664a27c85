"""`get`: print secrets, or write them to files."""

from __future__ import annotations

import sys

from coffer_protocol.lean import TYPE_CHECKING

from ...delivery import text as output
from ...errors import UsageError
from .common import fetch, naming, refuse_naming, source, warn, write

if TYPE_CHECKING:
    from coffer_common.command_line import Parsed


def main(parsed: Parsed) -> None:
    """Print the secrets that were asked for, or write them to a folder."""
    keys = tuple(dict.fromkeys(parsed.arguments))
    name = parsed.text("format")
    folder = parsed.text("to-dir")
    if folder is not None:
        if name is not None:
            raise UsageError("--to-dir and --format exclude each other: the files have a form of their own")
        _refuse_no_newline(parsed)
        _write_folder(parsed, keys, folder)
    elif name in (None, output.RAW):
        refuse_naming(parsed, "raw prints one value without its name: use another --format, or --to-dir")
        if len(keys) != 1:
            raise UsageError("raw prints one value: name one KEY, or use another --format, or --to-dir")
        is_terminal = not parsed.switch("no-newline") and sys.stdout.isatty()
        write(output.raw(fetch(source(parsed))[keys[0]], terminal=is_terminal))
    else:
        _refuse_no_newline(parsed)
        _print(parsed, keys, name)


def _refuse_no_newline(parsed: Parsed) -> None:
    if parsed.switch("no-newline"):
        raise UsageError("-n can only be used with raw")


def _print(parsed: Parsed, keys: tuple[str, ...], name: str) -> None:
    from ...delivery.formats import FORMATS

    if name not in FORMATS:
        raise UsageError(f"--format: expected one of {', '.join((output.RAW, *FORMATS))}")
    write(FORMATS[name](fetch(source(parsed)).select(keys), naming(parsed)).encode())


def _write_folder(parsed: Parsed, keys: tuple[str, ...], path: str) -> None:
    import os

    from ...delivery.folder import Folder, memory_advice

    folder = Folder(path)
    if advice := memory_advice(folder.path, os.environ):
        warn(advice)
    folder.write(fetch(source(parsed)).select(keys), naming(parsed))
