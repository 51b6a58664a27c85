"""docs/python.md: its examples are one program, which runs as it stands against a real server, and each prints what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.published import published
from tests.support import ROOT

from .test_examples import matches

PAGE = ROOT / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECRETS, *PROGRAMS = re.findall(r"^```(?:toml|python)\n(.*?)^```\n", TEXT, flags=re.DOTALL | re.MULTILINE)
OUTPUTS = re.findall(r"^```output\n(.*?)^```\n", TEXT, flags=re.DOTALL | re.MULTILINE)
# No output has this line.
_NEXT = "-- next --"


def test_each_example_prints_what_the_page_says(tmp_path: Path) -> None:
    assert len(PROGRAMS) == TEXT.count("```python\n") == len(OUTPUTS) == TEXT.count("```output\n") > 0
    program = f"print({_NEXT!r}, flush=True)\n".join(PROGRAMS)
    with published(tmp_path, SECRETS) as environment:
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=environment | {"LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    printed = done.stdout.decode().split(f"{_NEXT}\n")
    for expected, text in zip(OUTPUTS, printed, strict=True):
        assert matches(expected, text), text
