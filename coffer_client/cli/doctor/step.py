"""One step of `doctor`, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from coffer_protocol.errors import CofferError

from ..exits import exit_code

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
SKIP: Final = "skip"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried.

    Attributes:
        name: `configuration`, `identity`, `ml-kem` and so on.
        state: `OK`; `WARN` if a fetch works in spite of it; `FAIL` if no fetch works, or none should; `SKIP` if it was not tried.
        sentence: what was found. It holds no secret.
        subject: the host, if the step is about one.
        mend: what to do about it; None if nothing has to be done.
        exit: the exit code of the failure, from the one table; 0 if nothing failed.
    """

    name: str
    state: str
    sentence: str
    subject: str | None = None
    mend: str | None = None
    exit: int = 0


def failed(name: str, error: CofferError, mend: str, *, subject: str | None = None) -> Step:
    """Return a step that ended in an error, as a fetch would."""
    return Step(name=name, state=FAIL, sentence=str(error), subject=subject, mend=mend, exit=exit_code(error))


def skipped(name: str, reason: str, *, subject: str | None = None) -> Step:
    """Return a step that could not be tried, or need not be."""
    return Step(name=name, state=SKIP, sentence=reason, subject=subject)


def attempt(name: str, load: Callable[[], T], mend: Callable[[CofferError], str]) -> T | Step:
    """Return what `load` returns, or the step that failed with its error. `mend` says what to do about an error."""
    try:
        return load()
    except CofferError as error:
        return failed(name, error, mend(error))
