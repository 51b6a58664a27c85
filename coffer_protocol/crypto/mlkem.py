"""ML-KEM-768 (FIPS 203) from OpenSSL, through `cryptography`.

`cryptography` documents classes for it, which load its whole backend when they are first used. That takes longer than a fetch
(docs/decisions/private-modules.md). The classes call two functions of its compiled module, which make the same keys, so this module uses
those. They are undocumented: if that module or one of the two is missing, this module uses the documented classes.

A client that is known by its bare key does not need ML-KEM and never loads this module.
"""

from __future__ import annotations

from ..errors import UnavailableError
from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

Constructors: TypeAlias = "tuple[Callable[[bytes], MLKEM768PrivateKey], Callable[[bytes], MLKEM768PublicKey]]"


def load_compiled() -> Constructors:
    """Return the functions of the compiled module that make a private key from its seed, and a public key from its bytes.

    Raises:
        ImportError, AttributeError: if the module or a name in it is missing.
    """
    from cryptography.hazmat.bindings._rust import openssl

    return openssl.mlkem.from_mlkem768_seed_bytes, openssl.mlkem.from_mlkem768_public_bytes


def load_documented() -> Constructors:
    """Return the documented methods that do the same.

    Raises:
        UnavailableError: if this machine's OpenSSL has no ML-KEM-768.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        raise UnavailableError(
            "the `cryptography` package on this machine was built with an OpenSSL without ML-KEM-768, which Coffer needs",
            hint="the wheels of cryptography 48 and later have it: pip install --upgrade --only-binary cryptography cryptography",
        ) from None
    return MLKEM768PrivateKey.from_seed_bytes, MLKEM768PublicKey.from_public_bytes


try:
    private_key, public_key = load_compiled()
except (ImportError, AttributeError):
    private_key, public_key = load_documented()
