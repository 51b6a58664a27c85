from __future__ import annotations

import pytest

from coffer_client import errors
from coffer_client.cli.exits import EXITS, exit_code
from coffer_client.errors import NoSuchKeyError, RefusedClientError
from coffer_protocol import errors as protocol_errors
from coffer_protocol.errors import CofferError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (protocol_errors.UnavailableError(), 1),
        (errors.OutputError(), 1),
        (errors.StateError(), 1),
        (errors.WrongTypeError(), 1),
        (errors.UsageError(), 2),
        (errors.EnvironmentNameError(), 2),
        (protocol_errors.KeyTextError(), 2),
        (protocol_errors.UnreachableError(), 3),
        (errors.BusyServerError("busy", ""), 3),
        (protocol_errors.KeyNotFoundError(), 4),
        (RefusedClientError("suite", ""), 4),
        (protocol_errors.ServerError("turn", ""), 5),
        (protocol_errors.UnopenableError(), 5),
        (protocol_errors.ForkError(), 5),
        (protocol_errors.ShardError(), 5),
        (NoSuchKeyError(), 6),
        (errors.CommandNotExecutableError(), 126),
        (errors.CommandNotFoundError(), 127),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code(error: CofferError, code: int) -> None:
    assert exit_code(error) == code


def test_codes_stand_once() -> None:
    assert [row.code for row in EXITS] == sorted({row.code for row in EXITS})


def test_an_error_of_a_kind_of_its_own_ends_as_the_one_that_it_is_of() -> None:
    class LostError(protocol_errors.RollbackError):
        pass

    assert exit_code(LostError()) == exit_code(protocol_errors.RollbackError()) == 5
    assert exit_code(CofferError()) == 1
