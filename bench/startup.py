"""Measure what `coffer-client get KEY` costs as a whole process, compared with `python -c pass`: start, fetch over loopback, verify, print.

    python -m bench.startup [--runs N] [--upgrade-pip]

First a virtual environment is made, and Coffer is installed into it from the sources with a plain `pip install`: an editable install makes
Python itself slower. The commands run in turn, A B C A B C, so that a change of the machine's speed meets all of them; each ratio is
the median of the ratios within one turn. `pass` and `age` (Debian's packages, and gnupg) are measured too, if they are installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.setting import published

_ROOT = Path(__file__).parent.parent
_SECRET = "postgres://web:orchid-lantern@db.internal/shop"
_EMPTY = "empty script of pip's"
_LIBRARIES = "the libraries alone"
# As pip writes them; since 25.1 without the import of re.
_WRAPPER = """#!{python}
# -*- coding: utf-8 -*-
import re
import sys
from posix import getpid
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(getpid() and 0)
"""
# What no client can do without: libsodium, CBOR, and one ML-KEM-768 key pair.
_LOADER = """#!{python}
import gc, os
gc.disable()
import nacl._sodium
from coffer_protocol import cbor
from coffer_protocol.crypto import mlkem
mlkem.private_key(bytes(64)).public_key()
os._exit(0)
"""


def quietly(*command: str | Path, environment: Mapping[str, str] | None = None, text: str | None = None) -> None:
    """Run a command that has to work."""
    subprocess.run(command, env=environment, input=text, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def installed(folder: Path, *, upgrade_pip: bool) -> Path:
    """The programs of a new virtual environment that has Coffer."""
    quietly(sys.executable, "-m", "venv", folder)
    if upgrade_pip:
        quietly(folder / "bin" / "pip", "install", "--upgrade", "pip")
    quietly(folder / "bin" / "pip", "install", _ROOT)
    return folder / "bin"


def with_pass(folder: Path) -> tuple[list[str], dict[str, str]] | None:
    """`pass show` of the same secret, with a key that has no passphrase."""
    if not shutil.which("pass") or not shutil.which("gpg"):
        return None
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    environment = os.environ | {"GNUPGHOME": str(home), "PASSWORD_STORE_DIR": str(folder / "store")}
    quietly("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "bench", "default", "default", environment=environment)
    quietly("pass", "init", "bench", environment=environment)
    quietly("pass", "insert", "--multiline", "db_url", environment=environment, text=_SECRET)
    return ["pass", "show", "db_url"], environment


def with_age(folder: Path) -> list[str] | None:
    """`age -d` of the same secret."""
    if not shutil.which("age"):
        return None
    key, sealed = folder / "age.key", folder / "secret.age"
    quietly("age-keygen", "-o", key)
    public = subprocess.run(["age-keygen", "-y", key], capture_output=True, text=True, check=True).stdout.strip()
    quietly("age", "-r", public, "-o", sealed, text=_SECRET)
    return ["age", "-d", "-i", str(key), str(sealed)]


def main() -> None:
    """Measure, and print the median of each command and its ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=41)
    parser.add_argument("--upgrade-pip", action="store_true", help="install with the newest pip, not with the one that Python brings")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, published(Path(name) / "home") as setting:
        folder = Path(name)
        programs = installed(folder / "venv", upgrade_pip=options.upgrade_pip)
        empty, libraries = folder / "empty", folder / "libraries"
        for path, text in ((empty, _WRAPPER), (libraries, _LOADER)):
            path.write_text(text.format(python=programs / "python"))
            path.chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
            "HOME": str(folder / "home"),
            "COFFER_SERVER": str(setting.address),
            "COFFER_IDENTITY": str(setting.identity_path),
        }
        commands: dict[str, tuple[list[str], Mapping[str, str]]] = {
            "python -c pass": ([str(programs / "python"), "-c", "pass"], environment),
            _EMPTY: ([str(empty)], environment),
            _LIBRARIES: ([str(libraries)], environment),
            "coffer-client get KEY": ([str(programs / "coffer-client"), "get", "db_url"], environment),
            "coffer-client --help": ([str(programs / "coffer-client"), "--help"], environment),
        }
        if (shown := with_pass(folder)) is not None:
            commands["pass show KEY"] = shown
        if (opened := with_age(folder)) is not None:
            commands["age -d -i KEY FILE"] = (opened, environment)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for is_counted in [False] + [True] * options.runs:
            for name, (command, variables) in commands.items():
                start = time.perf_counter()
                subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True)
                if is_counted:
                    times[name].append(time.perf_counter() - start)
        base = times["python -c pass"]
        for name, taken in times.items():
            ratios = [one / other for one, other in zip(taken, base, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"{name:24s} {statistics.median(taken) * 1e3:6.1f} ms   ratio {middle:.2f}  (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
