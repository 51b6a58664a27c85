from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.sops import read

from .definitions import imported


def test_sops_without_its_own_members(tmp_path: Path) -> None:
    values = read('{"db": {"password": "p4ss"}, "sops": {"kms": null, "age": [{"recipient": "age1"}], "version": "3.9.0"}}')
    assert imported(tmp_path, values) == {"db.password": "p4ss"}


def test_sops_that_is_still_encrypted() -> None:
    with pytest.raises(ImportingError, match=r"a\.b is still encrypted"):
        read('{"a": {"b": "ENC[AES256_GCM,data:xyz,type:str]"}, "sops": {"version": "3.9.0"}}')
