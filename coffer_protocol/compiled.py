"""Loading the compiled module of a library without the packages around it, which load `typing`, regular expressions and more
(bench/README.md, "The client's start-up"). Imported in the usual way, before or after, it is the same module.
"""

from __future__ import annotations

import sys
from _imp import acquire_lock, release_lock

from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def load(name: str) -> ModuleType:
    """The module of that whole name.

    Raises:
        ModuleNotFoundError: no library that is installed has it.
    """
    if name in sys.modules:
        return sys.modules[name]
    library, *folders, _ = name.split(".")
    # Somebody has paid for the packages, or is about to.
    if library in sys.modules:
        __import__(name)
        return sys.modules[name]
    # Some modules can be made only once, and two threads may want one at the same time. This is Python's own lock for that: os.fork waits
    # for it, so no child finds it taken for ever.
    acquire_lock()
    try:
        return sys.modules.get(name) or _load(name, library, folders)
    finally:
        release_lock()


def _load(name: str, library: str, folders: list[str]) -> ModuleType:
    for finder in sys.meta_path:
        package = finder.find_spec(library, None)
        places = package and package.submodule_search_locations
        spec = places and finder.find_spec(name, ["/".join([place, *folders]) for place in places])
        if spec and spec.loader and (module := spec.loader.create_module(spec)):
            spec.loader.exec_module(module)
            sys.modules[name] = module
            return module
    raise ModuleNotFoundError(f"{name} is not there: the library {library} is not installed whole", name=name)
