"""The command `import`, which adds secrets from other tools to a definition."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from coffer_common import files, paths
from coffer_common.errors import MissingFileError, UsageError

from ..definition.source import DEFINITION_BYTES
from ..errors import ImportingError
from ..importers import dotenv, environment, folder, insertion, json, sops
from ..importers.values import Importable, flatten


class Source(StrEnum):
    """The kinds of sources to import from."""

    DOTENV = "dotenv"
    JSON = "json"
    SOPS = "sops"
    FOLDER = "folder"
    ENVIRONMENT = "environment"


def import_secrets(
    source: Annotated[
        str,
        typer.Argument(
            autocompletion=lambda: [*Source],
            metavar="SOURCE",
            help="The kind of source: dotenv (a .env file), json, sops (what `sops -d --output-type json` prints), folder, or environment.",
            show_default=False,
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The definition. It is made if it does not exist.", show_default=False)],
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client that gets the secrets.", show_default=False)],
    origin: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="The file or folder to read; - is stdin. `environment` takes no PATH.", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="PREFIX", help="With `environment`: import the variables that begin with PREFIX.", show_default=False
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace keys that the client already has.")] = False,
) -> None:
    """Import secrets into a client's table in a definition. Comments and everything else in it stay as they are."""
    if source not in {*Source}:
        raise UsageError(f"SOURCE: expected one of {', '.join(Source)}")
    values = _read(Source(source), origin, only, file)
    # A link stays one.
    path = os.path.realpath(paths.absolute(file))
    try:
        text = files.read_text(path, limit_bytes=DEFINITION_BYTES)
    except MissingFileError:
        text = ""
    changed = insertion.add_secrets(text, client, values, replace=replace)
    # It holds secrets, so it is its owner's alone from now on.
    files.make_folders(os.path.dirname(path))
    files.replace(path, changed.encode())
    typer.echo(f"{file}: {len(flatten(values))} values for {client}; see them in place, then `coffer-companion check {file}`", err=True)


def _read(source: Source, origin: str | None, only: str | None, file: Path) -> Mapping[str, Importable]:
    """Return the values of a source.

    Raises:
        ImportingError: the source cannot be read, or the arguments do not fit it.
    """
    if (source is Source.ENVIRONMENT) != (origin is None):
        raise ImportingError(
            "environment takes no PATH: leave it out, because this process's own variables are read"
            if origin is not None
            else f"{source} needs the PATH to read: name it, or - for stdin"
        )
    if (source is Source.ENVIRONMENT) != (only is not None):
        raise ImportingError("environment needs --only PREFIX, so that not every variable is imported, and other sources do not take it")
    if source is Source.ENVIRONMENT:
        return environment.read(os.environ, only=only or "")
    path = origin or "-"
    try:
        match source:
            case Source.FOLDER:
                return folder.read(Path(path), definition=file)
            case Source.DOTENV:
                return dotenv.read(_text(path))
            case Source.JSON:
                return json.read(_text(path))
            case Source.SOPS:
                return sops.read(_text(path))
    except ImportingError as error:
        raise ImportingError(f"{path}: {error}") from None


def _text(path: str) -> str:
    if path == "-":
        return files.decode(sys.stdin.buffer.read(), "stdin")
    return files.read_text(path, limit_bytes=DEFINITION_BYTES)
