from __future__ import annotations

import subprocess
import sys

import pytest

from coffer_protocol.fallbacks import in_use
from tests.support import ROOT


def test_the_libraries_of_the_tests_have_what_is_wanted() -> None:
    assert list(in_use()) == []


@pytest.mark.parametrize(
    ("module", "documented"),
    [
        ("cbor2._cbor2", "cbor2"),
        ("nacl._sodium", "nacl.bindings"),
        ("cryptography.hazmat.bindings._rust", "cryptography.hazmat.primitives.asymmetric.mlkem"),
    ],
)
def test_a_module_that_is_missing_is_named_with_what_is_used_instead(module: str, documented: str) -> None:
    # In a process of its own: what this one has loaded, it cannot lose.
    program = (
        "import sys, cbor2, nacl.bindings, cryptography.hazmat.backends.openssl.backend, cryptography.hazmat.primitives.asymmetric.mlkem\n"
        f"sys.modules[{module!r}] = None\n"
        "from coffer_protocol.fallbacks import in_use\n"
        "for fallback in in_use(): print(fallback.documented, fallback.missing)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"{documented} import of {module} halted")
    assert ran.stdout.count("\n") == 1
