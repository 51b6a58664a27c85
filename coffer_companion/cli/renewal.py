"""The command `renew`, which a timer runs: it publishes the newest release again with a later expiry."""

from __future__ import annotations

from functools import partial

from coffer_common import durations, times
from coffer_common.errors import UsageError
from coffer_protocol.release.head import SignedHead

from ..releases.commit import Base, Draft, make
from ..releases.plan import Plan
from ..releases.renewal import Renewal
from .options import CofferOption, ExpiresOption, IdentityOption, JsonOption, ServerOption, chosen_target
from .output import show_json, tell, warn
from .runner import execute


def renew(
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the newest release again with a later expiry, if less than half of its time is left. A timer can run this.

    Nothing else changes: no definition is read, and clients have nothing to do. If it is not due, nothing is published or printed. With
    --expires the release is also renewed if it would be valid for longer than that.
    """
    lifetime_s = None if expires is None else durations.parse_lifetime(expires, "--expires")
    if expires is not None and lifetime_s is None:
        raise UsageError("--expires never: a release that never expires is never renewed")
    target = chosen_target(coffer, server, identity)
    newest: list[SignedHead] = []

    async def draft(base: Base) -> Draft:
        newest.append(base.existing())
        return await Renewal(lifetime_s=lifetime_s).draft(base)

    made = execute(partial(make, target, draft, approve=_tell_remarks, warned=lambda text: warn([text])))
    head = (made or newest[-1]).head
    if as_json:
        show_json({"coffer": head.coffer, "serial": head.serial, "expires": head.expires, "renewed": made is not None})
    elif made is not None:
        assert head.expires is not None
        tell(f"published release {head.serial} of {head.coffer}, which expires {times.show(head.expires)}")


def _tell_remarks(plan: Plan) -> None:
    for remark in plan.remarks:
        tell(remark)
