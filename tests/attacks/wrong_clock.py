"""Run a program of ours on a machine whose clock is wrong.

python -m tests.attacks.wrong_clock SECONDS_AHEAD MODULE [WORD…]
"""

from __future__ import annotations

import runpy
import sys
import time


def main() -> None:
    """Set the clock of this process, before the program is loaded, and run it."""
    ahead_s, module, *words = sys.argv[1:]
    right = time.time
    time.time = lambda: right() + float(ahead_s)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
