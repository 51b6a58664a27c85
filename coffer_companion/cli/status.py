"""The command `status`, which shows the adoption of a release."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final

import typer

from coffer_common import durations, times
from coffer_common.errors import UsageError
from coffer_protocol.errors import ForkError
from coffer_protocol.identity import format_fingerprint, format_id
from coffer_protocol.message import USE_FOLLOWED, Held

from ..errors import EXIT_FAILED
from ..releases.adoption import Adoption, Client, State, is_complete, wait
from .options import CofferOption, IdentityOption, JsonOption, ServerOption, chosen_target
from .output import expiry, output, show_json, show_table, tell, warn
from .runner import execute

_ID_DIGITS: Final = 8


def status(
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    require_adopted: Annotated[
        bool, typer.Option("--require-adopted", help="Exit with 1 unless every client has proven that it holds its present secrets.")
    ] = False,
    accept_fetched: Annotated[
        bool, typer.Option("--accept-fetched", help="Believe the server about clients with bare keys, which cannot prove anything.")
    ] = False,
    wait_for: Annotated[
        str | None,
        typer.Option("--wait", metavar="10m", help="Wait until no client is behind, at most for this time.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which release each client has fetched, according to the server, which it holds, as it has signed, and who is behind."""
    if accept_fetched and not require_adopted:
        raise UsageError("--accept-fetched needs --require-adopted")
    target = chosen_target(coffer, server, identity)
    timeout_s = 0.0 if wait_for is None else durations.parse(wait_for, "--wait").total_seconds()

    def told(adoption: Adoption) -> None:
        if adoption.behind and timeout_s:
            tell(f"release {adoption.release.head.serial}: {adoption.behind} of {len(adoption.clients)} are behind")

    def is_enough(adoption: Adoption) -> bool:
        # No time mends that a client cannot sign, or has signed for another history.
        return is_complete(adoption) or bool(adoption.split_views) or (require_adopted and not accept_fetched and bool(adoption.bare))

    adoption = execute(partial(wait, target, timeout_s=timeout_s, told=told, until=is_enough))
    if as_json:
        show_json(_as_json(adoption))
    else:
        _show(adoption)
    warn(
        f"the server shows a receipt for release {held.serial} of {client.name} ({format_id(client.id)[:_ID_DIGITS]}) that is not signed "
        "with the keys of that client: it does not count"
        for client in adoption.clients
        for held in client.forged
    )
    if adoption.split_views:
        raise _split_view(adoption)
    if require_adopted:
        _require(adoption, accept_fetched)


def _split_view(adoption: Adoption) -> ForkError:
    told = ", ".join(
        f"{client.name} ({format_id(client.id)[:_ID_DIGITS]}) for a release {held.serial} ({held.sha256.hex()})"
        for client, held in adoption.split_views
    )
    return ForkError(
        f"clients have signed for releases that are not known here: {told}",
        hint="the server shows different releases to different readers, and a publisher's key that clients trust has signed them: keep the "
        "output of `coffer-companion status --json`, look at `coffer-client trust` on these machines, and ask each publisher whether the "
        "release is theirs. docs/releases.md says how to retire a stolen key",
    )


def _require(adoption: Adoption, accept_fetched: bool) -> None:
    unproven = () if accept_fetched else tuple(dict.fromkeys(client.name for client in adoption.bare))
    if unproven:
        tell(
            f"{', '.join(unproven)} cannot sign, because a bare key is registered, so only the server says what was fetched: to believe "
            "it, add --accept-fetched"
        )
    if adoption.behind or unproven:
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
    styles = ["yellow" if client.is_behind else "" for client in adoption.clients]
    show_table(("client", "keys", "fetched", "at", "held", "signed by", "state"), rows, styles)
    tell("(what was fetched is the server's word; what is held was signed by a machine with the client's key)")


def _row(client: Client, is_one_of_several: bool) -> tuple[str, ...]:
    name = f"{client.name} ({format_id(client.id)[:_ID_DIGITS]})" if is_one_of_several else client.name
    fetched, at = ("never", "-") if client.fetch is None else (str(client.fetch.serial), times.show(client.fetch.at))
    held = "-" if client.held is None else str(client.held.serial)
    return name, str(client.keys), fetched, at, held, _signer(client) or "-", _told(client)


def _signer(client: Client) -> str | None:
    """Return the fingerprint of the keys that have signed the receipt that counts."""
    return None if client.held is None or client.fingerprint is None else format_fingerprint(client.fingerprint)


def _told(client: Client) -> str:
    match client.state:
        case State.HELD:
            return "held, in use" if client.follows else "held"
        case State.FETCHED:
            return "fetched; it cannot sign"
        case State.BEHIND if client.waits_at is not None and client.held is not None and client.held.serial >= client.changed:
            return f"behind: changed in {client.changed}, and one of its machines is at {client.waits_at}"
        case State.BEHIND if client.follows and client.signed >= client.changed:
            return f"behind: changed in {client.changed}, opened but not put to use"
        case State.BEHIND:
            return f"behind: changed in {client.changed}"
        case State.NEVER_OPENED:
            return "never opened: its keys may be wrong"
        case State.NEVER_FETCHED:
            return "never fetched"
        case State.SPLIT_VIEW:
            return "has signed for a release that is not known here"


def _as_json(adoption: Adoption) -> dict[str, Any]:
    head = adoption.release.head
    return {
        "coffer": head.coffer,
        "serial": head.serial,
        "expires": head.expires,
        "behind": adoption.behind,
        "clients": [_client_as_json(client) for client in adoption.clients],
    }


def _client_as_json(client: Client) -> dict[str, Any]:
    fetch = client.fetch
    return {
        "client": client.name,
        "id": format_id(client.id),
        "keys": client.keys,
        "changed": client.changed,
        "state": client.state.value,
        "behind": client.is_behind,
        "fetched": None if fetch is None else fetch.serial,
        "at": None if fetch is None else fetch.at,
        "watching": None if fetch is None else fetch.watching,
        "held": None if client.held is None else client.held.serial,
        "fingerprint": _signer(client),
        "follows": client.follows,
        "bare": client.is_bare,
        "receipts": [_receipt_as_json(held) for held in client.receipts],
        "unknown": [_receipt_as_json(held) for held in client.unknown],
        "forged": [_receipt_as_json(held) for held in client.forged],
    }


def _receipt_as_json(held: Held) -> dict[str, Any]:
    return {"serial": held.serial, "sha256": held.sha256.hex(), "in_use": held.use == USE_FOLLOWED, "receipt": held.receipt.hex()}
