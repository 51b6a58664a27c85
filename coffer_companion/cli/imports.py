"""`coffer-companion import`: secrets from where they were before, into a definition."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from coffer_common import files, paths
from coffer_common.errors import MissingFileError

from ..definition.source import DEFINITION_BYTES
from ..errors import ImportingError
from ..importers import dotenv, environment, folder, insertion, json, sops
from ..importers.values import Importable, flatten


class Source(StrEnum):
    """What secrets are imported from."""

    DOTENV = "dotenv"
    JSON = "json"
    SOPS = "sops"
    FOLDER = "folder"
    ENVIRONMENT = "environment"


def import_secrets(
    source: Annotated[
        Source,
        typer.Argument(
            metavar="SOURCE",
            help="What to read: dotenv (a .env file), json, sops (what `sops -d --output-type json` prints), folder, or environment.",
            show_default=False,
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The definition; made where there is none.", show_default=False)],
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Whose secrets they are.", show_default=False)],
    origin: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="The file or folder to read; - is standard input. None for `environment`.", show_default=False),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="PREFIX", help="Of the environment, the variables that begin so.", show_default=False),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over keys that the client has already.")] = False,
) -> None:
    """Add secrets from another form to a client's table in a definition. Comments and all else in it stay as they are."""
    values = _read(source, origin, only, file)
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
    """The values that a source holds.

    Raises:
        ImportingError: it cannot be read, or the arguments do not fit it.
    """
    if (source is Source.ENVIRONMENT) != (origin is None):
        raise ImportingError(
            "environment takes no PATH: the variables are this process's own"
            if origin is not None
            else f"{source} takes the PATH to read, or -"
        )
    if (source is Source.ENVIRONMENT) != (only is not None):
        raise ImportingError("environment takes --only PREFIX, so that not all of it is taken; nothing else does")
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
