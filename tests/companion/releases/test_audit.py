from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from coffer_companion.releases.audit import _check_publishers, verify
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_companion.releases.reader import read_head_untrusted
from coffer_protocol import errors
from coffer_protocol.identity import Identity
from coffer_protocol.release.head import Head, sign
from coffer_server.state import StateFolder
from coffer_server.store.sql.schema import NOTE
from tests.companion.conftest import Operator
from tests.support import identity


def test_what_was_signed_is_there(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker", target=other)
    verified = operator.look(verify)
    assert (verified.first, verified.newest.head.serial, verified.clients, verified.publishers) == (1, 3, 2, 2)


def damaged(operator: Operator, statement: str) -> None:
    """What somebody who has the database of the server, and its identity, could do. Each coffer of the shared server is one test's own."""
    state = StateFolder(operator.server.state_dir)
    with closing(state.store()) as store, store.database.transaction() as reading:
        keyring = store.roots.read(reading)
    connection = sqlite3.connect(state.database_path)
    connection.create_function("false_note", 5, lambda *key: keyring.seal(NOTE.of(*key), bytes(400)))
    with connection:
        connection.execute(statement, {"coffer": operator.coffer, "client": operator.client("web").id()})
    connection.close()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (
            "UPDATE blobs SET note = false_note(coffer, client, since, alg, sha256) WHERE coffer = :coffer AND client = :client",
            errors.NoteError,
        ),
        ("UPDATE members SET sha256 = zeroblob(32) WHERE coffer = :coffer AND client = :client", errors.CofferError),
        ("DELETE FROM releases WHERE coffer = :coffer AND serial = 3", errors.RollbackError),
        ("DELETE FROM releases WHERE coffer = :coffer AND serial = 2", errors.ReleaseError),
    ],
)
def test_a_database_that_was_changed_is_found(operator: Operator, statement: str, error: type[Exception]) -> None:
    for number in range(3):
        operator.publish(f"[web]\na = {number}", "web")
    damaged(operator, statement)
    with pytest.raises(error):
        operator.look(verify)


def chain(*heads: tuple[Identity, tuple[Identity, ...] | None]) -> list[bytes]:
    signed = []
    for serial, (author, named) in enumerate(heads, 1):
        publishers = None if named is None else tuple(sorted(one.publisher_key() for one in named))
        head = Head(
            coffer="shop", serial=serial, root=bytes(32), count=1, issued=1, publisher=author.publisher_key(), publishers=publishers
        )
        signed.append(sign(head, author))
    return signed


A, B = identity("publisher"), identity("publisher2")


@pytest.mark.parametrize(
    ("heads", "is_good"),
    [
        (((A, None), (A, (A, B)), (B, None)), True),
        (((A, None), (B, None)), True),
        (((A, (A,)), (B, None)), False),
        (((A, (A, B)), (B, (B,)), (A, None)), False),
    ],
)
def test_each_release_is_by_one_whom_those_before_it_named(
    heads: tuple[tuple[Identity, tuple[Identity, ...] | None], ...], is_good: bool
) -> None:
    releases = [read_head_untrusted(signed) for signed in chain(*heads)]
    if is_good:
        _check_publishers(releases, {})
        return
    with pytest.raises(errors.UntrustedPublisherError):
        _check_publishers(releases, {})


def test_retired_publishers_signed_what_they_signed(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.publish("[web]\na = 2", "web", target=other)
    operator.shut_out(other.identity)
    operator.make(Retirement(who="laptop", publication=None, told=lambda publisher: None).draft)
    assert operator.look(verify).newest.head.serial == 4
