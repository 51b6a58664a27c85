"""The command line `coffer-companion`: options in, sentences out. What the commands do is in the modules beside this one.

Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 it failed; 2 usage, or a definition that is wrong; 3 the server cannot be
reached; 4 the server does not know this publisher, or does not let it; 5 what the server shows does not verify; 7 another release came first;
10 there are changes, and `diff --exit-code` was asked; 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import trio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coffer_client import keyfile
from coffer_protocol.address import ServerAddress, check_name
from coffer_protocol.errors import (
    CofferError,
    KeyNotFoundError,
    KeyTextError,
    ProtocolError,
    ReleaseError,
    ServerError,
    UnreachableError,
)
from coffer_protocol.identity import Identity, PublicKey, parse_id
from coffer_protocol.release.head import DEFAULT_LIFETIME_S

from . import checking, places, settings
from .compile import wanted_shards
from .definition import Definition, DefinitionError, load, parse_lifetime
from .plan import Plan
from .publish import Publication, preview, publish
from .settings import PublisherState, parse_address

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_UNKNOWN: Final = 4
EXIT_REFUSED: Final = 5
EXIT_CONFLICT: Final = 7
EXIT_CHANGES: Final = 10
EXIT_INTERRUPTED: Final = 130

app = typer.Typer(
    name="coffer-companion",
    help="Compile a definition of secrets and publish it to a Coffer server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
errors = Console(stderr=True, highlight=False)
output = Console(highlight=False)


# ------------------------------------------------------------------------------------------------------ what fails


def _exit_code(error: CofferError) -> int:
    match error:
        case DefinitionError() | KeyTextError() | settings.SettingsError():
            return EXIT_USAGE
        case UnreachableError():
            return EXIT_UNREACHABLE
        case KeyNotFoundError() | ServerError(code="denied" | "suite"):
            return EXIT_UNKNOWN
        case ServerError(code="conflict"):
            return EXIT_CONFLICT
        case ServerError(code="busy" | "limit" | "internal"):
            return EXIT_FAILED
        case ReleaseError() | ProtocolError():
            return EXIT_REFUSED
    return EXIT_FAILED


def _fail(message: str, code: int) -> NoReturn:
    errors.print(f"coffer-companion: {message}", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        errors.print(f"warning: {warning}", markup=False, soft_wrap=True)


def run() -> None:
    """The command line, with every expected error as one sentence."""
    try:
        app()
    except CofferError as error:
        errors.print(f"coffer-companion: {error}", markup=False, soft_wrap=True)
        sys.exit(_exit_code(error))
    except OSError as error:
        errors.print(f"coffer-companion: {error.filename or 'the system'}: {error.strerror}", markup=False, soft_wrap=True)
        sys.exit(EXIT_FAILED)


def _publisher_line(identity: PublicKey, coffer: str) -> str:
    """What the server's operator types to let this publisher in."""
    return f"coffer-server publisher add DIR {coffer} {identity.text()}"


# ------------------------------------------------------------------------------------------------- shared options

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The definition, a TOML file.", show_default=False)]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="ADDRESS", help="The server [COFFER_SERVER, else the definition's, else companion.toml's].", show_default=False
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", metavar="PATH", help="The publisher's identity file [default: publisher.key of `init`].", show_default=False
    ),
]
EnvOption = Annotated[
    str | None, typer.Option("--env", metavar="NAME", help="Overlay the definition with its [env.NAME].", show_default=False)
]
OutsideOption = Annotated[bool, typer.Option("--allow-outside", help="Let from_file read files outside the definition's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")]
ExpiresOption = Annotated[
    str | None,
    typer.Option("--expires", metavar="400d|never", help="How long the release is good for [default: 400d].", show_default=False),
]


def _load(file: Path, env: str | None, allow_outside: bool) -> Definition:
    return load(file, overlay=env, environ=os.environ, allow_outside=allow_outside, today=date.today())


def _server_address(server: str | None, definition: Definition | None) -> ServerAddress:
    """The server, from the first place that names one.

    Raises:
        KeyTextError: no place does, or the first that does holds no address.
    """
    places_in_order: list[tuple[str, Callable[[], str | None]]] = [
        ("--server", lambda: server),
        ("COFFER_SERVER", lambda: os.environ.get("COFFER_SERVER")),
        ("[coffer] server", lambda: definition.server if definition is not None else None),
        (str(places.settings_file()), settings.remembered_server),
    ]
    for source, read in places_in_order:
        if text := read():
            return parse_address(text, source)
    raise KeyTextError("no server is named: `coffer-companion init ADDRESS` remembers one, ADDRESS as `coffer-server id DIR` prints it")


