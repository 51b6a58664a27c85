"""What `coffer-client get KEY` costs as a whole process, beside `python -c pass`: start, fetch over loopback, verify, print, exit.

    python -m bench.startup [--runs N]

The commands run in turn, A B C A B C, so that a change of the machine's speed meets all of them; read the ratios of the medians. The client
is run as `python -m coffer_client`, by the interpreter that runs this, with byte code already compiled.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.setting import published


def main() -> None:
    """Measure, and print the median of each command and its ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=25)
    options = parser.parse_args()
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import typer'": [sys.executable, "-c", "import typer"],
        "coffer-client get KEY": [sys.executable, "-m", "coffer_client", "get", "db_url"],
        "coffer-client --help": [sys.executable, "-m", "coffer_client", "--help"],
    }
    with tempfile.TemporaryDirectory() as folder, published(Path(folder)) as setting:
        environment = os.environ | {"HOME": folder, "COFFER_SERVER": str(setting.address), "COFFER_IDENTITY": str(setting.identity_path)}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for counted in [False] + [True] * options.runs:
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
                if counted:
                    times[name].append(time.perf_counter() - start)
        base = statistics.median(times["python -c pass"])
        for name, taken in times.items():
            median = statistics.median(taken)
            print(f"{name:26s} {median * 1e3:6.1f} ms  ({min(taken) * 1e3:.1f} to {max(taken) * 1e3:.1f})  ratio {median / base:.2f}")


if __name__ == "__main__":
    main()
