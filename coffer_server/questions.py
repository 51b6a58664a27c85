"""The server's answers to questions (docs/protocol.md, 8)."""

from __future__ import annotations

from coffer_protocol import question as questions
from coffer_protocol.message import Tell
from coffer_protocol.question import Entries, Fetch, Fetches, Heads, Notes, Question

from .adoption import merged
from .store.base import Store


def answer(store: Store, question: Question, *, asker: bytes, pending: dict[bytes, Fetch]) -> Tell:
    """Return the answer to a question. This blocks for as long as it takes to list all clients.

    Args:
        store: the server's store.
        question: the question.
        asker: the id of the session.
        pending: the fetches of the question's coffer that the store does not have yet, by client.

    Raises:
        DeniedError: if the asker has no right to the answer, or if there is no such coffer or release.
        NotHeldError: if the release is no longer held.
        LimitError: if the answer would be longer than a Tell may be.
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
