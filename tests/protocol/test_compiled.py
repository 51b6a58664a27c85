"""In processes of their own: what this one has loaded, it cannot load anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

from coffer_protocol import compiled
from tests.support import ROOT

# A module, and a way in which its library loads it itself.
MODULES = {
    "nacl._sodium": "from nacl._sodium import lib",
    "cbor2._cbor2": "from cbor2 import dumps",
    "cryptography.hazmat.bindings._rust": "from cryptography.hazmat.bindings import _rust",
}


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys\nfrom coffer_protocol import compiled\n{program}"], cwd=ROOT, check=True)


@pytest.mark.parametrize(("name", "usual"), MODULES.items())
def test_it_is_the_librarys_own_module_whoever_comes_first(name: str, usual: str) -> None:
    library = name.partition(".")[0]
    run(f"one = compiled.load('{name}')\nassert '{library}' not in sys.modules\n{usual}\nassert sys.modules['{name}'] is one")
    run(f"{usual}\nassert compiled.load('{name}') is sys.modules['{name}']")
    run(f"import {library}\nassert compiled.load('{name}') is sys.modules['{name}']")


def test_threads_that_want_it_at_the_same_time_get_the_same() -> None:
    run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "sys.setswitchinterval(1e-6)\n"
        "barrier = Barrier(8)\n"
        "def load(_):\n"
        "    barrier.wait()\n"
        "    return compiled.load('cryptography.hazmat.bindings._rust')\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    assert len(set(pool.map(load, range(8)))) == 1\n"
    )


@pytest.mark.parametrize("name", ["nacl._no_such_module", "no_such_library._core", "json.decoder._c"])
def test_what_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=name) as caught:
        compiled.load(name)
    assert caught.value.name == name


def test_cbor_leaves_the_standard_library_as_it_was() -> None:
    run(
        # A start that an application or a finder of editable packages has not loaded it for.
        "for name in ('collections', 'collections.abc'):\n"
        "    sys.modules.pop(name, None)\n"
        "from coffer_protocol import cbor\n"
        "assert not {'collections', 'collections.abc'} & sys.modules.keys()\n"
        "import collections.abc\n"
        "assert collections.OrderedDict and collections.abc.Mapping\n"
        "assert cbor.encode({'b': [1], 'a': cbor.Tagged(0, 'x')}) == bytes.fromhex('a26161c06178616281 01')\n"
    )
