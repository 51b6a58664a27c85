"""Secrets in a stream of bytes are replaced: what `run --redact` does to what its command writes.

Looked for are the texts as the environment has them, byte by byte, and nothing that is made of them: not base64, hexadecimal, or JSON's
escapes; not a text that colours or a line break run through.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Mapping
from typing import Final, Self

# As short as this are ports, booleans and the like, which would be found all over an output. A secret so short is soon guessed anyway.
LEAST_BYTES: Final = 6
# A command may long have texts that a new release has replaced, so they are looked for as well; but each one costs time.
REMEMBERED: Final = 1000


def marks_of(variables: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """What to look for, and what stands in its place: `<secret NAME>`.

    A text is looked for without the blanks at its ends: if it began with a new line, every line would be held back for its sake. And each
    of its lines is looked for alone, for programs write a key line by line, with something of their own before each.

    Args:
        variables: the secrets' names in the environment, and their texts. Where two have the same text, the first gives the name.

    Returns:
        The marks by what they replace, which is never shorter than `LEAST_BYTES`.
    """
    marks: dict[bytes, bytes] = {}
    for name, text in variables.items():
        for piece in (text, *text.splitlines()):
            if len(stripped := piece.strip()) >= LEAST_BYTES:
                marks.setdefault(stripped, b"<secret %b>" % name)
    return marks


class Redaction:
    """What is looked for in a stream, and what it is replaced by. It does not change, and keeps nothing of the stream."""

    def __init__(self, marks: Mapping[bytes, bytes]) -> None:
        """Every byte of every text is replaced. Where texts overlap, one mark stands for all: that of the one that begins first, and of two
        that begin at the same place that of the longer one.

        Args:
            marks: what stands in the place of each text. No text is empty.
        """
        self._marks = dict(marks)

    def joined_by(self, marks: Mapping[bytes, bytes], *, in_force: Container[bytes] = ()) -> Self:
        """What is looked for here, and these beside; of those that were here only the last `REMEMBERED` stay, and those in force.

        Args:
            marks: what stands in the place of each text.
            in_force: texts that stay if they are here, however many others there are.
        """
        before = {text: mark for text, mark in self._marks.items() if text not in marks}
        past = [text for text in before if text not in in_force]
        for text in past[: max(0, len(past) - REMEMBERED)]:
            del before[text]
        return type(self)(before | dict(marks))

    def replace(self, data: bytes, covered: int = 0, *, is_last: bool = False) -> tuple[bytes, bytes, int]:
        """Replace in the next piece of a stream.

        However a stream is cut into pieces, what comes out is the same.

        Args:
            data: what the call before held back, and what has come since.
            covered: what the call before gave beside: how many bytes of what it held back are of a secret that it has replaced.
            is_last: whether nothing comes after it; then nothing is held back.

        Returns:
            What can be passed on; what is held back, for with more to come it may be the beginning of a secret; and the next `covered`.
        """
        done: list[bytes] = []
        at = covered
        edge = len(data) if is_last else self._open_from(data)
        found = [(start, -len(text), text) for text in self._marks if (start := data.find(text)) >= 0]
        heapq.heapify(found)
        # What begins at the edge or beyond it is for later: a longer text may begin there.
        while found and found[0][0] < edge:
            start, _, text = found[0]
            if start >= at:
                done += (data[at:start], self._marks[text])
            end = start + len(text)
            at = max(at, end)
            # A text may overlap with itself: what lies between the first and the last that do is covered by these two.
            again = data.rfind(text, start + 1, end + len(text) - 1)
            if again < 0:
                again = data.find(text, end)
            if again >= 0:
                heapq.heapreplace(found, (again, -len(text), text))
            else:
                heapq.heappop(found)
        return b"".join((*done, data[at:edge])), data[edge:], max(0, at - edge)

    def _open_from(self, data: bytes) -> int:
        """The first place from which on the data are the beginning of a text and not the whole of it."""
        return min((_beginning(data, text) for text in self._marks), default=len(data))


def _beginning(data: bytes, text: bytes) -> int:
    start = max(0, len(data) - len(text) + 1)
    while (start := data.find(text[:1], start)) >= 0:
        if text.startswith(data[start:]):
            return start
        start += 1
    return len(data)
