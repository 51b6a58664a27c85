from __future__ import annotations

from pathlib import Path

import pytest

from coffer_client.config.credential import Credential

from ..releases import History
from ..sources import Client


@pytest.fixture
def client(tmp_path: Path, whole: Credential) -> Client:
    return Client(tmp_path / "files", whole)


@pytest.fixture
def history(whole: Credential) -> History:
    return History(whole)
