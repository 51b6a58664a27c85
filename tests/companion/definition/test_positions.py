"""Lines and columns of keys in TOML, of any shape that TOML allows."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.definition.positions import KeyPath, Positions


def paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key and every item of a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in items:
        yield (*path, name)
        yield from paths(value, (*path, name))


def key_at(text: str, line: int, column: int) -> str:
    """The key that begins at a place, read by tomli."""
    rest = text.split("\n")[line - 1][column - 1 :]
    if rest[0] in "\"'":
        end = 1
        while rest[end] != rest[0]:
            end += 2 if rest[0] == '"' and rest[end] == "\\" else 1
        token = rest[: end + 1]
    else:
        token = rest[: next((i for i, character in enumerate(rest) if not (character.isalnum() or character in "-_")), len(rest))]
    (key,) = tomli.loads(f"{token} = 1")
    return key


def check_all(text: str) -> None:
    positions = Positions(text)
    for path in paths(tomli.loads(text)):
        place = positions.of(path)
        if isinstance(path[-1], int):
            assert place >= positions.of(path[:-1])
        else:
            assert key_at(text.replace("\r\n", "\n"), *place) == path[-1]


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a = 1", ("a",), (2, 3)),
        ("# b = 1\nb = 2", ("b",), (2, 1)),
        ("a = 1\r\nb = 2\r\n", ("b",), (2, 1)),
        ("a.b . c = 1", ("a", "b", "c"), (1, 7)),
        ("[a.b]\nc = 1", ("a", "b"), (1, 4)),
        ("[a.b]\n[a]\nc = 1", ("a",), (2, 2)),
        ("[ a . 'b.c' ]\n\"d\\u0065\" = 1", ("a", "b.c", "de"), (2, 1)),
        ("a = { b = 1, c = [ 2, { d = 3 } ] }", ("a", "c", 1, "d"), (1, 25)),
        ("a = [\n 1, # one\n 2,\n]\nb = 3", ("a", 1), (3, 2)),
        ("a = [\n 1, # one\n 2,\n]\nb = 3", ("b",), (5, 1)),
        ('a = """\nb = 1\n"""\nb = 2', ("b",), (4, 1)),
        ('a = """x""""" # "\nb = 2', ("b",), (2, 1)),
        ('a = """\\"""b"""\nb = 2', ("b",), (2, 1)),
        ("a = '''\n\\'''''\nb = 2", ("b",), (3, 1)),
        ("a = 'x#' # y\nb = 2", ("b",), (2, 1)),
        ("a = 1979-05-27 07:32:00\nb = 2", ("b",), (2, 1)),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "b"), (4, 1)),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "c", "d"), (6, 1)),
        ("'ä' = 1\n'ö' = { b = 1 }", ("ö", "b"), (2, 9)),
        ("a = 1", ("x", "y"), (1, 1)),
        ("[a]\nb = 1", ("a", "x"), (1, 2)),
        ("", ("a",), (1, 1)),
    ],
)
def test_places(text: str, path: KeyPath, place: tuple[int, int]) -> None:
    assert Positions(text).of(path) == place


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_document_of_everything(newline: str) -> None:
    text = """
# [comment]
title = "a \\" # ] } = b" # "comment"
[ "servers" . alpha ]
ip = '''
[not.a.table]
x = "''' # '''
ports = [ [ 1, 2 ], [ # ] comment
  "a]", 'b}',
], [], ]
nested = { a.b = 1, "c d" = { e = [ { f = "}" } ] }, g = "" }
when = 2026-01-15 07:32:00.5+01:00
[[servers.list]]
name = "one"
[[servers.list.inner]]
z = nan
[[servers.list.inner]]
z = -inf
[[servers.list]]
name = "two"
[servers]
last = 0x_ff
""".replace("0x_ff", "0xff")
    check_all(text.replace("\n", newline))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', "'", '"""', "'''", "\\", "#", "]", "a = 1\n", "}"]
)
SCALARS = TEXTS | st.integers(-5, 5) | st.booleans() | st.dates() | st.datetimes() | st.times()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=12)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=5)


class Writer:
    """Writes documents in every style that TOML has, chosen by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def document(self, table: dict[str, Any], header: tuple[str, ...] = ()) -> str:
        lines, tables = [], []
        for name, value in table.items():
            path = (*header, name)
            if isinstance(value, dict) and self._random.random() < 0.6:
                tables.append(f"{self._noise()}[{self._space()}{'.'.join(map(self.key, path))}] # {name!r}\n{self.document(value, path)}")
            elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value) and self._random.random() < 0.6:
                head = f"[[{'.'.join(map(self.key, path))}]]"
                tables += [f"{self._noise()}{head}\n{self.document(item, path)}" for item in value]
            else:
                lines.append(f"{self._noise()}{self.key(name)}{self._space()}={self._space()}{self.value(value)}{self._space()}# ]\n")
        return "".join(lines + tables)

    def key(self, name: str) -> str:
        plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        literal = name.isprintable() and "'" not in name
        styles = [self._basic(name), *([name] if plain else []), *([f"'{name}'"] if literal else [])]
        return self._random.choice(styles)

    def value(self, value: Any) -> str:
        match value:
            case str():
                return self._text(value)
            case list():
                gap = self._random.choice(["", " ", "\n", " # ,]\n"])
                return "[" + gap + ("," + gap).join(map(self.value, value)) + gap + "]"
            case dict():
                return "{ " + ", ".join(f"{self.key(name)} = {self.value(item)}" for name, item in value.items()) + " }"
            case _:
                return str(tomlkit.item(value).as_string())

    def _text(self, text: str) -> str:
        styles = [self._basic(text), f'"""{self._basic(text)[1:-1]}"""']
        if text.replace("\n", "").isprintable() and "'''" not in text and not text.endswith("'"):
            styles.append(f"'''\n{text}'''")
        return self._random.choice(styles)

    def _basic(self, text: str) -> str:
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text) + '"'

    def _space(self) -> str:
        return self._random.choice(["", " ", "\t "])

    def _noise(self) -> str:
        return self._random.choice(["", "", "\n", "# [x]\n", "  ", " \t\n# a = '''\n"])


@given(document=DOCUMENTS, random=st.randoms(use_true_random=False))
def test_every_key_of_any_document(document: dict[str, Any], random: Random) -> None:
    text = Writer(random).document(document)
    assert repr(tomli.loads(text)) == repr(document) or tomli.loads(text) == document
    check_all(text)
