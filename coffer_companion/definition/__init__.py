"""The definition: one TOML file that says which client gets which secrets (docs/definition.md).

`load` is the way in. The subjects have a module each:

    model.py       Definition, Client, Origin, and the error that carries every problem of a run
    positions.py   where in a TOML text a key stands, for tomli does not say
    source.py      files: the definition itself, what it includes, what it takes contents from
    layers.py      TOML tables -> items by section and flat key; an overlay is a second layer over the first
    clients.py     `[clients]` -> keys
    values.py      one item -> one value
    templates.py   `{ from_template = "…" }`
    assembly.py    values, groups and templates -> what each client gets
"""

from __future__ import annotations

from .lifetime import LifetimeError, parse_lifetime
from .loading import load
from .model import Client, Definition, DefinitionError, Origin, Problem

__all__ = ["Client", "Definition", "DefinitionError", "LifetimeError", "Origin", "Problem", "load", "parse_lifetime"]
