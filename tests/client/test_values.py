from __future__ import annotations

import datetime

import coffer_client
from coffer_client.values import SecretValue
from coffer_protocol import shard


def test_it_is_what_a_shard_can_hold() -> None:
    assert eval(str(shard.SecretValue), vars(datetime)) == SecretValue


def test_it_can_be_used_where_types_are_evaluated() -> None:
    assert isinstance("x", coffer_client.SecretValue)
    assert not isinstance(None, coffer_client.SecretValue)
    assert isinstance(None, coffer_client.SecretValue | None)