def _coffer_name(address: ServerAddress, definition: Definition | None) -> str:
    """The coffer's name: the definition's, else the address's, else the file's.

    Raises:
        KeyTextError: two of them differ, or none is a name.
    """
    named = definition.name if definition is not None else None
    if named is not None and address.coffer is not None and named != address.coffer:
        raise KeyTextError(
            f"the definition's [coffer] name is {named!r}, and the server's address says {address.coffer!r}: make them agree"
        )
    if name := named or address.coffer:
        return name
    if definition is None:
        raise KeyTextError("which coffer? Name its definition: coffer-companion address FILE")
    return check_name(definition.path.stem, f"{definition.path.name}: no [coffer] name is given, and the file's own name would be")


def _identity(path: Path | None) -> Identity:
    place = path or places.publisher_key()
    if path is None and not place.exists():
        raise KeyTextError(f"there is no publisher's identity at {place}: `coffer-companion init ADDRESS` makes one")
    return keyfile.read(place, program="coffer-companion")


# ------------------------------------------------------------------------------------------------------- commands


@app.command()
def init(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The server's address, as `coffer-server id DIR` prints it.")],
    identity: IdentityOption = None,
) -> None:
    """Make a publisher's identity, remember the server, and print what the server's operator must type."""
    parsed = parse_address(address, "ADDRESS")
    path = identity or places.publisher_key()
    public = (_identity(path) if path.exists() else keyfile.create(path)).public()
    written = settings.remember_server(parsed)
    errors.print(f"identity: {path}\nserver:   {parsed.hosts[0]}, remembered in {written}", markup=False, soft_wrap=True)
    coffer = parsed.coffer or "COFFER"
    errors.print("On the server's machine, let this publisher in:\n", markup=False)
    typer.echo(_publisher_line(public, coffer))
    hint = (
        "" if parsed.coffer else " COFFER is the coffer's name: secrets.toml publishes `secrets`, unless its [coffer] name says otherwise."
    )
    errors.print(f"\nDIR is the folder that `coffer-server init` made.{hint} Then: coffer-companion upload secrets.toml", soft_wrap=True)


@app.command()
def keygen(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="Where to put it [default: publisher.key of `init`].", show_default=False)
    ] = None,
) -> None:
    """Make a publisher's identity, and print its public key."""
    place = path or places.publisher_key()
    identity = keyfile.create(place)
    errors.print(f"identity: {place}", markup=False, soft_wrap=True)
    typer.echo(identity.public().text())


@app.command()
def check(file: FileArgument, env: EnvOption = None, allow_outside: OutsideOption = False) -> None:
    """Read a definition, and say what is wrong or looks wrong with it. Nothing is sent."""
    definition = _load(file, env, allow_outside)
    wanted = wanted_shards(definition)
    _warn((*definition.warnings, *checking.lint(definition)))
    keys = sum(len(client.secrets) for client in definition.clients.values())
    typer.echo(f"{file}: {len(definition.clients)} clients with {len(wanted)} public keys, {keys} values: good")


