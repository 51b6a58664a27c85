"""The command line of the server, except for the commands in upkeep.py."""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import trio
import typer

from coffer_common import files, times
from coffer_common.application import Application, Program
from coffer_common.errors import TextFileError
from coffer_common.identifiers import Named, find, id_bounds, publisher_label
from coffer_common.program import error_lines, warning_lines
from coffer_protocol.address import Host, ServerAddress, check_name
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import ID_BYTES, PUBLIC_PREFIX, Identity, PublicKey, format_id, only_line, parse_client_key, parse_public_file
from coffer_protocol.suite import Responder
from coffer_protocol.suite.box import BoxResponder
from coffer_protocol.suite.noise import NoiseResponder, hint

from . import PROGRAM, config, logs, server, upkeep
from .errors import NotServingError, StateError
from .health import report as health
from .health import socket as healthsocket
from .service import Service
from .state import StateFolder, read_identity
from .store.base import Publisher, Store

# The exit codes of every command. `health` has more (health.EXITS).
EXITS: Final = {
    0: "done",
    1: "failed: stderr says what happened, where, and what to do",
    2: "wrong usage, or a package is missing",
}

app = Program(PROGRAM, EXITS, help="Store sealed secrets and give each client its own.", add_completion=False)
publisher_app = Application(help="Add, list and remove publishers.")
app.add_typer(publisher_app, name="publisher")
client_app = Application(help="Block and unblock clients by id.")
app.add_typer(client_app, name="client")
rotate_app = Application(help="Rotate keys.")
app.add_typer(rotate_app, name="rotate")

# Python collects garbage after so many new objects, and each older generation after so many collections of the younger one. Python's
# own values are 700 and 10.
_GARBAGE_OBJECTS: Final = 20_000
_GARBAGE_GENERATIONS: Final = 50

# More are not needed to see that a beginning fits several, and to show some.
_IDS_LOOKED_AT: Final = 100

Folder = upkeep.Folder
ClientId = Annotated[
    str,
    typer.Argument(
        metavar="CLIENT",
        help="The client's id, its public key text, a .pub file, or - for stdin; or the beginning of an id or text that the server knows.",
    ),
]
CofferName = Annotated[str, typer.Argument(metavar="COFFER", help="The coffer's name.")]


@app.command()
def init(
    folder: Folder,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME[:PORT]", help="The name that clients will use. The server then listens on all interfaces."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"Use a PostgreSQL database ({config.STORE_PREFIX}…), which several servers may share."),
    ] = None,
    identity_path: Annotated[
        Path | None,
        typer.Option("--identity", metavar="FILE", help="Use the identity in FILE: the one of the servers that share the database."),
    ] = None,
) -> None:
    """Create a server: a state folder with identity, settings and database. Show the address for the operator."""
    settings = config.for_host(None if host is None else Host.from_text(host), store=store)
    identity = StateFolder(folder).create(settings, None if identity_path is None else read_identity(identity_path))
    address = _address(identity.id(), settings.advertised)
    typer.echo(address)
    typer.echo(f"On the operator's machine:\n  coffer-companion init '{address}'", err=True)
    typer.echo(f"Here:\n  coffer-server run {shlex.quote(str(folder))}", err=True)
    _warn_unreachable(settings.advertised)


@app.command("id")
def show_id(folder: Folder) -> None:
    """Show the server's ids, and the address that the operator needs for each."""
    state = StateFolder(folder)
    state.check(["id", str(folder)])
    settings, identity = state.settings(), state.identity()
    typer.echo(f"suite 1: publishers, and clients with a key from `coffer-client keygen`\n  id       {format_id(identity.id())}")
    typer.echo(f"  address  {_address(identity.id(), settings.advertised)}")
    if 0 in settings.suites:
        typer.echo(f"suite 0: clients with a bare NaCl key\n  id       {format_id(identity.plain_id())}")
        typer.echo(f"  address  {_address(identity.plain_id(), settings.advertised)}")
    _warn_unreachable(settings.advertised)


