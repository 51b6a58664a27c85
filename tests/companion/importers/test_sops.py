from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.sops import read

from .definitions import imported


def test_sops_without_its_own_members(tmp_path: Path) -> None:
    values = read('{"db": {"password": "p4ss"}, "sops": {"kms": null, "age": [{"recipient": "age1"}], "version": "3.9.0"}}')
    assert imported(tmp_path, values) == {"db.password": "p4ss"}


def test_yaml_is_named_with_the_pipe_that_helps() -> None:
    with pytest.raises(ImportingError, match=r"YAML, which import does not read: pipe it in as JSON, such as `sops -d "):
        read("# decrypted\ndb:\n    password: p4ss\n")
