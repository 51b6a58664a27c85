from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

PROLOGUE = """if 1:
    import ctypes, os, resource, subprocess, sys
    from coffer_client.process import hardening
    def dumpable():
        # PR_GET_DUMPABLE
        return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
"""


def told(program: str) -> list[str]:
    """What a program prints, in a process of its own, for these things cannot be taken back."""
    return subprocess.run([sys.executable, "-c", PROLOGUE + program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_no_core_is_written_and_who_is_started_may_still_ask_for_one() -> None:
    before, after, child = told("""
    print(resource.getrlimit(resource.RLIMIT_CORE)[1], flush=True)
    hardening.forbid_cores()
    print("%d,%d" % resource.getrlimit(resource.RLIMIT_CORE), flush=True)
    subprocess.run([sys.executable, "-c", "import resource; print('%d,%d' % resource.getrlimit(resource.RLIMIT_CORE))"], check=True)
""")
    assert after == child == f"0,{before}"


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's")
def test_nobody_attaches_to_this_process_and_what_it_starts_is_free() -> None:
    before, after, child = told("""
    print(dumpable(), flush=True)
    hardening.forbid_tracing()
    print(dumpable(), flush=True)
    subprocess.run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"], check=True)
""")
    assert (before, after, child) == ("1", "0", "1")
