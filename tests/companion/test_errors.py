from __future__ import annotations

import pytest

from coffer_common.errors import UsageError
from coffer_companion import errors
from coffer_companion.errors import EXITS, exit_code
from coffer_protocol import errors as protocol_errors
from coffer_protocol.errors import CofferError
from tests.support import drawn_tree, real_tree


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CofferError(), 1),
        (errors.RemovalsError(), 1),
        (protocol_errors.ShardError(), 1),
        (protocol_errors.ServerError("busy", ""), 1),
        (UsageError(), 2),
        (errors.DefinitionError([]), 2),
        (protocol_errors.KeyTextError(), 2),
        (errors.NoReleaseError(), 2),
        (protocol_errors.UnreachableError(), 3),
        (protocol_errors.TruncatedError(), 3),
        (errors.DeniedError("denied", ""), 4),
        (errors.NotLetInError(), 4),
        (errors.LostReleaseError(), 5),
        (errors.EarlierNoteKeyError(), 5),
        (protocol_errors.UnopenableError(), 5),
        (errors.ConflictError("conflict", ""), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code(error: CofferError, code: int) -> None:
    assert exit_code(error) == code


def test_each_code_has_one_row() -> None:
    assert [row.code for row in EXITS] == sorted({row.code for row in EXITS})


def test_a_problem_says_its_place() -> None:
    problem = errors.Problem(path="secrets.toml", line=2, column=7, key="web.a", text="the value is missing: write one")
    assert str(problem) == "secrets.toml:2:7: web.a: the value is missing: write one"
    assert str(errors.Problem(path="secrets.toml", text="the file cannot be read")) == "secrets.toml: the file cannot be read"
    assert str(errors.DefinitionError([problem, problem])) == f"{problem}\n{problem}"
