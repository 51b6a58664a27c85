"""`get`: print secrets, or write them to files."""

from __future__ import annotations

import os
import sys

from coffer_protocol.lean import TYPE_CHECKING

from ...delivery import text as output
from ...errors import UsageError
from .common import fetch, naming, refuse_naming, source, warn, write

if TYPE_CHECKING:
    from typing import Final

    from coffer_common.command_line import Parsed

_GITHUB: Final = "github"


def main(parsed: Parsed) -> None:
    """Print the secrets that were asked for, or write them to a folder."""
    keys = tuple(dict.fromkeys(parsed.arguments))
    name = parsed.text("format")
    folder = parsed.text("to-dir")
    if folder is not None:
        for other in ("format", "output"):
            if parsed.text(other) is not None:
                raise UsageError(f"--to-dir and --{other} exclude each other: the files have a form of their own")
        _refuse_no_newline(parsed)
        _write_folder(parsed, keys, folder)
    elif name in (None, output.RAW):
        refuse_naming(parsed, "raw prints one value without its name: use another --format, or --to-dir")
        if len(keys) != 1:
            raise UsageError("raw prints one value: name one KEY, or use another --format, or --to-dir")
        is_terminal = not parsed.switch("no-newline") and parsed.text("output") is None and sys.stdout.isatty()
        _deliver(parsed, output.raw(fetch(source(parsed))[keys[0]], terminal=is_terminal))
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
    if name == _GITHUB and os.environ.get("GITHUB_ACTIONS") != "true":
        raise UsageError("--format github prints the secrets for GitHub to mask them, and this is not GitHub Actions: use another format")
    secrets, names = fetch(source(parsed)).select(keys), naming(parsed)
    text = FORMATS[name](secrets, names)
    if name == _GITHUB:
        from ...delivery.env_files import github_masks

        # Before the variables: what is not masked yet must not be used.
        sys.stderr.write(github_masks(secrets, names))
        sys.stderr.flush()
    _deliver(parsed, text.encode())


def _deliver(parsed: Parsed, data: bytes) -> None:
    """Write the result to the file that -o names, or to stdout."""
    path = parsed.text("output")
    if path is None:
        write(data)
        return
    from ...delivery.placed_file import Access, place

    place(path, data, Access())


def _write_folder(parsed: Parsed, keys: tuple[str, ...], path: str) -> None:
    from ...delivery.folder import Folder, memory_advice

    folder = Folder(path)
    if advice := memory_advice(folder.path, os.environ):
        warn(advice)
    folder.write(fetch(source(parsed)).select(keys), naming(parsed))
