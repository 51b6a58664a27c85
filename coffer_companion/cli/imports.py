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

from ..definition import lint
from ..definition.source import DEFINITION_BYTES
from ..errors import ImportingError
from ..importers import encryption, environment, folder, insertion, json, sops
from ..importers.dotenv import reading
from ..importers.dotenv.reading import DIALECTS
from ..importers.values import Importable, flatten
from .output import warn


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
    dialect: Annotated[
        str | None,
        typer.Option(
            "--dialect",
            autocompletion=lambda: [*DIALECTS],
            metavar="NAME",
            help="With `dotenv`: read the file as this tool does: python (python-dotenv), compose (Docker Compose), node (npm's dotenv) or "
            "docker (docker run --env-file) [default: refuse what they read differently].",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace keys that the client already has.")] = False,
) -> None:
    """Import secrets into a client's table in a definition. Comments and everything else in it stay as they are."""
    if source not in {*Source}:
        raise UsageError(f"SOURCE: expected one of {', '.join(Source)}")
    if dialect is not None and (dialect not in DIALECTS or source != Source.DOTENV):
        raise UsageError(f"--dialect: expected one of {', '.join(DIALECTS)}, with the source dotenv")
    values = _read(Source(source), origin, only, file, dialect)
    encryption.refuse_encrypted_values(values)
    warn(lint.warn_of_readable(_files(Source(source), origin)))
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


def _read(source: Source, origin: str | None, only: str | None, file: Path, dialect: str | None) -> Mapping[str, Importable]:
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
                variables = reading.read(_text(path), dialect)
                warn(f"{path}: {warning}" for warning in variables.warnings)
                return variables.values
            case Source.JSON:
                return json.read(_text(path))
            case Source.SOPS:
                return sops.read(_text(path))
    except ImportingError as error:
        raise ImportingError(f"{path}: {error}") from None


def _files(source: Source, origin: str | None) -> list[Path]:
    """Return the files that hold the values of a source."""
    if origin is None or origin == "-":
        return []
    path = Path(origin)
    return sorted(path.iterdir()) if source is Source.FOLDER else [path]


def _text(path: str) -> str:
    text = files.decode(sys.stdin.buffer.read(), "stdin") if path == "-" else files.read_text(path, limit_bytes=DEFINITION_BYTES)
    encryption.refuse_encrypted_text(text)
    return text
