"""Command lines of the companion, and what comes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.companion.conftest import Operator
from tests.support import ROOT, identity

SERVER = identity("server")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def good(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def lines(done: Done) -> list[str]:
    return good(done).out.splitlines()


def process(operator: Operator, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coffer_companion", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(operator.home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
