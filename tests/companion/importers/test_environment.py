from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.environment import read

from .definitions import imported


def test_the_environment(tmp_path: Path) -> None:
    values = read({"SHOP_B": "2", "SHOP_A": "1", "HOME": "/root"}, only="SHOP_")
    assert values == {"SHOP_A": "1", "SHOP_B": "2"}
    assert imported(tmp_path, values) == values
    with pytest.raises(ImportingError, match="no environment variable begins with 'CART_'"):
        read({"SHOP_A": "1"}, only="CART_")
    with pytest.raises(ImportingError, match="the environment variable A is not UTF-8"):
        read({"A": "canary\udcff"}, only="A")
