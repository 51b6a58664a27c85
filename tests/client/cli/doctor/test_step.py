from __future__ import annotations

import pytest

from coffer_client.cli.doctor.step import FAIL, SKIP, Step, attempt, failed, skipped
from coffer_protocol.errors import CofferError, KeyNotFoundError, UnreachableError


def test_a_failure_has_the_exit_code_of_a_fetch_that_fails_so() -> None:
    step = failed("known", KeyNotFoundError("not known"), "ask your operator", subject="a:1")
    assert step == Step(name="known", state=FAIL, sentence="not known", subject="a:1", mend="ask your operator", exit=4)


def test_what_is_skipped_is_no_failure() -> None:
    assert skipped("tcp", "it needs the name") == Step(name="tcp", state=SKIP, sentence="it needs the name", exit=0)


def test_an_attempt_gives_what_it_loads() -> None:
    assert attempt("state", lambda: 7, lambda error: "never asked") == 7


def test_an_attempt_that_fails_is_a_step_with_the_remedy_for_its_error() -> None:
    def load() -> int:
        raise UnreachableError("nobody there")

    step = attempt("tcp", load, lambda error: f"mend {error}")
    assert step == Step(name="tcp", state=FAIL, sentence="nobody there", mend="mend nobody there", exit=3)


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def load() -> int:
        raise ZeroDivisionError

    def mend(error: CofferError) -> str:
        raise AssertionError

    with pytest.raises(ZeroDivisionError):
        attempt("tcp", load, mend)
