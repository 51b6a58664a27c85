"""examples/: every walk-through runs as it stands, against a real server, and prints what it says.

The blocks marked `sh` of a README are run in order by one `bash -eu`, in a copy of the folder, with a home of its own. A block marked
`output` behind one is what that prints, stdout and stderr together; in it `…` stands for anything within a line, and alone on a line
for any lines.
The server is there before, as examples/coffers/README.md tells: SERVER_DIR, ADDRESS and PLAIN_ADDRESS are set.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.server.running import running_server
from tests.support import ROOT

from .commands import commands_folder, home_environment, missing_programs

EXAMPLES: Final = ROOT / "examples"
COFFERS: Final = ("ci", "home", "shop")
WALK_THROUGHS: Final = (*(f"coffers/{name}" for name in COFFERS), "django")
# A walk-through takes some seconds; this ends one that hangs.
_GUARD_S: Final = 120.0
_BLOCK: Final = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:\n*```output\n(?P<output>.*?)^```\n)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands, and what they print, where the page says so."""

    line: int
    commands: str
    output: str | None


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    found = [
        Block(line=text.count("\n", 0, match.start()) + 1, commands=match["commands"], output=match["output"])
        for match in _BLOCK.finditer(text)
    ]
    assert len(found) == text.count("```sh\n") > 0
    assert sum(block.output is not None for block in found) == text.count("```output\n")
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is what a page expects, `…` being anything."""
    # A page has no spaces at the ends of its lines.
    printed = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", line)) + r"\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern, printed) is not None


def script_of(blocks: list[Block], outputs: Path) -> str:
    """One script of all blocks; what each prints goes to a file of its own."""
    return "".join(f"exec >'{outputs}/{number}' 2>&1\n{block.commands}\n" for number, block in enumerate(blocks))


@pytest.mark.parametrize("example", WALK_THROUGHS)
def test_walk_through(example: str, tmp_path: Path) -> None:
    if missing := missing_programs("bash", "openssl"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    readme = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    blocks = blocks_of(readme)
    folder, outputs = tmp_path / Path(example).name, tmp_path / "outputs"
    shutil.copytree(EXAMPLES / example, folder)
    outputs.mkdir()
    # `python` is the one that runs these tests.
    path = os.pathsep.join([str(commands_folder(tmp_path / "bin")), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = home_environment(tmp_path / "home") | {"PATH": path}
    # As on most machines: everything is where it is by default, in the home.
    environment = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    with running_server(tmp_path / "server") as server:
        environment |= {"ADDRESS": str(server.address), "PLAIN_ADDRESS": str(server.plain_address), "SERVER_DIR": str(server.state_dir)}
        done = subprocess.run(
            ["bash", "-eu", "-c", script_of(blocks, outputs)],
            cwd=folder,
            env=environment | {"TERM": "dumb", "COLUMNS": "120"},
            timeout=_GUARD_S,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    printed = [(outputs / str(number)).read_text() if (outputs / str(number)).exists() else None for number in range(len(blocks))]
    begun = [text for text in printed if text is not None]
    assert done.returncode == 0, f"line {blocks[len(begun) - 1].line}: exit {done.returncode}:\n{begun[-1]}"
    for block, text in zip(blocks, printed, strict=True):
        assert text is not None
        if block.output is not None:
            assert matches(block.output, text), f"{example}/README.md, line {block.line} printed:\n{text}"


def test_every_example_is_run_and_listed() -> None:
    assert {path.parent.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("secrets.toml")} == set(WALK_THROUGHS)
    listed = (EXAMPLES / "coffers" / "README.md").read_text(encoding="utf-8")
    assert all(f"]({example}/README.md)" in listed for example in COFFERS)


def test_no_secret_key_is_kept() -> None:
    """Also of what is not committed: a walk-through that is run in place leaves keys, and .gitignore keeps them out."""
    tracked = subprocess.run(["git", "ls-files", "-z", EXAMPLES], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for name in filter(None, tracked.split("\0")):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "COFFER-SECRET-KEY-1" not in text
        # A walk-through may show a key's first line; its body would be base64.
        assert not re.search(r"PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}", text)


def test_what_matches() -> None:
    assert matches("a … c\n", "a bb c  \n")
    assert matches("a\n…\nc\n", "a\nb\nb\nc\n")
    assert matches("…\n", "")
    assert not matches("a … c\n", "a b\nc\n")
    assert not matches("a\n", "a\nb\n")
    assert not matches("a.c\n", "abc\n")
