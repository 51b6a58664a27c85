"""Secrets of every kind that a definition can hold, for hypothesis."""

from __future__ import annotations

from datetime import timedelta, timezone

from hypothesis import strategies as st

from coffer_client.delivery.text import Secrets
from coffer_protocol.shard import INT_MAX, INT_MIN

# What breaks quoting, beside what hypothesis thinks of.
_AWKWARD = [
    "'",
    '"',
    "\\",
    "$",
    "`",
    "!",
    "\n",
    "\r",
    "\t",
    "${HOME}",
    "$(id)",
    "${:-}",
    "%s",
    "#",
    "é",
    "🔑",
    "\x01",
    "\x7f",
    "\u2028",
    " ",
]

texts = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from(_AWKWARD), max_size=8).map("".join),
    st.sampled_from(["", "-n", "--", "-e x", "\n\n", "ends in \\", "'", "${", "a=b", " lead and trail "]),
)
# Variables cannot hold a NUL.
environment_texts = texts.map(lambda text: text.replace("\0", ""))

_offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A shard has no fold.
_times = st.one_of(st.datetimes(), st.datetimes(timezones=_offsets), st.times()).map(lambda value: value.replace(fold=0))
values = st.one_of(
    texts,
    st.integers(INT_MIN, INT_MAX),
    st.floats(),
    st.booleans(),
    st.binary(),
    st.dates(),
    _times,
)

# Keys of every kind, but for control characters.
keys = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    st.sampled_from(["db.url", "db", "a/b", "..", "1", "two words", 'a"b', "é", "#", "'", "\\"]),
)
# Keys that become names, and different ones; the prefix keeps them off variables that a shell has for itself.
environment_keys = st.text(alphabet="abcXYZ019_.-", max_size=12).map(lambda rest: f"k{rest}")


def name_of(key: str) -> str:
    """The variable that a key becomes."""
    return key.replace(".", "_").replace("-", "_")


def environments(value: st.SearchStrategy[str] = environment_texts) -> st.SearchStrategy[Secrets]:
    """Secrets that can all stand in one environment."""
    pairs = st.lists(st.tuples(environment_keys, value), max_size=30, unique_by=lambda pair: name_of(pair[0]))
    return pairs.map(dict)
