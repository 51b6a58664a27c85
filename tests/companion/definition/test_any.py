"""Whatever stands in a TOML file, it is a definition or is refused with a place: never another error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_companion.definition.lint import lint
from coffer_companion.errors import DefinitionError, Problem
from tests.companion.definitions import bare, load_text

WORDS = ["clients", "coffer", "env", "shared", "public", "web", "g", "staging", "id", "name", "expires", "type", "a", "b", "smtp", ""]
WORDS += ["from_file", "from_env", "from_template", "from_value", "from_nowhere", "include", "operators", "*"]
TEXTS = st.sampled_from(["a text of some length", "{nothing}", "{a}", "{b}x", "web", "*", "secrets.toml", "open{", bare(1), bare(2)])
SCALARS = TEXTS | st.integers() | st.booleans() | st.dates() | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4), max_leaves=12
)
DOCUMENTS = st.fixed_dictionaries(
    {"clients": st.dictionaries(st.sampled_from(["web", "a", "b"]), TEXTS | VALUES, max_size=2)},
    optional={word: VALUES for word in WORDS if word != "clients"},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(document=DOCUMENTS, overlay=st.sampled_from([None, "staging", "a"]))
def test_anything(document: dict[str, Any], overlay: str | None, tmp_path: Path) -> None:
    text = "".join(f"{_toml(name)} = {_toml(value)}\n" for name, value in document.items())
    refused: tuple[Problem, ...] = ()
    try:
        lint(load_text(tmp_path, text, overlay=overlay, environ={"a": "b"}), mode=lambda _: 0, tracked=frozenset)
    except DefinitionError as error:
        refused = error.problems
    lines = text.count("\n") + 1
    assert all(problem.line is not None and 1 <= problem.line <= lines for problem in refused)


def _toml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_toml(name)} = {_toml(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return tomlkit.string(value).as_string()
        case _:
            return str(tomlkit.item(value).as_string())
