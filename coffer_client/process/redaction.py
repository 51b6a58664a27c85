"""Replaces secrets in a stream of bytes: `run --redact` does this to the output of its command.

It looks for the texts as the environment has them, byte by byte, and for nothing that is made from them: not for base64, hexadecimal or
JSON's escapes, and not for a text that colour codes or a line break interrupt.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, Self

# Shorter texts are ports, booleans and the like, which would be found all over an output. A secret that short is quickly guessed anyway.
LEAST_BYTES: Final = 6
# A command may keep texts long after a new release has replaced them, so these are looked for too; but not every text that ever was.
REMEMBERED: Final = 1000
# How many bytes are looked up at each position of a stream. Hardly anything else in a stream agrees in so many bytes, and more take longer.
_MOST_HEAD_BYTES: Final = 16


def marks_of(variables: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the texts to look for, and the mark that replaces each: `<secret NAME>`.

    Each text is looked for without the white space at its ends: if it began with a newline, every line would be held back for it. Each of
    its lines is also looked for alone, because programs write a key line by line, with something of their own in front of each line.

    Args:
        variables: the secrets' names in the environment, and their texts. If two have the same text, the first one gives the name.

    Returns:
        The marks by the text that they replace. No text is shorter than `LEAST_BYTES`.
    """
    marks: dict[bytes, bytes] = {}
    for name, text in variables.items():
        for piece in (text, *text.splitlines()):
            if len(stripped := piece.strip()) >= LEAST_BYTES:
                marks.setdefault(stripped, b"<secret %b>" % name)
    return marks


class Redaction:
    """The texts to look for in a stream, and their replacements. It does not change, and keeps nothing of the stream."""

    def __init__(self, marks: Mapping[bytes, bytes]) -> None:
        """Take the marks. Every byte of every text is replaced.

        If texts overlap, one mark replaces all of them: that of the text that begins first or, if two begin at the same position, that of
        the longer one.

        Args:
            marks: the mark that replaces each text. No text is empty.
        """
        self._marks = dict(marks)
        # A key of thousands of lines is as many texts, so the stream is not searched for each. Instead, each position where a text may
        # begin is looked up.
        self._head_bytes = min((_MOST_HEAD_BYTES, *map(len, self._marks)))
        self._texts = sorted(self._marks)
        self._shorter = _next_shorter(self._texts)
        self._longest: dict[bytes, int] = {}
        for text in self._texts:
            head = text[: self._head_bytes]
            self._longest[head] = max(self._longest.get(head, 0), len(text))
        self._like_heads = _like(self._longest)

    def joined_by(self, marks: Mapping[bytes, bytes], *, in_force: Container[bytes] = ()) -> Self:
        """Return a redaction with these marks added. It keeps, from the texts before, the last `REMEMBERED` and those in force.

        Args:
            marks: the mark that replaces each text.
            in_force: texts that are kept if they are known here, however many others there are.
        """
        before = {text: mark for text, mark in self._marks.items() if text not in marks}
        past = [text for text in before if text not in in_force]
        for text in past[: max(0, len(past) - REMEMBERED)]:
            del before[text]
        return type(self)(before | dict(marks))

    def replace(self, data: bytes, covered: int = 0, *, is_last: bool = False) -> tuple[bytes, bytes, int]:
        """Replace the secrets in the next piece of a stream.

        The result is the same, however the stream is cut into pieces.

        Args:
            data: what the previous call held back, followed by what has come since.
            covered: as the previous call returned it: how many of the bytes that it held back belong to a secret that it has replaced.
            is_last: whether this is the end of the stream; then nothing is held back.

        Returns:
            What can be passed on; what is held back, because it may be the beginning of a secret; and the next `covered`.
        """
        done: list[bytes] = []
        at = covered
        edge = len(data)
        for start, rest in self._starts(data):
            # In the sorted texts, those that begin with the rest come after it, and those that the rest begins with come before it.
            place = bisect_right(self._texts, rest)
            if not is_last and place < len(self._texts) and self._texts[place].startswith(rest):
                # Hold back everything from here: it may become this text, which is longer.
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
        """Yield each position where a text may begin, in order, with the bytes from there on, as many as a text could have."""
        size = self._head_bytes
        for run in self._like_heads.finditer(data):
            for start in range(*run.span()):
                if longest := self._longest.get(data[start : start + size]):
                    yield start, data[start : start + longest]
        # These positions are too near the end for a whole head.
        for start in range(max(0, len(data) - size + 1), len(data)):
            yield start, data[start:]


def _like(heads: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return a pattern that finds runs of positions where the bytes that follow agree, one by one, with those of some head.

    Most streams have few such runs, and they are found quickly.
    """
    first, *others = [b"[%b]" % re.escape(bytes(set(column))) for column in zip(*heads, strict=True)] or [b"(?!)"]
    # Possessive: otherwise the engine would keep each position of a run, to go back to it.
    return re.compile(b"(?:%b(?=%b))++" % (first, b"".join(others)))


def _next_shorter(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return for each text the longest other text that it begins with, or the empty text.

    Args:
        texts: sorted, so that a text comes before those that begin with it.
    """
    shorter: dict[bytes, bytes] = {}
    last = b""
    for text in texts:
        while not text.startswith(last):
            last = shorter[last]
        shorter[text] = last
        last = text
    return shorter
