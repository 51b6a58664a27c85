"""The commands that an operator begins with: `init`, `keygen` and `address`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from coffer_common import keyfile, paths
from coffer_protocol.address import ServerAddress, check_name
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id, parse_id
from coffer_protocol.limits import NAME_CHARACTERS

from .. import settings
from ..definition import Definition
from ..releases.reader import publisher_line
from ..settings import PublisherState, parse_address
from ..target import Target
from .options import (
    CofferOption,
    EnvOption,
    IdentityOption,
    OutsideOption,
    ServerOption,
    chosen_target,
    defined_target,
    load_definition,
    read_identity,
)
from .output import tell, warn


def init(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The server's address, as `coffer-server id DIR` prints it.")],
    identity: IdentityOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="The publisher's name, such as laptop [default: this machine's name].", show_default=False
        ),
    ] = None,
) -> None:
    """Make a publisher's identity, remember the server, and print the command that lets the publisher in.

    If ADDRESS names a coffer that has publishers, one of them adds this one. Otherwise the server's operator does.
    """
    parsed = parse_address(address, "ADDRESS")
    shown = _machine_name(os.uname().nodename) if name is None else check_name(name, "the publisher")
    path = _identity_path(identity)
    publisher = read_identity(path) if path.exists() else keyfile.create(path)
    text = publisher.public_text()
    keyfile.ensure_public(path, text)
    written = settings.remember_server(parsed)
    tell(f"identity: {path}\nserver:   {parsed.hosts[0]}, remembered in {written}")
    options = ["--name", shown] if shown else []
    if publisher.publisher_key() in parsed.publishers:
        tell("The address names this publisher. If the server's operator has let it in: coffer-companion upload secrets.toml")
    elif parsed.publishers:
        tell(f"Coffer {parsed.coffer} has publishers. One of them adds this one, and is then told what comes next:\n")
        typer.echo(shlex.join(["coffer-companion", "publishers", "add", *options, text]))
    else:
        _tell_first(parsed, publisher_line("add", parsed.coffer or "COFFER", *options, text))


def _tell_first(address: ServerAddress, line: str) -> None:
    """Print what lets the first publisher of a coffer in, and say what any other one needs."""
    tell("On the server's machine, let this publisher in:\n")
    typer.echo(line)
    hint = (
        "" if address.coffer else " COFFER is the coffer's name: secrets.toml publishes `secrets`, unless its [coffer] name says otherwise."
    )
    tell(f"\nDIR is the folder that `coffer-server init` made.{hint} Then: coffer-companion upload secrets.toml")
    tell("If the coffer has a publisher already, that one must add this one instead: coffer-companion publishers add KEY --name NAME")


def _machine_name(host: str) -> str:
    """Return a publisher's name made of a machine's, or the empty text if that gives none."""
    kept = re.sub("[^a-z0-9_-]+", "-", host.partition(".")[0].lower()).strip("-")
    return kept[:NAME_CHARACTERS]


def _identity_path(given: Path | None) -> Path:
    return settings.publisher_key() if given is None else Path(paths.expand(given))


def keygen(
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="The file to make [default: publisher.key of `init`].", show_default=False)
    ] = None,
) -> None:
    """Make a publisher's identity and print its public key."""
    place = _identity_path(path)
    identity = keyfile.create(place)
    tell(f"identity: {place}")
    typer.echo(identity.public_text())


def show_id(
    identity: IdentityOption = None,
    as_text: Annotated[bool, typer.Option("--text", help="Print the public key text alone, for `coffer-server publisher add`.")] = False,
) -> None:
    """Show the publisher's fingerprint, publisher key and id."""
    own = read_identity(identity)
    if as_text:
        typer.echo(own.public_text())
        return
    typer.echo(f"fingerprint    {own.public().fingerprint_text()}")
    typer.echo(f"publisher key  {format_id(own.publisher_key())}")
    typer.echo(f"id             {format_id(own.id())}")


def address(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The definition of the coffer.", show_default=False)] = None,
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Print the address for clients with a bare NaCl key (suite 0). This needs [coffer] plain_server.")
    ] = False,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
) -> None:
    """Print the address that clients need: the server, the coffer, its publishers and the newest serial."""
    definition = None if file is None else load_definition(file, env, allow_outside)
    target = chosen_target(coffer, server, identity) if definition is None else defined_target(definition, server, identity)
    state = PublisherState.load(target.state_file)
    if state.seen is None:
        warn([f"coffer {target.coffer!r} has not been published from here yet, so the address has no serial"])
    if bare:
        target = _with_plain_server(target, definition)
    typer.echo(str(target.client_address(state.publishers or target.roots(), state.seen.serial if state.seen is not None else 0)))


def _with_plain_server(target: Target, definition: Definition | None) -> Target:
    """Return the same target at the server's address for suite 0."""
    text = definition.plain_server if definition is not None else None
    if text is None:
        raise KeyTextError(
            "--bare needs the server's plain id: write `plain_server = \"…\"` in the definition's [coffer], as `coffer-server id DIR` "
            "prints it, and name the definition (coffer-companion address --bare FILE)"
        )
    plain = parse_address(text, "[coffer] plain_server") if text.startswith("coffer:") else None
    reached = ServerAddress(
        server=plain.server if plain is not None else parse_id(text),
        hosts=plain.hosts if plain is not None else target.address.hosts,
        publishers=target.address.publishers,
    )
    return Target(address=reached, coffer=target.coffer, identity=target.identity, state_file=target.state_file)
