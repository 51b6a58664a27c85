from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from coffer_protocol import errors
from coffer_protocol.errors import CofferError, ServerError
from tests.support import drawn_tree, real_tree


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)


def test_a_hint_is_a_line_of_its_own() -> None:
    error = CofferError("the server is away", hint="start it")
    assert str(error) == "the server is away"
    assert error.hint == "start it"
    assert traceback.format_exception_only(error)[-2:] == ["coffer_protocol.errors.CofferError: the server is away\n", "hint: start it\n"]


def test_an_error_without_a_hint_has_no_note() -> None:
    error = CofferError("the server is away")
    assert error.hint is None
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("error", [CofferError("it failed", hint="try again"), ServerError("busy", "too many", hint="wait")])
def test_a_copy_has_the_hint_once(error: CofferError) -> None:
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(same), same.hint, same.__notes__) == (str(error), error.hint, [f"hint: {error.hint}"])
