"""The commands about a definition alone, which send nothing: `check` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffer_common.errors import UsageError

from ..definition import lint
from ..releases.shards import wanted_shards
from .options import EnvOption, FileArgument, OutsideOption, load_definition
from .output import warn


def check(file: FileArgument, env: EnvOption = None, allow_outside: OutsideOption = False) -> None:
    """Check a definition for mistakes, and for what looks like one. Nothing is sent."""
    definition = load_definition(file, env, allow_outside)
    wanted = wanted_shards(definition)
    warn((*definition.warnings, *lint.lint(definition)))
    keys = sum(len(client.secrets) for client in definition.clients.values())
    typer.echo(f"{file}: {len(definition.clients)} clients with {len(wanted)} public keys, {keys} values: good")


def explain(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client that gets the value.", show_default=False)],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key of the value.", show_default=False)],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The definition.")] = Path("secrets.toml"),
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
) -> None:
    """Explain where a client's value comes from. The value itself is not shown."""
    definition = load_definition(file, env, allow_outside)
    if (found := definition.clients.get(client)) is None:
        raise UsageError(f"{file}: there is no client {client!r}; the clients are {', '.join(definition.clients)}")
    if (origin := found.origins.get(key)) is None:
        raise UsageError(f"{file}: {client} has no key {key!r}; the keys are {', '.join(secret.key for secret in found.secrets)}")
    typer.echo(f"{client} {key}: {origin.how}, {origin.path}:{origin.line}:{origin.column}")