@app.command()
def run(
    folder: Folder,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Listen on this address instead of those in server.toml. May be given several times."),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the bound addresses to PATH, one a line, when the server is ready.")
    ] = None,
) -> None:
    """Run the server until SIGTERM or SIGINT."""
    state = StateFolder(folder)
    state.check(["run", str(folder), *(word for host in listen or () for word in ("--listen", host))])
    settings, identity = state.settings(), state.identity()
    logs.configure(settings)
    if state.is_store_lost():
        logs.log.warning("the database is missing: creating a new one; add the publishers again, and upload")
    hosts = [Host.from_text(text) for text in listen] if listen else settings.listen
    with state.in_use():
        _serve(state, settings, identity, hosts, ready_file)


def _serve(state: StateFolder, settings: config.Settings, identity: Identity, hosts: Sequence[Host], ready_file: Path | None) -> None:
    store = state.store()
    try:
        service = Service(
            store=store,
            responders={suite: maker for suite, maker in _responders(identity).items() if suite in settings.suites},
            settings=settings,
            folder=state.path,
            now=time.time,
        )
        _spare_collections()
        trio.run(lambda: server.run(service, hosts, ready_file=ready_file))
    finally:
        store.close()


def _spare_collections() -> None:
    """Make Python collect cyclic garbage less often: with ten thousand sessions it would look at a million objects, and find hardly any."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS, _GARBAGE_GENERATIONS, _GARBAGE_GENERATIONS)


@app.command("health", exits=EXITS | health.EXITS)
def show_health(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the health of the server that runs on DIR."""
    StateFolder(folder).check(["health", str(folder), *(["--json"] if as_json else [])])
    try:
        report = healthsocket.ask(folder)
    except NotServingError as error:
        if as_json:
            typer.echo(json.dumps({"status": "not serving", "reason": str(error)}))
        _tell(error_lines(PROGRAM, error))
        raise typer.Exit(health.EXIT_NOT_SERVING) from None
    typer.echo(report.to_json() if as_json else health.as_text(report))
    raise typer.Exit(report.exit_code)


app.command()(upkeep.verify)
app.command()(upkeep.rebuild)
app.command("log")(upkeep.show_log)
app.command()(upkeep.backup)
app.command()(upkeep.restore)
rotate_app.command("at-rest")(upkeep.rotate_at_rest)


def _responders(identity: Identity) -> dict[int, Callable[[], Responder]]:
    keys = {hint(identity.id()): identity.box_secret()}
    plain_secret = identity.plain_secret()

    def noise() -> Responder:
        return NoiseResponder(keys)

    def box() -> Responder:
        return BoxResponder(plain_secret)

    return {1: noise, 0: box}


# --------------------------------------------------------------------------------------------------------- publishers


@publisher_app.command("add")
def add_publisher(
    folder: Folder,
    coffer: CofferName,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The publisher's public key text, a .pub file, or - for stdin.")],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A name for this publisher, such as laptop.")] = None,
    may_block: Annotated[bool, typer.Option("--may-block", help="Let it block and unblock the coffer's clients.")] = False,
) -> None:
    """Add a publisher to a coffer, from its next upload on. A running server need not be restarted."""
    state = StateFolder(folder)
    options = [*(["--name", name] if name is not None else []), *(["--may-block"] if may_block else [])]
    state.check(["publisher", "add", str(folder), coffer, key, *options])
    check_name(coffer, "the coffer")
    if name is not None:
        check_name(name, "the publisher")
    public = _read_key(key)
    store = state.store()
    try:
        holder = store.look_up(public.id)
        is_new = store.add_publisher(coffer=coffer, key=public, name=name, now=int(time.time()), may_block=may_block)
        (shown,) = (publisher_label(one.name, one.key) for one in store.publishers() if one.key == public)
        since = next((one.at for one in store.blocked() if one.id == public.id), None)
    finally:
        store.close()
    typer.echo(f"{shown} {'is now' if is_new else 'is already'} a publisher of {coffer}", err=True)
    if is_new and holder is not None and holder.serial is not None:
        _tell(
            warning_lines(
                PROGRAM,
                f"the newest release of {coffer} has this key already, as a client or as a publisher that was removed here",
                hint="if it is a client's, remove it again, and give the publisher an identity of its own: coffer-companion keygen PATH",
            )
        )
    if since is not None:
        unblock = f"coffer-server client unblock {shlex.quote(str(folder))} {public.fingerprint_text()}"
        _tell(
            warning_lines(
                PROGRAM,
                f"the publisher has been blocked since {times.show(since)}, and has no rights until it is unblocked",
                hint=unblock,
            )
        )


