"""docs/definition.md says what the definition language does: every example in it is loaded, and gives what the page says.

Before each example stands a comment with JSON: `gets` (what each client gets), or `error`, and where it matters `warns`, `public`, `files`
(beside the definition; `{"hex": "…"}` where they are binary), `env` (the overlay) and `environ` (the environment). In the
examples `coffer1…` stands for a public key text, another one each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from coffer_companion.definition import Definition, load
from coffer_companion.definition.layers import RESERVED, SOURCES
from coffer_companion.definition.templates import toml_text
from coffer_companion.errors import DefinitionError
from coffer_protocol.identity import Identity
from coffer_protocol.shard import SecretValue
from tests.support import ROOT

TEXT = (ROOT / "docs" / "definition.md").read_text(encoding="utf-8")
TODAY = date(2026, 1, 15)

_EXAMPLE = re.compile(r"<!-- example\n(?P<outcome>.*?)\n-->\n+```toml\n(?P<toml>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    line: int
    toml: str
    outcome: dict[str, Any]


def examples() -> list[Example]:
    return [
        Example(line=TEXT.count("\n", 0, match.start("toml")) + 1, toml=match["toml"], outcome=json.loads(match["outcome"]))
        for match in _EXAMPLE.finditer(TEXT)
    ]


@cache
def key_text(number: int) -> str:
    return Identity(seed=number.to_bytes(32, "big")).public_text()


def with_keys(text: str, numbers: Iterator[int]) -> str:
    return re.sub("coffer1…", lambda _: key_text(next(numbers)), text)


def as_json(value: SecretValue) -> Any:
    match value:
        case bytes():
            return {"hex": value.hex()}
        case datetime() | date() | time():
            return toml_text("", value)
        case _:
            return value


def write(folder: Path, example: Example) -> None:
    numbers = count(1)
    for name, content in example.outcome.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes.fromhex(content["hex"]) if isinstance(content, dict) else with_keys(content, numbers).encode())
    (folder / "secrets.toml").write_text(with_keys(example.toml, numbers), encoding="utf-8")


def loaded(path: Path, example: Example) -> Definition:
    return load(path, overlay=example.outcome.get("env"), environ=example.outcome.get("environ", {}), today=TODAY)


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"line {example.line}")
def test_example(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, example)
    monkeypatch.chdir(tmp_path)
    path = Path("secrets.toml")
    if "error" in example.outcome:
        with pytest.raises(DefinitionError) as caught:
            loaded(path, example)
        assert str(caught.value).splitlines() == example.outcome["error"]
        return
    definition = loaded(path, example)
    gets = {name: {secret.key: as_json(secret.value) for secret in client.secrets} for name, client in definition.clients.items()}
    assert gets == example.outcome["gets"]
    # As text too, for the order of keys, and because 1 and true are equal in Python.
    assert json.dumps(gets) == json.dumps(example.outcome["gets"])
    assert list(definition.warnings) == example.outcome.get("warns", [])
    public = {name: sorted(client.public) for name, client in definition.clients.items() if client.public}
    assert public == example.outcome.get("public", {})
    if "keys" in example.outcome:
        assert {name: len(client.keys) for name, client in definition.clients.items()} == example.outcome["keys"]


def test_every_block_is_an_example() -> None:
    assert len(examples()) == TEXT.count("```toml") > 0


def test_names_are_the_codes() -> None:
    (listed,) = re.findall(r"Reserved names: (.*)\.\n", TEXT)
    assert set(re.findall("`([a-z]+)`", listed)) == RESERVED
    assert all(f"{source} =" in TEXT for source in SOURCES)
