from __future__ import annotations

from coffer_client import errors
from coffer_client.errors import NoSuchKeyError, StateError, told
from tests.support import drawn_tree, real_tree


def test_a_missing_key_is_shown_as_a_sentence() -> None:
    assert str(NoSuchKeyError("no 'key'")) == "no 'key'"


def test_an_error_is_told_with_what_follows_and_its_hint() -> None:
    assert told(StateError("it is damaged"), "trying again") == "it is damaged (trying again)"
    assert told(StateError("it is damaged", hint="mend it"), "trying again") == "it is damaged (trying again)\nhint: mend it"


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)
