from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given

from coffer_companion.errors import ImportingError
from coffer_companion.importers.insertion import add_secrets
from coffer_companion.importers.json import read
from coffer_companion.importers.values import flatten

from .definitions import JSON_OBJECTS, ONE_FOLDER, WEB, imported


@ONE_FOLDER
@given(values=JSON_OBJECTS)
def test_json_there_and_back(values: dict[str, Any], tmp_path: Path) -> None:
    found = read(json.dumps(values))
    assert found == json.loads(json.dumps(values))
    flat = flatten(found)
    got = imported(tmp_path, found)
    assert {key: repr(value) for key, value in got.items()} == {key: repr(value) for key, value in flat.items()}


def test_objects_become_tables() -> None:
    text = add_secrets(WEB, "web", read('{"smtp": {"host": "mail", "tls": {"on": true}}, "port": 25, "ratio": 1e16}'))
    assert tomli.loads(text)["web"] == {"smtp": {"host": "mail", "tls": {"on": True}}, "port": 25, "ratio": 1e16}
    assert "[web.smtp]" in text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": {"b": ["canary"]}}', r"^a\.b: an array cannot be delivered"),
        ('{"a": {"b": null}}', r"^a\.b: null cannot be delivered"),
        ('{"a": 9223372036854775808}', "^a: an integer has at most 64 bits"),
        ('{"a": 1e999}', "^a: a number with a point has at most 64 bits"),
        ('{"a": NaN}', "JSON has no number NaN"),
        ('{"a": "\\ud800canary"}', "^a: the text has half of a character"),
        ('{"a": "canary", "a": 2}', "^an object has a twice"),
        ('["canary"]', "the JSON is not an object"),
        ('{"a": 1.0000000000000000001}', "^a: a number with a point has at most 64 bits"),
        ('{"a": canary}', "the JSON, line 1, column 7: this is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "line 1, column 1: the integer is too long"),
        ('{"a": ' + "[" * 100_000, "line 1, column 1: the values are nested more than 200 deep"),
    ],
)
def test_json_refused(text: str, fault: str) -> None:
    with pytest.raises(ImportingError, match=fault) as caught:
        read(text)
    assert "canary" not in str(caught.value)
