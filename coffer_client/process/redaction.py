"""Secrets in a stream of bytes are replaced: what `run --redact` does to what its command writes.

Looked for are the texts as the environment has them, byte by byte, and nothing that is made of them: not base64, hexadecimal, or JSON's
escapes; not a text that colours or a line break run through.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, Self

# As short as this are ports, booleans and the like, which would be found all over an output. A secret so short is soon guessed anyway.
LEAST_BYTES: Final = 6
# A command may long have texts that a new release has replaced, so they are looked for as well; but not all that there ever were.
REMEMBERED: Final = 1000
# So many bytes are looked up at a place: of a stream, hardly any others are alike in so many, and more would take longer.
_MOST_HEAD_BYTES: Final = 16


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
        # A key of thousands of lines is as many texts, so the stream is not searched for each: where a text may begin, it is looked up.
        self._head_bytes = min((_MOST_HEAD_BYTES, *map(len, self._marks)))
        self._texts = sorted(self._marks)
        self._shorter = _next_shorter(self._texts)
        self._longest: dict[bytes, int] = {}
        for text in self._texts:
            head = text[: self._head_bytes]
            self._longest[head] = max(self._longest.get(head, 0), len(text))
        self._like_heads = _like(self._longest)

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
        edge = len(data)
        for start, rest in self._starts(data):
            # Of the texts in their order, those that begin with the rest come after it, and those that it begins with before it.
            place = bisect_right(self._texts, rest)
            if not is_last and place < len(self._texts) and self._texts[place].startswith(rest):
                # What begins here or further on is for later: it may become this text, which is longer.
                edge = start
                break
            text = self._texts[place - 1] if place else b""
            while not rest.startswith(text):
                text = self._shorter[text]
            if text:
                if start >= at:
                    done += (data[at:start], self._marks[text])
                at = max(at, start + len(text))
        return b"".join((*done, data[at:edge])), data[edge:], max(0, at - edge)

    def _starts(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The places where a text or its beginning may stand, in their order, and what stands there, as far as a text could reach."""
        size = self._head_bytes
        for run in self._like_heads.finditer(data):
            for start in range(*run.span()):
                if longest := self._longest.get(data[start : start + size]):
                    yield start, data[start : start + longest]
        # Too near the end for a whole head.
        for start in range(max(0, len(data) - size + 1), len(data)):
            yield start, data[start:]


def _like(heads: Iterable[bytes]) -> re.Pattern[bytes]:
    """Finds runs of places where each byte is that of some head at the same distance: in most streams there are few, and soon found."""
    first, *others = [b"[%b]" % re.escape(bytes(set(column))) for column in zip(*heads, strict=True)] or [b"(?!)"]
    # Possessive, for else each place of a run would be kept, to go back to.
    return re.compile(b"(?:%b(?=%b))++" % (first, b"".join(others)))


def _next_shorter(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """For each text, the longest of the others that it begins with, or the empty one.

    Args:
        texts: in their order, in which a text comes before those that begin with it.
    """
    shorter: dict[bytes, bytes] = {}
    last = b""
    for text in texts:
        while not text.startswith(last):
            last = shorter[last]
        shorter[text] = last
        last = text
    return shorter
