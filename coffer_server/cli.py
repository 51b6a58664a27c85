"""The command line of the server."""

from __future__ import annotations

import gc
import ipaddress
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import trio
import typer
from typer.core import TyperGroup

from coffer_common.program import HELP_OPTION, exit_codes, give_up_output, version_line
from coffer_protocol.address import Host, ServerAddress, check_name
from coffer_protocol.errors import CofferError, KeyTextError
from coffer_protocol.identity import PUBLIC_PREFIX, Identity, PublicKey, format_id, parse_id, parse_public_file
from coffer_protocol.suite import Responder
from coffer_protocol.suite.box import BoxResponder
from coffer_protocol.suite.noise import NoiseResponder, hint

from . import config, keyfile, logs, server, upkeep
from .errors import NotServingError, StateError
from .health import report as health
from .health import socket as healthsocket
from .service import Service
from .state import StateFolder
from .store.base import Publisher


class _Commands(TyperGroup):
    """Commands whose expected errors are sentences on stderr, never tracebacks."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except CofferError as error:
            typer.echo(f"coffer-server: {error}", err=True)
        except OSError as error:
            typer.echo(f"coffer-server: {error.filename or 'input/output'}: {error.strerror}", err=True)
            give_up_output()
        sys.exit(1)


PROGRAM: Final = "coffer-server"
# Those of every command; `health` has more (health.EXITS).
EXITS: Final = {
    0: "done",
    1: "failed, and stderr says what happened, where, and what to type next",
    2: "wrong usage, or a package is missing",
}

app = typer.Typer(
    cls=_Commands,
    help="Keep sealed secrets, and give each client its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP_OPTION,
    epilog=exit_codes(EXITS),
)
publisher_app = typer.Typer(help="Say who may publish what.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(publisher_app, name="publisher")
client_app = typer.Typer(help="Say who is served nothing, whatever releases have for it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(client_app, name="client")
rotate_app = typer.Typer(help="Change keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rotate_app, name="rotate")

# After so many new objects, and after so many collections of the younger ones: Python's own are 700 and 10.
_GARBAGE_OBJECTS: Final = 20_000
_GARBAGE_GENERATIONS: Final = 50

Folder = upkeep.Folder
ClientId = Annotated[str, typer.Argument(metavar="ID", help="The client's id, 64 hex digits: that of the suite it speaks.")]
CofferName = Annotated[str, typer.Argument(metavar="COFFER", help="The coffer's name.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line(PROGRAM))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """The program without a command."""


@app.command()
def init(
    folder: Folder,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME[:PORT]", help="The name that clients will use; makes the server listen on all interfaces."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"Use a PostgreSQL database, {config.STORE_PREFIX}…, that several servers may share."),
    ] = None,
    identity_path: Annotated[
        Path | None, typer.Option("--identity", metavar="FILE", help="Use the identity in this file: that of the servers to share with.")
    ] = None,
) -> None:
    """Make a server: its state folder with identity, settings and database. Prints the address for the operator."""
    settings = config.for_host(None if host is None else Host.from_text(host), store=store)
    identity = StateFolder(folder).create(settings, None if identity_path is None else keyfile.read(identity_path))
    address = _address(identity.id(), settings.advertised)
    typer.echo(address)
    typer.echo(f"On the operator's machine:\n  coffer-companion init '{address}'", err=True)
    typer.echo(f"Here:\n  coffer-server run {shlex.quote(str(folder))}", err=True)
    _warn_unreachable(settings.advertised)


@app.command("id")
def show_id(folder: Folder) -> None:
    """Print the server's ids, and the address that the operator needs for each."""
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
        typer.Option(metavar="HOST:PORT", help="Listen here instead of where server.toml says; may be given several times."),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the bound addresses here, one a line, once the server serves.")
    ] = None,
) -> None:
    """Serve, until SIGTERM or SIGINT."""
    state = StateFolder(folder)
    state.check(["run", str(folder), *(word for host in listen or () for word in ("--listen", host))])
    settings, identity = state.settings(), state.identity()
    logs.configure(settings)
    if state.is_store_lost():
        logs.log.warning("the database was not there: a new one is made; add the publishers again, and upload")
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
    """Let Python look for cyclic garbage seldom: with ten thousand sessions it would go through a million objects, and find hardly any."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS, _GARBAGE_GENERATIONS, _GARBAGE_GENERATIONS)


@app.command("health", epilog=exit_codes(EXITS | health.EXITS))
def show_health(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object, for scripts.")] = False,
) -> None:
    """Ask the server that runs on DIR how it is."""
    StateFolder(folder).check(["health", str(folder), *(["--json"] if as_json else [])])
    try:
        said = healthsocket.ask(folder)
    except NotServingError as error:
        if as_json:
            typer.echo(json.dumps({"status": "not serving", "reason": str(error)}))
        typer.echo(f"coffer-server: {error}", err=True)
        raise typer.Exit(health.EXIT_NOT_SERVING) from None
    typer.echo(said.to_json() if as_json else health.as_text(said))
    raise typer.Exit(said.exit_code)


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
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call this publisher, such as laptop.")] = None,
) -> None:
    """Let a key publish a coffer, from its next upload on. The server need not be restarted."""
    state = StateFolder(folder)
    state.check(["publisher", "add", str(folder), coffer, key, *(["--name", name] if name is not None else [])])
    check_name(coffer, "the coffer")
    if name is not None:
        check_name(name, "the publisher")
    public = _read_key(key)
    store = state.store()
    try:
        is_new = store.add_publisher(coffer=coffer, key=public, name=name, now=int(time.time()))
        since = next((one.at for one in store.blocked() if one.id == public.id), None)
    finally:
        store.close()
    typer.echo(f"{format_id(public.sign)} {'may now publish' if is_new else 'publishes already:'} {coffer}", err=True)
    if since is not None:
        unblock = f"coffer-server client unblock {shlex.quote(str(folder))} {format_id(public.id)}"
        typer.echo(f"but its id is blocked since {_date(since)}, and can do nothing until that is taken back:\n  {unblock}", err=True)


@publisher_app.command("list")
def list_publishers(
    folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects, for scripts.")] = False
) -> None:
    """List who may publish what."""
    state = StateFolder(folder)
    state.check(["publisher", "list", str(folder), *(["--json"] if as_json else [])])
    store = state.store()
    try:
        publishers = store.publishers()
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([_as_json(publisher) for publisher in publishers], indent=2))
        return
    if not publishers:
        typer.echo(f"Nobody may publish yet:\n  coffer-server publisher add {shlex.quote(str(folder))} COFFER KEY", err=True)
    for publisher in publishers:
        typer.echo(f"{publisher.coffer}  {publisher.name or '-'}  {format_id(publisher.key.sign)}  {_date(publisher.added)}")


@publisher_app.command("remove")
def remove_publisher(
    folder: Folder,
    coffer: CofferName,
    key: Annotated[str, typer.Argument(metavar="KEY|NAME", help="The publisher's name, public key text, .pub file, or - for stdin.")],
) -> None:
    """Take a key's right to publish a coffer away, from its next upload on."""
    state = StateFolder(folder)
    state.check(["publisher", "remove", str(folder), coffer, key])
    store = state.store()
    try:
        of_coffer = [publisher for publisher in store.publishers() if publisher.coffer == coffer]
        named = [publisher.key for publisher in of_coffer if publisher.name == key]
        public = named[0] if named else _read_key(key)
        if not store.remove_publisher(coffer=coffer, publisher=public.id, now=int(time.time())):
            raise StateError(
                f"{key!r} does not publish {coffer!r}; see who does:\n  coffer-server publisher list {shlex.quote(str(folder))}"
            )
    finally:
        store.close()
    typer.echo(f"{format_id(public.sign)} may no longer publish {coffer}", err=True)


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _as_json(publisher: Publisher) -> dict[str, object]:
    return {
        "coffer": publisher.coffer,
        "name": publisher.name,
        "publisher": format_id(publisher.key.sign),
        "id": format_id(publisher.key.id),
        "added": publisher.added,
    }


