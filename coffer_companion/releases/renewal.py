"""Renews a release: drafts one that changes nothing but the expiry (docs/protocol.md, 7).

A server alone can keep clients on an old release only until that expires. So the shorter a release lives, the less it can hide, if a timer
renews it in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coffer_common.errors import UsageError
from coffer_protocol.release.head import Head

from .commit import Base, Draft
from .plan import Plan

# A release is renewed as soon as less than this part of its life is left. Clients warn later, so a timer that failed has time to succeed.
_LEFT_SHARE: Final = 1 / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A release with the content of the newest one, made only if that one expires too soon or too late.

    Attributes:
        lifetime_s: the lifetime of the new release in seconds; None for that of the newest release.
    """

    lifetime_s: int | None = None

    async def draft(self, base: Base) -> Draft:
        """Return the draft, as a `commit.Drafting`. It is empty if the newest release is good enough.

        Raises:
            NoReleaseError: the coffer has no release yet.
            UsageError: the newest release never expires, and no lifetime is given.
        """
        head = base.existing().head
        lifetime_s = self.lifetime_s or base.lifetime_s()
        if lifetime_s is None:
            raise UsageError(f"release {head.serial} never expires, so nothing renews it: give it a lifetime with --expires 7d")
        return Draft(
            plan=Plan(
                coffer=base.target.coffer,
                serial=base.serial,
                clients=(),
                unchanged=len(base.listing),
                is_renewal=_is_due(head, lifetime_s, base.now),
                remarks=base.remarks,
            ),
            note_keys=base.note_keys,
            lifetime_s=lifetime_s,
        )


def _is_due(head: Head, lifetime_s: int, now: float) -> bool:
    left_s = None if head.expires is None else head.expires - now
    return left_s is None or not lifetime_s * _LEFT_SHARE <= left_s <= lifetime_s
