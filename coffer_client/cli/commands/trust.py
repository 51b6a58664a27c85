"""`trust`: print what this client remembers and the evidence that it has kept, or delete one of the two."""

from __future__ import annotations

import json
import os
import sys

from coffer_common.command_line import Parsed

from ... import evidence_store
from ...config import settings
from ...errors import OutputError, StateError, UsageError
from ...trust_store import Memory, as_json, describe, find_folders
from ..options import PROGRAM
from .common import say, tell, wanted, warn, write


def main(parsed: Parsed) -> None:
    """Print what is remembered, or delete it or the evidence."""
    known = wanted(parsed)
    memory = Memory(known, find_folders(state=known.state, cache=True, environment=os.environ), warn=warn)
    if parsed.arguments and parsed.switch("json"):
        raise UsageError("--json is for `trust` alone")
    match parsed.arguments:
        case () if parsed.switch("json"):
            content = as_json(memory.recall()) | {"evidence": evidence_store.as_json(memory.evidence())}
            write(json.dumps(content, indent=2).encode() + b"\n")
        case ():
            write(describe(memory.recall()).encode())
            write(evidence_store.describe(memory.evidence()).encode())
        case ("clear",):
            _clear(memory)
        case ("reset",):
            _reset(memory, known, is_confirmed=parsed.switch("yes"))
        case _:
            raise UsageError(f"expected `{PROGRAM} trust`, `{PROGRAM} trust clear` or `{PROGRAM} trust reset`")


def _clear(memory: Memory) -> None:
    """Remove the evidence, and say what it was."""
    try:
        kept = memory.evidence()
    except StateError as error:
        # A person has read of the damage, and types this because of it.
        kept = ()
        tell(str(error))
    try:
        was_there = memory.clear_evidence()
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}: the evidence was not removed") from None
    say(evidence_store.describe(kept))
    tell("removed: this client no longer warns of it" if was_there else "there was no evidence to remove")


def _reset(memory: Memory, known: settings.Settings, *, is_confirmed: bool) -> None:
    question = (
        f"This deletes which releases of {known.trust.coffer!r} this client has seen, and which publishers it trusts in addition to those "
        "of its address. If the server lies or was set back, it will not notice. Has your operator confirmed that the server is right?"
    )
    if not is_confirmed:
        if not sys.stdin.isatty():
            raise UsageError(f"stdin is not a terminal, so nobody can answer: {question}", hint="--yes answers yes")
        say(f"{question} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("not confirmed: nothing was changed")
    try:
        was_there = memory.forget()
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}: nothing, or not everything, was deleted") from None
    tell("deleted: the next fetch begins with what the address says" if was_there else "there was nothing to delete")
