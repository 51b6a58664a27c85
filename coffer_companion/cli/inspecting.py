"""The commands that look at what the server holds and change nothing: `history`, `show` and `verify`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from coffer_common import times
from coffer_protocol.identity import format_id
from coffer_protocol.release.head import SignedHead

from ..releases.audit import Verified
from ..releases.audit import verify as verify_base
from ..releases.commit import based
from ..releases.contents import Contents, contents
from ..releases.history import Event, History, ReleaseChanges
from ..releases.history import history as read_history
from ..releases.publisher_entry import PublisherEntry, label_of
from ..target import Target
from .options import CofferOption, IdentityOption, JsonOption, ServerOption, chosen_target, whole_number
from .output import expiry, output, show_json, show_table, tell
from .runner import execute

_NAMES_SHOWN = 3


def history(
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    limit: Annotated[str, typer.Option("--limit", metavar="N", help="Show this many releases, the newest first.")] = "20",
    as_json: JsonOption = False,
) -> None:
    """Show the releases: when and by whom each was made, what it changed, and when it expires."""
    count = whole_number(limit, "--limit")
    target = chosen_target(coffer, server, identity)
    found = execute(partial(_history, target, count))
    if as_json:
        show_json([_event_as_json(event, found.publishers) for event in found.events])
        return
    now = time.time()
    rows = [
        (
            str(event.release.head.serial),
            times.show(event.release.head.issued),
            label_of(event.release.head.publisher, found.publishers),
            expiry(event.release.head.expires, now),
            _changes_told(event),
        )
        for event in found.events
    ]
    show_table(("release", "issued", "by", "expires", "clients"), rows)


async def _history(target: Target, limit: int) -> History:
    async with based(target) as base:
        return await read_history(base, limit=limit)


def _changes_told(event: Event) -> str:
    told = ["the server does not hold its changes any more" if event.changes is None else _names_told(event.changes)]
    if event.is_rollback:
        told.append("rollback" if event.back_to is None else f"rollback to {event.back_to}")
    if event.release.head.restart:
        told.append("restart: the history was begun again")
    if event.release.head.publishers is not None:
        told.append("publishers changed")
    return "; ".join(told)


def _names_told(changes: ReleaseChanges) -> str:
    parts = []
    for sign, names in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
        if names and not changes.is_named:
            parts.append(f"{sign}{len(names)}")
        elif names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            parts.append(f"{sign}{len(names)} {', '.join(names[:_NAMES_SHOWN])}{more}")
    if changes.resealed:
        parts.append(f"{len(changes.resealed)} sealed again")
    unnamed = "" if changes.is_named else " (named under an earlier note key)"
    return ("; ".join(parts) or "none") + unnamed


def _event_as_json(event: Event, publishers: Mapping[bytes, PublisherEntry]) -> dict[str, Any]:
    changes = event.changes
    entry = publishers.get(event.release.head.publisher)
    return _head_as_json(event.release) | {
        "by": label_of(event.release.head.publisher, publishers),
        "name": None if entry is None else entry.name or None,
        "fingerprint": None if entry is None else entry.key.fingerprint_text(),
        "restart": event.release.head.restart,
        "rollback": event.is_rollback,
        "back_to": event.back_to,
        "held": changes is not None,
        "named": changes is not None and changes.is_named,
        "added": None if changes is None else list(changes.added),
        "changed": None if changes is None else list(changes.changed),
        "removed": None if changes is None else list(changes.removed),
        "resealed": None if changes is None else list(changes.resealed),
    }


def _head_as_json(release: SignedHead) -> dict[str, Any]:
    head = release.head
    return {
        "coffer": head.coffer,
        "serial": head.serial,
        "issued": head.issued,
        "expires": head.expires,
        "publisher": format_id(head.publisher),
        "publishers": None if head.publishers is None else [format_id(key) for key in head.publishers],
        "count": head.count,
        "sha256": release.sha256.hex(),
    }


def show(
    serial: Annotated[str | None, typer.Argument(metavar="SERIAL", help="The release [default: the newest].", show_default=False)] = None,
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the clients of a release: the ids of their public keys, the names of their secrets, and the release that changed them last."""
    wanted = None if serial is None else whole_number(serial, "SERIAL")
    target = chosen_target(coffer, server, identity)
    shown = execute(partial(_show, target, wanted))
    if as_json:
        show_json(_contents_as_json(shown))
        return
    head = shown.release.head
    output.print(
        f"coffer {head.coffer}, release {head.serial}, issued {times.show(head.issued)}, expires {expiry(head.expires, time.time())}",
        soft_wrap=True,
    )
    rows = [
        (client.name, format_id(client.id), f"{client.suite}", f"{client.since}", ", ".join(client.keys) or "none")
        for client in shown.clients
    ]
    show_table(("client", "id", "suite", "since", "keys"), rows)


async def _show(target: Target, serial: int | None) -> Contents:
    async with based(target) as base:
        return await contents(base, serial)


def _contents_as_json(shown: Contents) -> dict[str, Any]:
    clients: Sequence[Any] = [
        {"client": client.name, "id": format_id(client.id), "suite": client.suite, "since": client.since, "keys": list(client.keys)}
        for client in shown.clients
    ]
    return _head_as_json(shown.release) | {"clients": clients}


def verify(
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that the server holds exactly what was signed, and exit with 5 if it does not."""
    target = chosen_target(coffer, server, identity)
    verified = execute(partial(_verify, target))
    newest, first = verified.newest.head, verified.first
    if as_json:
        counts = {"first": first, "clients": verified.clients, "publishers": verified.publishers}
        show_json(_head_as_json(verified.newest) | counts)
        return
    typer.echo(f"coffer {newest.coffer}: releases {first} to {newest.serial} are one chain, each signed by a publisher trusted at its time")
    typer.echo(
        f"release {newest.serial}: the keys of {verified.clients} clients and {verified.publishers} publishers are exactly those that were "
        "signed, and every note opens"
    )
    if first > 1:
        tell(f"there are no releases before {first}: the server began again with it")


async def _verify(target: Target) -> Verified:
    async with based(target) as base:
        return await verify_base(base)