@publisher_app.command("list")
def list_publishers(folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")] = False) -> None:
    """List the publishers of all coffers."""
    state = StateFolder(folder)
    state.check(["publisher", "list", str(folder), *(["--json"] if as_json else [])])
    store = state.store()
    try:
        listed = store.publishers()
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([_as_json(publisher) for publisher in listed], indent=2))
        return
    if not listed:
        typer.echo("there are no publishers yet", err=True)
        _tell(f"hint: add one with: coffer-server publisher add {shlex.quote(str(folder))} COFFER KEY\n")
    for publisher in listed:
        typer.echo(f"{publisher.coffer}  {publisher.name or '-'}  {publisher.key.fingerprint_text()}  {times.show(publisher.added)}")


@publisher_app.command("remove")
def remove_publisher(
    folder: Folder,
    coffer: CofferName,
    who: Annotated[
        str,
        typer.Argument(
            metavar="PUBLISHER",
            help="The publisher's name, fingerprint, publisher key, id or public key text; or a beginning; a .pub file, or - for stdin.",
        ),
    ],
) -> None:
    """Remove a publisher from a coffer, from its next upload on. A running server need not be restarted."""
    state = StateFolder(folder)
    state.check(["publisher", "remove", str(folder), coffer, who])
    store = state.store()
    try:
        of_coffer = [Named.publisher(one, one.name, one.key) for one in store.publishers() if one.coffer == coffer]
        found = find(who, of_coffer)
        if found is None and _is_file(who):
            found = find(_read_key(who), of_coffer)
        if found is None:
            raise StateError(
                f"{_shortened(who)} is not a publisher of {coffer!r}",
                hint=f"list the publishers with: coffer-server publisher list {shlex.quote(str(folder))}",
            )
        store.remove_publisher(coffer=coffer, publisher=found.key.id, now=int(time.time()))
    finally:
        store.close()
    typer.echo(f"{publisher_label(found.name, found.key)} may no longer publish {coffer}", err=True)


def _tell(lines: str) -> None:
    typer.echo(lines, err=True, nl=False)


def _as_json(publisher: Publisher) -> dict[str, object]:
    return {
        "coffer": publisher.coffer,
        "name": publisher.name,
        "publisher": format_id(publisher.key.sign),
        "id": format_id(publisher.key.id),
        "fingerprint": publisher.key.fingerprint_text(),
        "may_block": publisher.may_block,
        "added": publisher.added,
    }


def _read_key(text: str) -> PublicKey:
    """Return the public key that an argument gives: as text, as the path of a `.pub` file, or by `-` on stdin.

    Raises:
        KeyTextError: if the argument gives no public key.
    """
    if text == "-":
        return parse_public_file(files.decode(sys.stdin.buffer.read(), "stdin"))
    if text.startswith(PUBLIC_PREFIX):
        return PublicKey.from_text(text)
    path = Path(text)
    try:
        content = files.read_text(path)
    except TextFileError:
        raise KeyTextError(
            f"{_shortened(text)} is neither a public key text ({PUBLIC_PREFIX}…) nor a readable file",
            hint="`coffer-companion init` on the publisher's machine prints this whole command",
        ) from None
    try:
        return parse_public_file(content)
    except KeyTextError as error:
        raise KeyTextError(f"{path}: {error}") from None


def _is_file(text: str) -> bool:
    """Return whether an argument is meant as a file, or as stdin."""
    return text == "-" or os.path.exists(text)


def _shortened(text: str) -> str:
    # The user may have given a secret by mistake. It must not be repeated on a terminal, which may be logged.
    return repr(text) if len(text) <= 64 and not text.upper().startswith("COFFER-SECRET") else "this"


# ------------------------------------------------------------------------------------------------------------ clients