def _read_key(text: str) -> PublicKey:
    """The public key that an argument gives: as text, as the path of a `.pub` file, or `-` for stdin.

    Raises:
        KeyTextError: it does not.
    """
    if text == "-":
        return parse_public_file(sys.stdin.read())
    if text.startswith(PUBLIC_PREFIX):
        return PublicKey.from_text(text)
    path = Path(text)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        raise KeyTextError(
            f"{_shortened(text)} is neither a public key text ({PUBLIC_PREFIX}…) nor a file that can be read; "
            "the publisher's own `coffer-companion init` prints the whole line"
        ) from None
    try:
        return parse_public_file(content)
    except KeyTextError as error:
        raise KeyTextError(f"{path}: {error}") from None


def _shortened(text: str) -> str:
    # A secret may stand where a key belongs: it is not repeated, least of all to a terminal that is logged.
    return repr(text) if len(text) <= 64 and not text.upper().startswith("COFFER-SECRET") else "this"


# ------------------------------------------------------------------------------------------------------------ clients


@client_app.command("block")
def block_client(folder: Folder, client: ClientId) -> None:
    """Serve an id nothing more, from its next request on, as if it were unknown. It need not be known. The server need not be restarted."""
    state = StateFolder(folder)
    state.check(["client", "block", str(folder), client])
    id_ = parse_id(client)
    store = state.store()
    try:
        _refuse_publisher_keys(id_, store.publishers())
        known = store.look_up(id_)
        is_new = store.block(id_, now=int(time.time()))
    finally:
        store.close()
    if not is_new:
        typer.echo(f"{format_id(id_)} is blocked already", err=True)
        return
    whose = (
        "nobody here has this id yet" if known is None else f"it belongs to {known.coffer}, whose releases keep its part until one drops it"
    )
    typer.echo(f"{format_id(id_)} is blocked: {whose}", err=True)
    if known is not None:
        typer.echo("what it has fetched it still has: where its key was stolen, change those secrets", err=True)


