"""What a store does inside a transaction."""

from __future__ import annotations

from coffer_server.store.events import Released
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.pending_release import PendingRelease

from ..publishing import Author, Release


def released(ledger: Ledger, author: Author, release: Release) -> None:
    """Write a release whole. Nothing checks its head."""
    PendingRelease(ledger, author.coffer, release.head.serial).apply(release.changes)
    ledger.record(Released(signed=release.signed))
    author.published(release)