@client_app.command("block")
def block_client(folder: Folder, client: ClientId) -> None:
    """Block a client, or a publisher, from its next request on. The server treats it as unknown.

    A whole id, or a public key text, may be one that the server has never seen. A running server need not be restarted.
    """
    state = StateFolder(folder)
    state.check(["client", "block", str(folder), client])
    store = state.store()
    try:
        id_ = _client_id(client, store)
        shown = _shown(id_, store.publishers())
        known = store.look_up(id_)
        is_new = store.block(id_, now=int(time.time()))
    finally:
        store.close()
    if not is_new:
        typer.echo(f"{shown} is already blocked", err=True)
        return
    if known is None:
        typer.echo(f"{shown} is now blocked; this server does not know the id yet", err=True)
    else:
        typer.echo(f"{shown} is now blocked; its shard stays in {known.coffer} until a release drops it", err=True)
        _tell("hint: a blocked client keeps what it has fetched: if its key was stolen, change those secrets\n")


@client_app.command("unblock")
def unblock_client(folder: Folder, client: ClientId) -> None:
    """Unblock a client: it gets its shard of the current release again, and has its former rights."""
    state = StateFolder(folder)
    state.check(["client", "unblock", str(folder), client])
    store = state.store()
    try:
        id_ = _client_id(client, store)
        shown = _shown(id_, store.publishers())
        if not store.unblock(id_, now=int(time.time())):
            raise StateError(
                f"{shown} is not blocked",
                hint=f"list the blocked ids with: coffer-server client list {shlex.quote(str(folder))}",
            )
    finally:
        store.close()
    typer.echo(f"{shown} is no longer blocked", err=True)


@client_app.command("list")
def list_clients(folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")] = False) -> None:
    """List the blocked ids, and since when each is blocked."""
    state = StateFolder(folder)
    state.check(["client", "list", str(folder), *(["--json"] if as_json else [])])
    store = state.store()
    try:
        blocked, publishers = store.blocked(), store.publishers()
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([{"id": format_id(one.id), "blocked": one.at} for one in blocked], indent=2))
        return
    if not blocked:
        typer.echo("no client is blocked", err=True)
    for one in blocked:
        typer.echo(f"{_shown(one.id, publishers)}  {times.show(one.at)}")


def _client_id(text: str, store: Store) -> bytes:
    """Return the id of the client, or publisher, that an argument means.

    Raises:
        AmbiguousError: it means more than one.
        KeyTextError: it means none: it is neither whole, nor the beginning of what the server knows.
    """
    if id_bounds(text) is None and _is_file(text):
        text = only_line(files.decode(sys.stdin.buffer.read(), "stdin") if text == "-" else files.read_text(Path(text)), "public key")
    known: dict[bytes, Named[bytes]] = {}
    if (bounds := id_bounds(text)) is not None:
        known = {id_: Named.client(id_, id_) for id_ in store.ids_between(*bounds, limit=_IDS_LOOKED_AT)}
    # A client's name is not known here, and a publisher's may be the same: names mean nobody.
    known |= {one.key.id: Named.publisher(one.key.id, None, one.key) for one in store.publishers()}
    found = find(text, known.values())
    if found is not None:
        return found
    try:
        return parse_client_key(text).id
    except KeyTextError:
        raise KeyTextError(
            f"{_shortened(text)} is neither a whole id ({2 * ID_BYTES} hex digits) or public key text, nor the beginning of one that this "
            "server knows",
            hint="`coffer-companion show` shows the clients' ids by their names",
        ) from None


def _shown(id_: bytes, publishers: Sequence[Publisher]) -> str:
    """Return what people know an id by: a publisher's name and fingerprint, or the id of a client."""
    return next((publisher_label(one.name, one.key) for one in publishers if one.key.id == id_), format_id(id_))


# ---------------------------------------------------------------------------------------------------------- addresses


def _address(server_id: bytes, host: Host) -> str:
    return str(ServerAddress(server=server_id, hosts=(host,)))


def _warn_unreachable(host: Host) -> None:
    if _is_reachable(host.name):
        return
    _tell(
        warning_lines(
            PROGRAM,
            f"other machines cannot reach {host.name}",
            hint="set `advertise` and `listen` in server.toml; a new server gets both from `init DIR --host NAME`",
        )
    )


def _is_reachable(name: str) -> bool:
    """Return whether clients on other machines may reach this machine by `name`."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name != "localhost" and not name.endswith(".localhost")
    return not (address.is_loopback or address.is_unspecified)
