"""Keeps the secrets in a process's memory out of core files, and away from other processes."""

from __future__ import annotations

import os
import resource
import sys

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

# The variable that lets a debugger or a profiler in.
ALLOW_TRACING: Final = "COFFER_ALLOW_TRACING"

# <linux/prctl.h>
_PR_SET_DUMPABLE: Final = 4


def protect(program: str, environment: Mapping[str, str] = os.environ) -> None:
    """Forbid cores and tracing of this process. A program does this before it reads a key.

    If the variable COFFER_ALLOW_TRACING is 1, tracing stays allowed, and a warning on stderr says so.

    Args:
        program: the name of the program, with which the warning begins.
        environment: the variables of this process.
    """
    forbid_cores()
    if environment.get(ALLOW_TRACING) != "1":
        forbid_tracing()
    elif sys.stderr is not None:
        sys.stderr.write(f"{program}: warning: {ALLOW_TRACING}=1: other processes of this user can read the memory of this one\n")


def forbid_cores() -> None:
    """Forbid core files of this process and of those that it starts: all of them have the secrets.

    This sets the soft limit, which a command may raise for itself (`ulimit -S -c unlimited`). If the kernel gives cores to another program,
    such as systemd-coredump or apport, that program gets the limit too, and keeps no core.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def forbid_tracing() -> None:
    """Forbid every user but root to read this process's memory and first environment, or to attach to it. This works on Linux only.

    ssh-agent does the same. It does not hold for a program that this process starts. If the kernel refuses, as in some sandboxes, the
    process goes on.
    """
    if sys.platform == "linux":
        _prctl()(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _prctl() -> Callable[[int, int, int, int, int], int]:
    try:
        # PyNaCl loads this module in any case, and ctypes costs as much as a tenth of a fetch.
        import _cffi_backend as cffi  # type: ignore[import-untyped]

        integer = cffi.new_primitive_type("int")
        function: Callable[[int, int, int, int, int], int] = cffi.load_library(None, 0).load_function(
            cffi.new_function_type((integer,) * 5, integer), "prctl"
        )
    except (ImportError, AttributeError):
        import ctypes

        function = ctypes.CDLL(None).prctl
    return function
