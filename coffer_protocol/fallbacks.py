"""Finds undocumented modules of libraries that are missing, and what is used in their place (docs/decisions/private-modules.md)."""

from __future__ import annotations

from . import cbor
from .errors import UnavailableError
from .lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final


class Fallback(Record):
    """A documented module that is used because an undocumented one, or a name in it, is missing.

    Attributes:
        library: the library's name on a package index.
        documented: the module that is used.
        missing: what Python says about the one that is missing.
    """

    library: str
    documented: str
    missing: str


def _load_sodium() -> object:
    from .crypto import sodium

    return sodium


def _load_mlkem() -> object:
    from .crypto import mlkem

    return mlkem.load_compiled()


# In the order of a fetch.
_LOADERS: Final[tuple[tuple[str, str, Callable[[], object]], ...]] = (
    ("cbor2", "cbor2", cbor.load_core),
    ("PyNaCl", "nacl.bindings", _load_sodium),
    ("cryptography", "cryptography.hazmat.primitives.asymmetric.mlkem", _load_mlkem),
)


def in_use() -> Iterator[Fallback]:
    """Yield each fallback that this machine's libraries make necessary."""
    for library, documented, load in _LOADERS:
        try:
            load()
        except (ImportError, AttributeError) as error:
            yield Fallback(library=library, documented=documented, missing=str(error))
        except UnavailableError:
            # The documented module cannot do it either, so it is no fallback.
            continue
