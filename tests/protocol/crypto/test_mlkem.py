from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from coffer_protocol.crypto import mlkem
from coffer_protocol.errors import UnavailableError

SEED = bytes(range(64))


def test_the_compiled_functions_make_what_the_documented_ones_make() -> None:
    (private, public), (documented_private, documented_public) = mlkem.load_compiled(), mlkem.load_documented()
    key, documented = private(SEED), documented_private(SEED)
    raw = key.public_key().public_bytes_raw()
    assert raw == documented.public_key().public_bytes_raw()
    assert type(key) is type(documented)
    assert type(public(raw)) is type(documented_public(raw))
    shared, ciphertext = documented_public(raw).encapsulate()
    assert key.decapsulate(ciphertext) == shared


def test_a_key_is_made_by_the_compiled_functions() -> None:
    assert (mlkem.private_key, mlkem.public_key) == mlkem.load_compiled()


def test_an_openssl_without_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "mlkem_supported", lambda: False)
    with pytest.raises(UnsupportedAlgorithm):
        MLKEM768PrivateKey.generate()
    with pytest.raises(UnavailableError, match="pip install --upgrade"):
        mlkem.load_documented()
