from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from coffer_client.redacted_dates import SecretDate, SecretDateTime, SecretTime, redact_date

MOMENTS: list[datetime | date | time] = [
    datetime(2027, 1, 31, 8, 30, 1, 250000, tzinfo=UTC),
    datetime(2027, 1, 31, 8, 30, tzinfo=timezone(-timedelta(hours=9, minutes=30))),
    datetime(1, 1, 1),
    date(9999, 12, 31),
    time(23, 59, 59, 999999),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_it_is_the_same_moment(moment: datetime | date | time) -> None:
    hidden = redact_date(moment)
    assert hidden == moment
    assert hidden.isoformat() == moment.isoformat()
    assert hash(hidden) == hash(moment)
    assert isinstance(hidden, type(moment))


def test_each_kind_hides_under_its_type() -> None:
    kinds = [type(redact_date(moment)) for moment in MOMENTS]
    assert kinds == [SecretDateTime, SecretDateTime, SecretDateTime, SecretDate, SecretTime]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_no_repr_shows_a_digit(moment: datetime | date | time) -> None:
    assert not any(character.isdigit() for character in repr([redact_date(moment)]))


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_pickle_is_plain_and_a_copy_hides(moment: datetime | date | time) -> None:
    hidden = redact_date(moment)
    plain = pickle.loads(pickle.dumps(hidden))
    assert (type(plain), plain) == (type(moment), moment)
    assert copy.deepcopy(hidden) is hidden
