from __future__ import annotations

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential

from ...fake_server import FakeServer, serving
from ..command_lines import SECRETS, Configure, Served


def test_keys_are_listed_without_their_values(served: Served, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    assert served(serving(whole, {**SECRETS, "with space": "x", "-n": "x"}), ["keys"]) == 0
    assert capfd.readouterr() == ("db.url\nport\ncertificate\nwith space\n-n\n", "")
    # The server is gone, and not asked for.
    assert cli.run(["keys", "--cached"]) == 0
    assert capfd.readouterr() == ("db.url\nport\ncertificate\nwith space\n-n\n", "")
    assert cli.run(["keys", "--cached", "--max-stale", "0"]) == 1
    assert "the cache cannot be used: it was fetched" in capfd.readouterr().err


def test_keys_of_a_cache_that_is_not_there(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["keys", "--cached"]) == 1
    assert capfd.readouterr() == ("", "coffer-client: the cache cannot be used: it is empty\n")