@app.command()
def upload(
    file: FileArgument,
    server: ServerOption = None,
    identity: IdentityOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    expires: ExpiresOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing. Nothing is asked yet; scripts may say it.")] = False,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Let a third of the clients, or all keys of one, be removed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a definition: compile it, send what changed, sign it, commit it."""
    definition = _load(file, env, allow_outside)
    publication = _publication(definition, server, identity, expires)
    _warn((*definition.warnings, *checking.lint(definition)))
    if dry_run:
        _show(_run(publication, partial(preview, publication)), as_json)
        return

    def approve(plan: Plan) -> None:
        _show(plan, as_json)
        if not allow_removals and (removals := plan.drastic_removals()) is not None:
            _fail(f"{removals}: nothing was changed. If it is meant: --allow-removals", EXIT_FAILED)

    with _progress() as progress:
        serial = _run(publication, partial(publish, publication, approve=approve, progress=progress))
    if serial is None:
        errors.print("nothing to change")
        return
    address = _client_address(publication, serial)
    errors.print(f"published release {serial} of {publication.coffer}. Clients reach it at:", markup=False)
    # With --json, stdout is the plan's alone.
    typer.echo(str(address), err=as_json)


@app.command()
def diff(
    file: FileArgument,
    server: ServerOption = None,
    identity: IdentityOption = None,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 10 where there are changes, 0 where there are none.")] = False,
) -> None:
    """Show how a definition differs from what the server holds. Nothing is changed."""
    definition = _load(file, env, allow_outside)
    publication = _publication(definition, server, identity, None)
    plan = _run(publication, partial(preview, publication))
    _show(plan, as_json)
    if exit_code and not plan.is_empty:
        raise typer.Exit(EXIT_CHANGES)


@app.command()
def explain(
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    key: Annotated[str, typer.Argument(metavar="KEY")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The definition.")] = Path("secrets.toml"),
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
) -> None:
    """Say where a client's value comes from. The value itself is not shown."""
    definition = _load(file, env, allow_outside)
    if (found := definition.clients.get(client)) is None:
        _fail(f"{file}: there is no client {client!r}; there are {', '.join(definition.clients)}", EXIT_USAGE)
    if (origin := found.origins.get(key)) is None:
        _fail(f"{file}: {client} has no key {key!r}; it has {', '.join(secret.key for secret in found.secrets)}", EXIT_USAGE)
    typer.echo(f"{client} {key}: {origin.how}, {origin.path}:{origin.line}:{origin.column}")


@app.command()
def address(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The definition of the coffer.", show_default=False)] = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="For clients known by a bare NaCl key (suite 0): needs [coffer] plain_server.")
    ] = False,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
) -> None:
    """Print the address that clients need: server, coffer, publisher and newest serial."""
    definition = None if file is None else _load(file, env, allow_outside)
    publisher = _identity(identity)
    reached = _server_address(server, definition)
    coffer = _coffer_name(reached, definition)
    state = PublisherState.load(places.state_file(server=reached.server, coffer=coffer, publisher=publisher.id()))
    if state.seen is None:
        errors.print(
            f"warning: nothing of coffer {coffer!r} has been published from here yet, so the address has no serial", soft_wrap=True
        )
    plain = _plain_server(reached, definition) if bare else reached
    typer.echo(str(_with_demands(plain, coffer, reached, publisher, state.seen.serial if state.seen is not None else 0)))


def _plain_server(reached: ServerAddress, definition: Definition | None) -> ServerAddress:
    """The address under which the server speaks suite 0."""
    text = definition.plain_server if definition is not None else None
    if text is None:
        raise KeyTextError(
            "--bare needs the server's plain id: put `plain_server = \"…\"` into the definition's [coffer], as `coffer-server id DIR` prints it, "
            "and name the definition: coffer-companion address --bare FILE"
        )
    if text.startswith("coffer:"):
        return parse_address(text, "[coffer] plain_server")
    return ServerAddress(server=parse_id(text), hosts=reached.hosts)


def _with_demands(place: ServerAddress, coffer: str, reached: ServerAddress, publisher: Identity, serial: int) -> ServerAddress:
    publishers = tuple(dict.fromkeys((*reached.publishers, publisher.publisher_key())))
    return ServerAddress(server=place.server, hosts=place.hosts, coffer=coffer, publishers=publishers, serial=serial)


def _client_address(publication: Publication, serial: int) -> ServerAddress:
    return _with_demands(publication.address, publication.coffer, publication.address, publication.identity, serial)


# ------------------------------------------------------------------------------------------------- how uploads run


def _publication(definition: Definition, server: str | None, identity: Path | None, expires: str | None) -> Publication:
    reached = _server_address(server, definition)
    coffer = _coffer_name(reached, definition)
    publisher = _identity(identity)
    lifetime = expires or definition.expires
    return Publication(
        address=reached,
        coffer=coffer,
        identity=publisher,
        wanted=wanted_shards(definition),
        public={client.name: client.public for client in definition.clients.values()},
        lifetime_s=DEFAULT_LIFETIME_S if lifetime is None else parse_lifetime(lifetime),
        renew=expires is not None,
        state_file=places.state_file(server=reached.server, coffer=coffer, publisher=publisher.id()),
    )


def _run(publication: Publication, main: Callable[[], Any]) -> Any:
    """Run it under trio, and add to a refusal what its reader should type."""
    try:
        return trio.run(main)
    except KeyboardInterrupt:
        _fail(
            "interrupted. Nothing was changed, unless the server was committing just then: `coffer-companion diff` tells", EXIT_INTERRUPTED
        )
    except (KeyNotFoundError, ServerError) as error:
        if isinstance(error, ServerError) and error.code == "conflict":
            _fail(
                "another release came first, and this one changed nothing: look at it (`coffer-companion diff`), then upload again",
                EXIT_CONFLICT,
            )
        if isinstance(error, ServerError) and error.code != "denied":
            raise
        line = shlex.join(["coffer-server", "publisher", "add", "DIR", publication.coffer, publication.identity.public().text()])
        _fail(
            f"the server does not let this identity publish coffer {publication.coffer!r}. If the name is right, type this on the server's "
            f"machine, DIR being the folder that `coffer-server init` made:\n\n{line}\n",
            EXIT_UNKNOWN,
        )


def _show(plan: Plan, as_json: bool) -> None:
    if as_json:
        typer.echo(plan.to_json())
    else:
        plan.show(output)


class _progress:  # noqa: N801 - a context manager, used as a function
    """A progress bar on a terminal's stderr; nothing elsewhere."""

    def __init__(self) -> None:
        columns = (TextColumn("sealing and sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar.start()
        return self._update

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _update(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total, visible=True)
