"""The commands about the publishers of a coffer: `publishers list`, `add` and `retire`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from coffer_common.application import Application
from coffer_common.errors import UsageError
from coffer_protocol.address import check_name
from coffer_protocol.errors import ProtocolError, ReleaseError, UnreachableError
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.release.head import SignedHead

from ..definition import lint
from ..errors import PublishersDifferError
from ..releases.adoption import Client, wait
from ..releases.commit import based
from ..releases.publishers import Addition, Publisher, Retirement, publishers
from ..releases.reader import publisher_line
from ..settings import PublisherState
from ..target import Target
from .options import (
    CofferOption,
    DryRunOption,
    EnvOption,
    ExpiresOption,
    IdentityOption,
    JsonOption,
    OutsideOption,
    ReadableOption,
    RemovalsOption,
    RevertsOption,
    ServerOption,
    chosen_target,
    defined_target,
    publication,
    publishable_definition,
    read_public_text,
)
from .output import CLIENTS_SHOWN, show_json, show_table, tell, warn
from .runner import execute
from .uploads import carry_out

_ID_DIGITS: Final = 8

app = Application(name="publishers", help="List, add and retire publishers of a coffer.")


@app.command("list")
def list_publishers(
    coffer: CofferOption = None, server: ServerOption = None, identity: IdentityOption = None, as_json: JsonOption = False
) -> None:
    """List the publishers that clients trust and those that hold the note key."""
    target = chosen_target(coffer, server, identity)
    found = execute(partial(_publishers, target))
    if as_json:
        show_json([_as_json(publisher) for publisher in found])
        return
    rows = [(_name(publisher), _fingerprint(publisher), _state(publisher)) for publisher in found]
    show_table(("name", "fingerprint", "state"), rows)


async def _publishers(target: Target) -> tuple[Publisher, ...]:
    async with based(target) as base:
        base.existing()
        return await publishers(base)


def _name(publisher: Publisher) -> str:
    return "-" if publisher.entry is None else publisher.entry.name or "-"


def _fingerprint(publisher: Publisher) -> str:
    return publisher.label if publisher.entry is None else publisher.entry.key.fingerprint_text()


def _state(publisher: Publisher) -> str:
    if not publisher.is_trusted:
        return "not trusted, but has the note key: retire it"
    state = "trusted, but without the note key: add it" if publisher.entry is None else "trusted"
    return f"{state} (this one)" if publisher.is_own else state


def _as_json(publisher: Publisher) -> dict[str, object]:
    entry = publisher.entry
    return {
        "name": None if entry is None else entry.name or None,
        "publisher": format_id(publisher.sign),
        "id": None if entry is None else format_id(entry.key.id),
        "fingerprint": None if entry is None else entry.key.fingerprint_text(),
        "trusted": publisher.is_trusted,
        "note_key": entry is not None,
        "own": publisher.is_own,
    }


@app.command("add")
def add(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The new publisher's public key text, or its .pub file.", show_default=False)],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The new publisher's name, such as laptop.", show_default=False)] = "",
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a publisher: give it the note key, and name it in a new release, so that clients trust it."""
    text = read_public_text(key)
    public = PublicKey.from_text(text)
    if name:
        check_name(name, "the publisher")
    target = chosen_target(coffer, server, identity)
    _tell_command(publisher_line("add", target.coffer, text, *(["--name", name] if name else [])))
    _change(target, Addition(key=public, name=name), dry_run, as_json)
    tell("The new publisher begins with:")
    typer.echo(f"coffer-companion init '{_address(target)}'", err=as_json)


