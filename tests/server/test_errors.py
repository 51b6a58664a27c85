from __future__ import annotations

from coffer_server import errors
from tests.support import drawn_tree, real_tree


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)
