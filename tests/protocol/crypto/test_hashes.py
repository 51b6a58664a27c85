"""Our hashes are held to the standard library's."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol.crypto import hashes
from tests.support import ROOT


@given(data=st.binary(max_size=300))
def test_hashes_are_the_standard_librarys(data: bytes) -> None:
    assert hashes.sha256(data) == hashlib.sha256(data).digest()
    assert hashes.sha3_256(data).digest() == hashlib.sha3_256(data).digest()
    assert hashes.shake_256(data).digest(96) == hashlib.shake_256(data).digest(96)
    assert hashes.blake2b(data, digest_size=16, key=b"key") == hashlib.blake2b(data, digest_size=16, key=b"key").digest()


@pytest.mark.parametrize("size", [(256 << 10) - 1, 256 << 10, (256 << 10) + 1])
def test_long_data_has_the_same_hash(size: int) -> None:
    assert hashes.sha256(bytes(size)) == hashlib.sha256(bytes(size)).digest()


@given(key=st.binary(max_size=200), message=st.binary(max_size=200))
def test_hmac_is_the_standard_librarys(key: bytes, message: bytes) -> None:
    assert hashes.hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@pytest.mark.parametrize("size", [63, 64, 65])
def test_hmac_at_the_length_of_a_block(size: int) -> None:
    assert hashes.hmac_sha256(bytes(size), b"") == hmac.digest(bytes(size), b"", "sha256")


def test_an_interpreter_without_hashes_of_its_own_has_hashlibs() -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('_sha2', '_sha256', '_sha3')))\n"
        "import hashlib\n"
        "from coffer_protocol.crypto import hashes\n"
        "assert hashes.sha256(b'') == hashlib.sha256(b'').digest()\n"
        "assert hashes.shake_256 is hashlib.shake_256\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
