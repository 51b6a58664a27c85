"""Run `coffer-client` while an undocumented module of a library, or a name in it, is missing; or record which names it takes from them.

    python -m tests.client.private_names without MODULE[:NAME] WORD...
    python -m tests.client.private_names record WORD...

`record` writes the names to stderr, a line each.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

# Each undocumented module that Coffer uses, with what its library loads for its documented modules.
MODULES: Final = {
    "cbor2._cbor2": ("cbor2",),
    "nacl._sodium": ("nacl.bindings",),
    "cryptography.hazmat.bindings._rust": (
        "cryptography.hazmat.backends.openssl.backend",
        "cryptography.hazmat.primitives.asymmetric.mlkem",
    ),
}
# What holds further names, and is no class.
HOLDERS: Final = ("ffi", "lib", "openssl", "openssl.mlkem")


class View:
    """A module or another holder of names, each of which is first shown to a function that may refuse it."""

    def __init__(self, holder: Any, path: str, look: Callable[[str], None]) -> None:
        self._holder, self._path, self._look = holder, path, look

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._holder, name)
        # What Python itself asks of a module.
        if name.startswith("__"):
            return value
        path = f"{self._path}.{name}".removeprefix(".")
        self._look(path)
        return View(value, path, self._look) if path in HOLDERS else value


def hide(module: str, name: str) -> None:
    """Take a name, or with an empty name the whole module, from all who ask from now on. Its library has its own already."""

    def refuse(path: str) -> None:
        if path == name:
            raise AttributeError(f"there is no {path} today")

    for documented in MODULES[module]:
        importlib.import_module(documented)
    # None in the place of a module is an ImportError.
    replaced: dict[str, Any] = {module: View(sys.modules[module], "", refuse) if name else None}
    sys.modules.update(replaced)


def record(seen: set[str]) -> None:
    """Note every name that is asked for."""

    def viewed(module: str) -> Any:
        return View(importlib.import_module(module), "", lambda path: seen.add(f"{module}:{path}"))

    sys.modules.update({module: viewed(module) for module in MODULES})


def main(mode: str, *words: str) -> int:
    """Do what the command line says."""
    if mode == "without":
        module, _, name = words[0].partition(":")
        hide(module, name)
        words = words[1:]
    seen: set[str] = set()
    if mode == "record":
        record(seen)
    from coffer_client.cli.main import run

    code = run([*words])
    sys.stderr.writelines(f"{name}\n" for name in sorted(seen))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
