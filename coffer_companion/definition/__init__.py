"""The definition: one TOML file that says which client gets which secrets (docs/definition.md).

Other modules use `load`.

Modules:
    model.py       Definition, Client and Origin
    positions.py   where each key is in a TOML text, because tomli does not say
    source.py      files: the definition itself, the files that it includes, and those that it takes contents from
    layers.py      TOML tables -> items by section and flat key; an overlay is a second layer over the first
    clients.py     `[clients]` -> keys
    values.py      one item -> one value
    templates.py   `{ from_template = "…" }`
    assembly.py    values, groups and templates -> what each client gets
    loading.py     a path -> a Definition: the modules above, in their order
    lint.py        warns about what is allowed but is most often a mistake
"""

from __future__ import annotations

from .loading import load
from .model import Client, Definition, Origin

__all__ = ["Client", "Definition", "Origin", "load"]
