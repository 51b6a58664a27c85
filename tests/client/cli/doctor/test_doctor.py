"""`coffer-client doctor`: each step where it works, and each failure as it happens."""

from __future__ import annotations

import json

import pytest

from coffer_client.cli import main as cli
from coffer_client.cli.doctor import OK
from coffer_client.config.credential import Credential
from tests.support import identity

from ...fake_server import FakeServer, expecting_visits, serving
from ...releases import PUBLISHER
from .examinations import HOST, LOCAL, RELEASE, Configure, Doctor, states, step_of


def test_all_is_well(examined: Doctor, whole: Credential) -> None:
    content = examined(serving(whole, {"key": "canary-4711", "port": 5432}))
    assert content["ok"]
    assert states(content) == dict.fromkeys([*LOCAL, *HOST, *RELEASE], OK)
    assert not any(step["mend"] for step in content["steps"])
    assert (
        f"release 7 of 'shop' verifies; secrets: 2; signed by {PUBLISHER.publisher_key().hex().upper()}"
        in step_of(content, "release")["sentence"]
    )
    assert "does not expire" in step_of(content, "expiry")["sentence"]
    assert "there is no cache yet" in step_of(content, "cache")["sentence"]
    assert "COFFER_IDENTITY_TEXT" in step_of(content, "identity")["sentence"]
    assert "canary" not in json.dumps(content)
    assert "COFFER-SECRET-KEY" not in json.dumps(content)


def test_the_second_time_there_are_a_state_and_a_cache(examined: Doctor, whole: Credential) -> None:
    script = serving(whole, {})
    with FakeServer(expecting_visits(script)) as server:
        examined(server.address())
        content = examined(server.address())
    assert content["ok"]
    assert "the newest release seen is 7" in step_of(content, "state")["sentence"]
    assert "release 7, fetched" in step_of(content, "cache")["sentence"]


def test_a_bare_client_is_well_too(configured: Configure, capfd: pytest.CaptureFixture[str]) -> None:
    bare = Credential(identity=identity("web"), bare=True)
    with FakeServer(expecting_visits(serving(bare, {}))) as server:
        configured(server, bare)
        assert cli.run(["doctor", "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert f"bare key is {bare.id_text()}" in step_of(content, "identity")["sentence"]
