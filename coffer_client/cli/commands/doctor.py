"""`doctor`: print a line for each step: what works, what does not, and how to repair it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from coffer_common.command_line import Parsed
from coffer_protocol.crypto import known_answers

from ...config import settings
from ..doctor import FAIL, OK, SKIP, WARN, Asked, Step, examine
from .common import wanted, write

_MARKS: Final[Mapping[str, str]] = {OK: "✓", WARN: "!", FAIL: "✗", SKIP: "-"}
# ANSI's green, yellow and red. What was not tried has no colour.
_COLOURS: Final[Mapping[str, str]] = {OK: "32", WARN: "33", FAIL: "31", SKIP: "0"}
_NAME_WIDTH: Final = len("configuration")


def main(parsed: Parsed, *, check_mlkem: Callable[[], None] = known_answers.check) -> None:
    """Try each step and print it. The exit code is that of the first step that failed.

    Raises:
        SystemExit: a step failed.
    """
    asked = Asked(
        load=lambda identity: wanted(parsed, identity),
        load_credential=lambda: settings.load_credential(
            parsed.text("identity"), bare=parsed.switch("bare"), environment=os.environ, config=parsed.text("config")
        ),
        server=parsed.text("server"),
        identity=parsed.text("identity"),
        configured=settings.configuration_of(os.environ, parsed.text("config")),
    )
    steps = []
    for step in examine(asked, check_mlkem=check_mlkem):
        steps.append(step)
        if not parsed.switch("json"):
            # At once, because the next step may have to wait for a server.
            write(_lines(step, is_coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR")).encode(errors="surrogateescape"))
    code = next((step.exit for step in steps if step.exit), 0)
    if parsed.switch("json"):
        content = {"ok": not code, "exit": code, "steps": [asdict(step) for step in steps]}
        write(json.dumps(content, indent=2).encode() + b"\n")
    if code:
        sys.exit(code)


def _lines(step: Step, *, is_coloured: bool) -> str:
    mark = _MARKS[step.state]
    if is_coloured:
        mark = f"\033[{_COLOURS[step.state]}m{mark}\033[0m"
    sentence = f"{step.subject}: {step.sentence}" if step.subject else step.sentence
    mend = f"  {'':{_NAME_WIDTH}}  → {step.mend}\n" if step.mend else ""
    return f"{mark} {step.name:{_NAME_WIDTH}}  {sentence}\n{mend}"