@app.command("retire")
def retire(
    who: Annotated[
        str,
        typer.Argument(
            metavar="PUBLISHER",
            help="Its name, fingerprint, publisher key, id or public key text; or a beginning; or a .pub file.",
            show_default=False,
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="The definition. Every shard is sealed again from it, under a new note key.", show_default=False
        ),
    ] = None,
    keep_note_key: Annotated[
        bool, typer.Option("--keep-note-key", help="Keep the note key, which the retired publisher knows, and seal nothing again.")
    ] = False,
    stolen: Annotated[
        bool, typer.Option("--stolen", help="Print the new address for clients, and which of them have not signed for the retirement.")
    ] = False,
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    dry_run: DryRunOption = False,
    expires: ExpiresOption = None,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
    allow_readable: ReadableOption = False,
    allow_removals: RemovalsOption = False,
    allow_reverts: RevertsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Retire a publisher: make a release after which clients do not trust it, under a note key that it does not know.

    A thief of its key who also has the server can hide that release from clients. Only the new address that --stolen prints ends that, once
    a client has it.
    """
    if stolen and keep_note_key:
        raise UsageError(
            "a thief who has the publisher's key has the note key too, so --stolen needs the definition",
            hint="coffer-companion publishers retire PUBLISHER FILE --stolen",
        )
    if (file is None) != keep_note_key:
        raise UsageError(
            "the retired publisher knows the note key: name the definition, so that the note key can be replaced "
            "(coffer-companion publishers retire PUBLISHER FILE)",
            hint="without a definition, use --keep-note-key; docs/releases.md says what that leaves open",
        )
    wanted = None
    if file is None:
        target = chosen_target(coffer, server, identity)
    else:
        definition = publishable_definition(file, env, allow_outside, allow_readable)
        target = defined_target(definition, server, identity)
        wanted = publication(definition, expires)
        warn((*definition.warnings, *lint.lint(definition)))

    found: list[Publisher] = []

    def told(publisher: Publisher) -> None:
        found.append(publisher)
        # The server may have another name for it. The fingerprint of one that was never given the note key is not known here.
        named = format_id(publisher.sign) if publisher.entry is None else publisher.entry.key.fingerprint_text()
        _tell_command(publisher_line("remove", target.coffer, named))

    retirement = Retirement(who=_who(who), publication=wanted, told=told)
    try:
        release = _change(target, retirement, dry_run, as_json, allow_removals=allow_removals, allow_reverts=allow_reverts)
    except (PublishersDifferError, ProtocolError, ReleaseError, UnreachableError):
        # The server may be the thief's.
        if stolen and found:
            tell("Even without that release, a client that has this address refuses the stolen key from its next start on:")
            typer.echo(_address(target, without=found[-1].sign), err=as_json)
        raise
    if stolen and release is not None:
        _tell_after_theft(target, release, as_json)


def _tell_after_theft(target: Target, release: SignedHead, as_json: bool) -> None:
    """Print the new address, and the clients that may not know of the retirement."""
    tell("Give every client this address. It binds when the client starts next, whatever the thief has made it believe:")
    typer.echo(_address(target), err=as_json)
    adoption = execute(partial(wait, target, timeout_s=0))
    unsigned = [client for client in adoption.clients if client.signed < release.head.serial]
    if len(unsigned) < len(adoption.clients):
        signed = ", ".join(dict.fromkeys(client.name for client in adoption.clients if client not in unsigned))
        tell(f"These clients have signed for release {release.head.serial}, so they know of it: {signed}")
    if unsigned:
        tell(f"The thief may hold each client that has not signed for release {release.head.serial} or a later one:")
    for client in unsigned[:CLIENTS_SHOWN]:
        tell(f"  {client.name} ({format_id(client.id)[:_ID_DIGITS]}) {_last_signed(client)}")
    if len(unsigned) > CLIENTS_SHOWN:
        tell(f"  … and {len(unsigned) - CLIENTS_SHOWN} more")
    tell("`coffer-companion status` shows who has signed since. The thief knows the secrets that this publisher has seen: rotate them")


def _last_signed(client: Client) -> str:
    if client.unknown:
        return f"has signed for a release {client.unknown[-1].serial} that is not known here"
    if client.signed:
        return f"has signed for release {client.signed}"
    return "cannot sign" if client.is_bare else "has never signed"


def _who(text: str) -> str | PublicKey:
    """Return the publisher that was typed: its keys if it is a .pub file, otherwise the text."""
    return PublicKey.from_text(read_public_text(text)) if text.endswith(".pub") else text


def _tell_command(line: str) -> None:
    """Print the command that the server's operator must type before the release is made."""
    tell("Type this on the server's machine first (DIR is the folder that `coffer-server init` made):")
    tell(f"\n  {line}\n")


def _change(
    target: Target,
    change: Addition | Retirement,
    dry_run: bool,
    as_json: bool,
    *,
    allow_removals: bool = False,
    allow_reverts: bool = False,
) -> SignedHead | None:
    try:
        release = carry_out(target, change.draft, dry_run, allow_removals, as_json, yes=False, allow_reverts=allow_reverts)
    except PublishersDifferError as error:
        hint = "type the line above on the server's machine, and then this command again"
        raise PublishersDifferError(str(error), hint=hint) from None
    if release is not None:
        tell(f"published release {release.head.serial} of {target.coffer}; clients follow it by themselves")
    return release


def _address(target: Target, without: bytes | None = None) -> str:
    """Return the address for clients, without the publisher key that they must not trust."""
    state = PublisherState.load(target.state_file)
    publishers = (state.publishers or target.roots()) - ({without} if without else set())
    return str(target.client_address(publishers, 0 if state.seen is None else state.seen.serial))
