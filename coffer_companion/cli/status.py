"""The command `status`, which shows the adoption of a release."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final

import typer

from coffer_common import durations, times
from coffer_protocol.identity import format_id

from ..errors import EXIT_FAILED
from ..releases.adoption import Adoption, Client, wait
from .options import CofferOption, IdentityOption, JsonOption, ServerOption, chosen_target
from .output import expiry, output, show_json, show_table, tell
from .runner import execute

_ID_DIGITS: Final = 8


def status(
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    require_adopted: Annotated[bool, typer.Option("--require-adopted", help="Exit with 1 if a client is behind.")] = False,
    wait_for: Annotated[
        str | None,
        typer.Option("--wait", metavar="10m", help="Wait until no client is behind, at most for this time.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which release each client has fetched, according to the server, and which clients are behind."""
    target = chosen_target(coffer, server, identity)
    timeout_s = 0.0 if wait_for is None else durations.parse(wait_for, "--wait").total_seconds()

    def told(adoption: Adoption) -> None:
        if adoption.behind and timeout_s:
            tell(f"release {adoption.release.head.serial}: {adoption.behind} of {len(adoption.clients)} are behind")

    adoption = execute(partial(wait, target, timeout_s=timeout_s, told=told))
    if as_json:
        show_json(_as_json(adoption))
    else:
        _show(adoption)
    if require_adopted and adoption.behind:
        raise typer.Exit(EXIT_FAILED)


def _show(adoption: Adoption) -> None:
    head = adoption.release.head
    output.print(
        f"coffer {head.coffer}, release {head.serial}, issued {times.show(head.issued)}, expires {expiry(head.expires, time.time())}: "
        f"{adoption.behind} of {len(adoption.clients)} behind",
        soft_wrap=True,
    )
    names = [client.name for client in adoption.clients]
    several = {name for name, following in pairwise(names) if name == following}
    rows = [_row(client, client.name in several) for client in adoption.clients]
    styles = ["" if client.is_current else "yellow" for client in adoption.clients]
    show_table(("client", "keys", "fetched", "at", "state"), rows, styles)
    tell("(what was fetched is the server's word)")


def _row(client: Client, is_one_of_several: bool) -> tuple[str, ...]:
    name = f"{client.name} ({format_id(client.id)[:_ID_DIGITS]})" if is_one_of_several else client.name
    fetched, at = ("never", "-") if client.fetch is None else (str(client.fetch.serial), times.show(client.fetch.at))
    return name, str(client.keys), fetched, at, "up to date" if client.is_current else f"behind: changed in {client.changed}"


def _as_json(adoption: Adoption) -> dict[str, Any]:
    head = adoption.release.head
    return {
        "coffer": head.coffer,
        "serial": head.serial,
        "expires": head.expires,
        "behind": adoption.behind,
        "clients": [
            {
                "client": client.name,
                "id": format_id(client.id),
                "keys": client.keys,
                "changed": client.changed,
                "fetched": None if client.fetch is None else client.fetch.serial,
                "at": None if client.fetch is None else client.fetch.at,
                "current": client.is_current,
            }
            for client in adoption.clients
        ],
    }
