"""What it does is tested in test_sodium.py, with the module that it stands in for; here it is held to offer the same functions."""

from __future__ import annotations

import inspect
from types import FunctionType, ModuleType

from coffer_protocol.crypto import documented_sodium, sodium


def functions(module: ModuleType) -> dict[str, inspect.Signature]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, FunctionType) and not name.startswith("_")}
    return {name: inspect.signature(function) for name, function in found.items() if function.__module__ == module.__name__}


def test_it_offers_the_same_functions() -> None:
    assert len(functions(sodium)) == 10
    assert functions(documented_sodium) == functions(sodium)
