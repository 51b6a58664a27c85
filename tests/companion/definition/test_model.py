from __future__ import annotations

import pytest

from coffer_companion.definition.model import Origin, dotted
from coffer_companion.errors import DefinitionError, Problem


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((), ""),
        (("web", "smtp", "host"), "web.smtp.host"),
        (("web", "smtp.host"), 'web."smtp.host"'),
        (("web", ""), 'web.""'),
        (("include", 0), "include[1]"),
        (("web", 1, "a"), "web[2].a"),
        (('a"b\\c',), '"a\\"b\\\\c"'),
        (("é",), '"é"'),
    ],
)
def test_a_path_of_keys_is_written_as_toml_has_it(parts: tuple[str | int, ...], text: str) -> None:
    assert dotted(parts) == text


@pytest.mark.parametrize("character", ["\x1b", "\n", "\x7f", "\u202e", "\u200b"])
def test_a_key_cannot_steer_a_terminal(character: str) -> None:
    assert dotted((f"a{character}b",)) == f'"a\\U{ord(character):08X}b"'


def test_a_problem_says_as_much_of_its_place_as_is_known() -> None:
    assert str(Problem(path="a.toml", text="it is gone")) == "a.toml: it is gone"
    assert str(Problem(path="a.toml", line=3, column=7, text="not TOML")) == "a.toml:3:7: not TOML"
    assert str(Problem(path="a.toml", line=3, column=7, key="web.a", text="no")) == "a.toml:3:7: web.a: no"


def test_the_error_has_every_problem_on_a_line_of_its_own() -> None:
    problems = [Problem(path="a.toml", text="first"), Problem(path="b.toml", text="second")]
    error = DefinitionError(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error) == "a.toml: first\nb.toml: second"


def test_an_origin_is_a_place_that_an_editor_finds() -> None:
    assert str(Origin(path="a.toml", line=2, column=1, how="own value")) == "a.toml:2:1: own value"