@client_app.command("unblock")
def unblock_client(folder: Folder, client: ClientId) -> None:
    """Serve an id again what the current release has for it, and let it do what it might before it was blocked."""
    state = StateFolder(folder)
    state.check(["client", "unblock", str(folder), client])
    id_ = parse_id(client)
    store = state.store()
    try:
        if not store.unblock(id_, now=int(time.time())):
            raise StateError(f"{format_id(id_)} is not blocked; see who is:\n  coffer-server client list {shlex.quote(str(folder))}")
    finally:
        store.close()
    typer.echo(f"{format_id(id_)} is not blocked any more", err=True)


@client_app.command("list")
def list_clients(
    folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects, for scripts.")] = False
) -> None:
    """List who is blocked, and since when."""
    state = StateFolder(folder)
    state.check(["client", "list", str(folder), *(["--json"] if as_json else [])])
    store = state.store()
    try:
        blocked = store.blocked()
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([{"id": format_id(one.id), "blocked": one.at} for one in blocked], indent=2))
        return
    if not blocked:
        typer.echo("nobody is blocked", err=True)
    for one in blocked:
        typer.echo(f"{format_id(one.id)}  {_date(one.at)}")


def _refuse_publisher_keys(id_: bytes, publishers: Sequence[Publisher]) -> None:
    """Refuse the key that `publisher list` shows in the place of an id: nobody connects with it, and blocking it would do nothing."""
    for publisher in publishers:
        if publisher.key.sign == id_:
            raise StateError(f"this is the key by which a publisher of {publisher.coffer!r} signs; its id is {format_id(publisher.key.id)}")


# ---------------------------------------------------------------------------------------------------------- addresses


def _address(server_id: bytes, host: Host) -> str:
    return str(ServerAddress(server=server_id, hosts=(host,)))


def _warn_unreachable(host: Host) -> None:
    if _is_reachable(host.name):
        return
    typer.echo(
        f"Others cannot reach {host.name}: for clients on other machines set `advertise` and `listen` in server.toml "
        "(a new server gets both from `init DIR --host NAME`)",
        err=True,
    )


def _is_reachable(name: str) -> bool:
    """Whether clients on other machines could mean this one by `name`."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name != "localhost" and not name.endswith(".localhost")
    return not (address.is_loopback or address.is_unspecified)
