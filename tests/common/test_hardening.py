from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coffer_common.hardening import ALLOW_TRACING
from tests.support import ROOT

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux alone")

PROLOGUE = """if 1:
    import ctypes, os, resource, subprocess, sys
    from coffer_common import hardening
    def dumpable():
        # PR_GET_DUMPABLE
        return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
"""
PROTECT = """
    hardening.protect("coffer-test")
    print(dumpable(), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


def ran(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, because these things cannot be taken back."""
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", PROLOGUE + program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


def printed(program: str) -> list[str]:
    """Return the words that a program prints."""
    return ran(program).stdout.split()


def test_no_core_is_written_and_a_command_may_still_ask_for_one() -> None:
    before, after, child = printed("""
    print(resource.getrlimit(resource.RLIMIT_CORE)[1], flush=True)
    hardening.forbid_cores()
    print("%d,%d" % resource.getrlimit(resource.RLIMIT_CORE), flush=True)
    subprocess.run([sys.executable, "-c", "import resource; print('%d,%d' % resource.getrlimit(resource.RLIMIT_CORE))"], check=True)
""")
    assert after == child == f"0,{before}"


@ON_LINUX
@pytest.mark.parametrize("missing", ["", "_cffi_backend"])
def test_nobody_attaches_to_this_process_and_what_it_starts_is_free(missing: str) -> None:
    before, after, child = printed(f"""
    sys.modules.update(dict.fromkeys({missing.split()!r}))
    print(dumpable(), flush=True)
    hardening.forbid_tracing()
    print(dumpable(), flush=True)
    subprocess.run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"], check=True)
""")
    assert (before, after, child) == ("1", "0", "1")


@ON_LINUX
def test_a_profiler_is_let_in_with_a_warning() -> None:
    done = ran(PROTECT, **{ALLOW_TRACING: "1"})
    assert done.stdout.split() == ["1", "0"]
    assert done.stderr == "coffer-test: warning: COFFER_ALLOW_TRACING=1: other processes of this user can read the memory of this one\n"


@ON_LINUX
@pytest.mark.parametrize("value", ["", "0", "yes"])
def test_nothing_but_1_lets_a_profiler_in(value: str) -> None:
    done = ran(PROTECT, **{ALLOW_TRACING: value})
    assert (done.stdout.split(), done.stderr) == (["0", "0"], "")


@ON_LINUX
@pytest.mark.parametrize(
    ("program", "words"),
    [("coffer_client", ["keygen", "key"]), ("coffer_companion", ["keygen", "key"]), ("coffer_server", ["init", "server"])],
)
def test_each_program_protects_itself_before_it_touches_a_key(program: str, words: list[str], tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    command = [strace, "-f", "-qq", "-e", "trace=prctl,prlimit64,setrlimit,openat,open", "-o", str(trace), sys.executable, "-m", program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    subprocess.run([*command, *words], cwd=tmp_path, env=environment, capture_output=True, check=True)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()

    def first(*texts: str) -> int:
        return next(number for number, line in enumerate(lines) if all(text in line for text in texts))

    # A key file is first written under a temporary name.
    key = first("O_CREAT", ".coffer-")
    assert first("PR_SET_DUMPABLE", "SUID_DUMP_DISABLE") < key
    assert first("RLIMIT_CORE", "rlim_cur=0") < key
