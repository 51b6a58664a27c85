from __future__ import annotations

import pytest

from coffer_protocol.message import ERROR_CODES
from coffer_server import errors
from coffer_server.errors import RefusedError
from tests.support import drawn_tree, real_tree

REFUSALS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RefusedError)]


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)


@pytest.mark.parametrize("refusal", [kind for kind in REFUSALS if kind is not RefusedError])
def test_a_refusal_has_a_code_that_the_wire_knows(refusal: type[RefusedError]) -> None:
    assert refusal.code in ERROR_CODES
