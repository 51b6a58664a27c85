"""Answers to questions (docs/protocol.md, 8)."""

from __future__ import annotations

from coffer_protocol import question as questions
from coffer_protocol.message import Tell
from coffer_protocol.question import Entries, Fetch, Fetches, Heads, Notes, Question

from .adoption import merged
from .store.base import Store


def answer(store: Store, question: Question, *, asker: bytes, pending: dict[bytes, Fetch]) -> Tell:
    """The answer to a question. Blocks, for as long as a list of all clients takes.

    Args:
        store: the server's.
        question: whatever was asked.
        asker: the id of the session.
        pending: fetches of the question's coffer that the store does not have yet, by client.

    Raises:
        DeniedError: it is not the asker's to know, or there is no such coffer or release.
        NotHeldError: the release is not held any more.
        LimitError: the answer would be longer than a Tell may be.
    """
    match question:
        case Heads(coffer=coffer, from_serial=serial):
            return questions.tell_heads(store.heads(coffer=coffer, asker=asker, from_serial=serial))
        case Entries(coffer=coffer, serial=serial):
            with store.entries(coffer=coffer, publisher=asker, serial=serial) as listing:
                return questions.tell_entries(listing.signed, listing.entries)
        case Notes(coffer=coffer, serial=serial, ids=ids):
            with store.notes(coffer=coffer, publisher=asker, serial=serial, ids=ids) as notes:
                return questions.tell_notes(notes)
        case Fetches(coffer=coffer):
            with store.fetches(coffer=coffer, publisher=asker) as recorded:
                return questions.tell_fetches(merged(recorded, pending))
