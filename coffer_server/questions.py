"""The server's answers to questions (docs/protocol.md, 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coffer_protocol import question as questions
from coffer_protocol.message import Tell
from coffer_protocol.question import (
    About,
    Block,
    Changes,
    Entries,
    Fetches,
    Heads,
    Notes,
    Past,
    Question,
    ServerFacts,
)

from .adoption import Noted, merged
from .errors import UnsupportedError
from .store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers the questions of one session.

    Attributes:
        store: the server's store.
        asker: the id of the session.
        noted: returns what the store does not have yet about a coffer's adoption.
        now: seconds since 1970.
        version: the version of this program.
    """

    store: Store
    asker: bytes
    noted: Callable[[str], Noted]
    now: int
    version: str

    def answer(self, question: Question) -> Tell:
        """Return the answer to a question. Blocks, for as long as a list of all clients takes.

        Raises:
            DeniedError: the asker has no right to the answer, or there is no such coffer or release.
            NotHeldError: the release is not held any more.
            UnsupportedError: this server does not answer this question.
            LimitError: the answer would be longer than a Tell may be.
        """
        store, asker = self.store, self.asker
        match question:
            case Heads(coffer=coffer, from_serial=serial):
                return questions.tell_heads(store.heads(coffer=coffer, asker=asker, from_serial=serial))
            case Entries(coffer=coffer, serial=serial):
                with store.entries(coffer=coffer, publisher=asker, serial=serial) as listing:
                    return questions.tell_entries(listing.signed, listing.entries)
            case Changes(coffer=coffer, serial=serial):
                with store.changes(coffer=coffer, publisher=asker, serial=serial) as changes:
                    return questions.tell_changes(changes.signed, changes.changed, changes.gone)
            case Notes(coffer=coffer, serial=serial, ids=ids):
                with store.notes(coffer=coffer, publisher=asker, serial=serial, ids=ids) as notes:
                    return questions.tell_notes(notes)
            case Past(coffer=coffer, ids=ids):
                with store.past(coffer=coffer, publisher=asker, ids=ids) as past:
                    return questions.tell_past(past)
            case Fetches(coffer=coffer):
                # This reads the notes before the store. A fetch that is recorded meanwhile is then in both, and not missing.
                noted = self.noted(coffer)
                with store.fetches(coffer=coffer, publisher=asker) as recorded:
                    return questions.tell_fetches(merged(recorded, noted))
            case Block(coffer=coffer, id=client, is_blocked=is_blocked):
                store.block_for(client, coffer=coffer, publisher=asker, is_blocked=is_blocked, now=self.now)
                return questions.tell_done()
            case About(coffer=coffer):
                oldest = store.oldest(coffer=coffer, publisher=asker)
                return questions.tell_about(ServerFacts(version=self.version, time=self.now, oldest=oldest, enrol="off", is_audited=False))
        raise UnsupportedError(f"this server does not answer {question.name!r}")
