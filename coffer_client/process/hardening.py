"""What keeps the secrets in a process's memory from files and from its neighbours."""

from __future__ import annotations

import resource
import sys

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

# <linux/prctl.h>
_PR_SET_DUMPABLE: Final = 4


def forbid_cores() -> None:
    """Have no core written of this process, nor of those that it starts: all of them have the secrets.

    It is the soft limit, which a command may raise for itself (`ulimit -S -c unlimited`). Where the kernel gives cores to a program, that
    program is told of the limit: systemd-coredump and apport then keep none.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def forbid_tracing() -> None:
    """On Linux, have nobody but root read this process's memory and first environment, or attach to it, as ssh-agent does.

    What it starts is free of this again. Where it cannot be had, as under some sandboxes, the process goes on without.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
