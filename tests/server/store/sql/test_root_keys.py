from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from coffer_server.errors import SealError
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.schema import MARK, root_keys

from ...publishing import AT_REST_KEY, identity

PLACE = MARK.of("web-shop", bytes(32), 1)
OTHER_KEY = identity(9).at_rest_key()


@pytest.fixture
def roots(tables: Connection) -> RootKeys:
    """One root key, in the tables."""
    made = RootKeys(AT_REST_KEY)
    assert made.add(tables) == 1
    return made


def test_a_root_key_is_wrapped_in_the_table_and_known_to_its_server(tables: Connection, roots: RootKeys) -> None:
    sealed = roots.read(tables).seal(PLACE, b"canary")
    assert RootKeys(AT_REST_KEY).read(tables).open(PLACE, sealed) == b"canary"
    [wrapped] = tables.scalars(select(root_keys.c.wrapped)).all()
    with pytest.raises(SealError):
        Keyring({1: wrapped[-32:]}).open(PLACE, sealed)


def test_another_identity_cannot_read_them(tables: Connection, roots: RootKeys) -> None:
    with pytest.raises(SealError, match="root key 1"):
        RootKeys(OTHER_KEY).read(tables)


def test_a_database_without_one_is_not_coffers(tables: Connection) -> None:
    with pytest.raises(SealError):
        RootKeys(AT_REST_KEY).read(tables)


def test_the_keyring_is_kept_while_the_table_stays_as_it_is(tables: Connection, roots: RootKeys) -> None:
    first = roots.read(tables)
    assert roots.read(tables) is first
    assert roots.add(tables) == 2
    second = roots.read(tables)
    assert second is not first
    assert (second.current, second.is_single) == (2, False)


def test_a_value_under_an_unknown_root_key_needs_the_table(tables: Connection, roots: RootKeys) -> None:
    reader = RootKeys(AT_REST_KEY)
    sealed = roots.read(tables).seal(PLACE, b"x")
    assert reader.keyring_for(sealed) is None
    keyring = reader.read(tables)
    assert reader.keyring_for(sealed) is keyring
    roots.add(tables)
    assert reader.keyring_for(roots.read(tables).seal(PLACE, b"x")) is None


def test_old_root_keys_are_dropped(tables: Connection, roots: RootKeys) -> None:
    before = roots.read(tables).seal(PLACE, b"x")
    roots.add(tables)
    roots.drop_old(tables)
    assert tables.scalars(select(root_keys.c.number)).all() == [2]
    keyring = roots.read(tables)
    assert keyring.is_single
    with pytest.raises(SealError):
        keyring.open(PLACE, before)


def test_another_identity_takes_them_over(tables: Connection, roots: RootKeys) -> None:
    sealed = roots.read(tables).seal(PLACE, b"x")
    roots.add(tables)
    heir = RootKeys(OTHER_KEY)
    assert heir.take_over(tables, AT_REST_KEY) == 2
    assert heir.read(tables).open(PLACE, sealed) == b"x"
    with pytest.raises(SealError):
        RootKeys(AT_REST_KEY).read(tables)


def test_nobody_takes_over_what_the_former_identity_did_not_wrap(tables: Connection, roots: RootKeys) -> None:
    with pytest.raises(SealError):
        RootKeys(OTHER_KEY).take_over(tables, identity(8).at_rest_key())
