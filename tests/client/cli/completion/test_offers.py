from __future__ import annotations

import pytest

from coffer_client.cli.completion.offers import Kind, Offer, brief, fill, offer


@pytest.mark.parametrize(
    ("metavar", "offered"),
    [
        ("raw|shell", Offer(kind=Kind.WORDS, words=("raw", "shell"))),
        ("restart|signal:HUP|exec:CMD", Offer(kind=Kind.WORDS, words=("restart", "signal:", "exec:"))),
        ("reset", Offer(kind=Kind.WORDS, words=("reset",))),
        ("PATH", Offer(kind=Kind.FILES)),
        ("DIR", Offer(kind=Kind.FOLDERS)),
        ("KEY", Offer(kind=Kind.KEYS)),
        ("PATTERN", Offer(kind=Kind.KEYS)),
        ("SECONDS", Offer(kind=Kind.NOTHING)),
    ],
)
def test_a_metavar_says_what_is_offered(metavar: str, offered: Offer) -> None:
    assert offer(metavar) == offered


def test_the_first_sentence_is_enough() -> None:
    assert brief("Which file. Default: none.") == "Which file"
    assert brief("Up to 0.5 s.") == "Up to 0.5 s"


def test_parts_stand_where_their_names_were() -> None:
    assert fill("a @b_c@ @ user@host", b_c="@x@") == "a @x@ @ user@host"
