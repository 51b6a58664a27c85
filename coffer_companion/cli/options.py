"""The options that commands share, and the target that follows from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from coffer_common import durations, files, keyfile
from coffer_common.errors import TextFileError, UsageError
from coffer_protocol.address import ServerAddress, check_name
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import PUBLIC_PREFIX, Identity, only_line
from coffer_protocol.release.head import DEFAULT_LIFETIME_S

from .. import settings
from ..definition import Definition, lint, load
from ..releases.shards import wanted_shards
from ..releases.upload import Publication
from ..settings import parse_address
from ..target import Target

# Serials have at most 64 bits.
_DIGITS: Final = 20

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The definition, a TOML file.", show_default=False)]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="ADDRESS",
        help="The server [default: COFFER_SERVER, then the definition, then companion.toml].",
        show_default=False,
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", metavar="PATH", help="The publisher's identity file [default: publisher.key of `init`].", show_default=False
    ),
]
CofferOption = Annotated[
    str | None,
    typer.Option(
        "--coffer",
        metavar="NAME",
        help="The coffer [default: that of the address, or the one that was published from here].",
        show_default=False,
    ),
]
EnvOption = Annotated[
    str | None, typer.Option("--env", metavar="NAME", help="Overlay the definition with its [env.NAME].", show_default=False)
]
OutsideOption = Annotated[bool, typer.Option("--allow-outside", help="Allow from_file to read files outside the definition's folder.")]
ReadableOption = Annotated[
    bool, typer.Option("--allow-readable", help="Allow a definition that other users can read, although it holds secrets in the clear.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, but change nothing.")]
RemovalsOption = Annotated[
    bool, typer.Option("--allow-removals", help="Allow the removal of more than a third of the clients, or of all keys of one.")
]
RevertsOption = Annotated[
    bool, typer.Option("--allow-reverts", help="Allow values, and public keys, to go back to what an earlier release had.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Answer yes to the question whether a client's new public keys are right, and to no other.")
]
ExpiresOption = Annotated[
    str | None,
    typer.Option("--expires", metavar="400d|never", help="The time for which the release is valid.", show_default=False),
]


def whole_number(text: str, place: str) -> int:
    """Return the whole number that an option or an argument gives; it counts from 1.

    Args:
        text: the number.
        place: the option or argument that has it: errors begin with it.

    Raises:
        UsageError: it is no such number.
    """
    # Python refuses longer texts by an error of its own.
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text)):
        raise UsageError(f"{place}: expected a whole number from 1")
    return int(text)


def load_definition(file: Path, env: str | None, allow_outside: bool) -> Definition:
    """Read a definition, in this process's environment and on this day. Raises as `definition.load`."""
    return load(file, overlay=env, environ=os.environ, allow_outside=allow_outside, today=date.today())


def publishable_definition(file: Path, env: str | None, allow_outside: bool, allow_readable: bool) -> Definition:
    """Read a definition as `load_definition` does, to publish it.

    Raises:
        ReadableDefinitionError: it holds secrets in the clear, other users can read it, and that is not allowed.
        What `load_definition` raises.
    """
    definition = load_definition(file, env, allow_outside)
    if not allow_readable:
        lint.refuse_readable(definition)
    return definition


def server_address(server: str | None, definition: Definition | None) -> ServerAddress:
    """Return the server's address from the first place that names one.

    Raises:
        KeyTextError: no place names one, or the first place that does has no valid address.
    """
    places_in_order: list[tuple[str, Callable[[], str | None]]] = [
        ("--server", lambda: server),
        ("COFFER_SERVER", lambda: os.environ.get("COFFER_SERVER")),
        ("[coffer] server", lambda: definition.server if definition is not None else None),
        (str(settings.settings_file()), settings.remembered_server),
    ]
    for source, read in places_in_order:
        if text := read():
            return parse_address(text, source)
    raise KeyTextError("no server is named: type `coffer-companion init ADDRESS` once, with the address that `coffer-server id DIR` prints")


def read_identity(path: Path | None) -> Identity:
    """Read the publisher's identity from a file, or from the default place.

    Raises:
        KeyTextError: there is no identity, or it cannot be used.
    """
    if path is None:
        return keyfile.read(settings.publisher_key(), missing="make one with `coffer-companion init ADDRESS`")
    return keyfile.read(path, missing=f"`coffer-companion keygen {path}` makes one")


def read_public_text(text: str) -> str:
    """Return a public key text, which is given itself or by the path of a `.pub` file.

    Raises:
        KeyTextError: it is neither, or the file does not hold one.
    """
    if text.startswith(PUBLIC_PREFIX):
        return text.strip()
    try:
        return only_line(files.read_text(text), "public key")
    except TextFileError:
        raise KeyTextError(
            f"{text}: this is neither a public key text ({PUBLIC_PREFIX}…, which `coffer-companion keygen` prints) nor a .pub file"
        ) from None


def defined_target(definition: Definition, server: str | None, identity: Path | None) -> Target:
    """Return the target of a definition. The coffer's name is that in the definition, that in the address, or that of the file.

    Raises:
        KeyTextError: the first two differ, there is no valid name, or the server or the identity cannot be used.
    """
    address = server_address(server, definition)
    if definition.name is not None and address.coffer is not None and definition.name != address.coffer:
        raise KeyTextError(
            f"the definition's [coffer] name is {definition.name!r}, and the server's address says {address.coffer!r}: make them agree"
        )
    named = definition.name or address.coffer
    coffer = named or check_name(
        definition.path.stem, f"{definition.path.name}: no [coffer] name is given, and the file's own name would be"
    )
    return Target.at(address, coffer, read_identity(identity))


def chosen_target(coffer: str | None, server: str | None, identity: Path | None) -> Target:
    """Return the target without a definition: the named coffer, that of the address, or the only one that was published from here.

    Raises:
        KeyTextError: the first two differ, no coffer or more than one is known, or the server or the identity cannot be used.
    """
    address = server_address(server, None)
    publisher = read_identity(identity)
    if coffer is not None and address.coffer is not None and coffer != address.coffer:
        raise KeyTextError(f"--coffer is {coffer!r}, and the server's address says {address.coffer!r}: make them agree")
    name = coffer or address.coffer
    if name is None:
        known = settings.known_coffers(server=address.server, publisher=publisher.id())
        if len(known) != 1:
            which = f"several were published from here ({', '.join(known)})" if known else "none was published from here yet"
            raise KeyTextError(f"no coffer is named, and {which}: name one with --coffer NAME")
        (name,) = known
    return Target.at(address, check_name(name, "the coffer"), publisher)


def publication(definition: Definition, expires: str | None) -> Publication:
    """Return the content that a definition publishes.

    Raises:
        UsageError: `expires` is not a lifetime.
        ShardError: a shard is too large.
    """
    lifetime, place = (expires, "--expires") if expires is not None else (definition.expires, "[coffer] expires")
    return Publication(
        wanted=wanted_shards(definition),
        public={client.name: client.public for client in definition.clients.values()},
        lifetime_s=DEFAULT_LIFETIME_S if lifetime is None else durations.parse_lifetime(lifetime, place),
        renew=expires is not None,
    )
