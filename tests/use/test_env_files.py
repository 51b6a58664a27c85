"""Files of variables and their readers: compose-go, godotenv, npm's dotenv, Node, and shells.

What `get` writes is read back by them, and `import` reads what they read.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from coffer_client.delivery import env_files
from coffer_companion.importers.dotenv import compose, node
from coffer_companion.importers.dotenv.lines import Assignment, Dialect, Fault

READERS = Path(__file__).parent / "readers"
# What at least one reader gives a meaning to, alone and next to letters.
SPECIAL = [*"'\"`\\$})#=\n\r\t !%&;é\u2028\x7f", "${", "$(", " #", "\r\n"]


def texts() -> list[str]:
    chosen = random.Random(7)
    pieces = [*SPECIAL, "a", "b", "PATH", "n"]
    return ["", *SPECIAL, *("".join(chosen.choices(pieces, k=chosen.randrange(1, 7))) for _ in range(600))]


TEXTS = texts()
PLAIN = [text for text in TEXTS if not any(special in text for special in ("'", "\\", "\n", "\r", "${"))]


def env_file(chosen: random.Random) -> str:
    """A file of a few lines, such as nobody should write."""
    pieces = [*"ABC==x#'\"`\\$ \n\n", "${A}", "$B", "${C:-x}", " #", "export ", ": ", "\\n", "$$"]
    return "A=1\n" + "".join(chosen.choices(pieces, k=chosen.randrange(1, 14))) + "\nB=2\n"


FILES = [env_file(random.Random(seed)) for seed in range(3000)]

Writer = Callable[[Mapping[str, str]], str]


def files(write: Writer, values: Sequence[str]) -> list[str]:
    """A file for each value, which has a variable before it and one after it."""
    return [write({"BEFORE": "1", "KEY": value, "AFTER": "2"}) for value in values]


def by_program(command: list[str | Path], written: list[str], cwd: Path) -> list[dict[str, dict[str, str] | None]]:
    lines = "".join(f"{b64encode(text.encode()).decode()}\n" for text in written)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, cwd=cwd, timeout=120)
    return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]


def wrong(reader: str, found: list[dict[str, dict[str, str] | None]], values: Sequence[str]) -> list[str]:
    """The values that a reader does not give back exactly."""
    return [value for value, read in zip(values, found, strict=True) if read[reader] != {"BEFORE": "1", "KEY": value, "AFTER": "2"}]


def check_dialect(dialect: Dialect, reader: str, found: list[dict[str, dict[str, str] | None]]) -> None:
    """A file is read as its reader reads it, or has a fault."""
    read = 0
    for text, values in zip(FILES, found, strict=True):
        items = list(dialect(text))
        if not any(isinstance(item, Fault) for item in items):
            read += 1
            assert {item.name: item.value for item in items if isinstance(item, Assignment)} == values[reader], text
    # Most are not files at all.
    assert read > len(FILES) // 20


def install(command: list[str], folder: Path) -> None:
    """Skip the test, and say so, if the machine has no network or no room for what the test needs."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300)
    if done.returncode:
        pytest.skip(f"`{' '.join(command)}` failed, so these readers were not tried: {done.stderr[-300:]}")


def test_readers_in_go(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("this machine has no go")
    for name in ("main.go", "go.mod", "go.sum"):
        shutil.copy(READERS / name, tmp_path)
    install(["go", "build", "-o", "readers", "."], tmp_path)
    program: list[str | Path] = [tmp_path / "readers"]
    assert not wrong("compose", by_program(program, files(env_files.compose, TEXTS), tmp_path), TEXTS)
    plain = by_program(program, files(env_files.dotenv, PLAIN), tmp_path)
    assert not wrong("compose", plain, PLAIN)
    assert not wrong("godotenv", plain, PLAIN)
    check_dialect(compose.read, "compose", by_program(program, FILES, tmp_path))


def test_readers_in_javascript(tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("this machine has no node, or no npm")
    for name in ("read.mjs", "package.json"):
        shutil.copy(READERS / name, tmp_path)
    install(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], tmp_path)
    found = by_program(["node", "read.mjs"], files(env_files.dotenv, PLAIN), tmp_path)
    assert not wrong("npm", found, PLAIN)
    assert not wrong("node", found, PLAIN)
    check_dialect(node.read, "npm", by_program(["node", "read.mjs"], FILES, tmp_path))


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh"])
def test_shells(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    secrets = {f"KEY{number}": text for number, text in enumerate(PLAIN)}
    path = tmp_path / "secrets.env"
    path.write_bytes(env_files.dotenv(secrets).encode())
    done = subprocess.run([shell, "-c", 'set -eua; . "$1"; env -0', shell, path], capture_output=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert {key: found.get(key) for key in secrets} == secrets
