from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from coffer_protocol import dates
from coffer_protocol.cbor import Tagged
from coffer_protocol.errors import ShardError

FORMS = [
    (datetime(2027, 1, 31, 8, 0, tzinfo=UTC), Tagged(0, "2027-01-31T08:00:00Z")),
    (datetime(2027, 1, 31, 8, 0, 0, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-30))), Tagged(0, "2027-01-31T08:00:00.000005-03:30")),
    (datetime(2027, 1, 31, 8, 0), Tagged(1131374180, "2027-01-31T08:00:00")),
    (date(2027, 1, 31), Tagged(1004, "2027-01-31")),
    (time(8, 0, 0, 250000), Tagged(1131374181, "08:00:00.250000")),
]


@pytest.mark.parametrize(("moment", "tagged"), FORMS)
def test_each_type_has_its_form(moment: dates.Moment, tagged: Tagged) -> None:
    assert dates.to_cbor(moment) == tagged
    assert dates.from_cbor(tagged) == moment
    dates.check(moment, "key")


@pytest.mark.parametrize(
    "tagged",
    [
        Tagged(0, "2027-01-31T08:00:00+00:00"),
        Tagged(0, "2027-01-31T08:00:00"),
        Tagged(0, "2027-01-31T08:00:00.000000Z"),
        Tagged(0, "2027-01-31T08:00:00-00:00"),
        Tagged(1131374180, "2027-01-31T24:00:00"),
        Tagged(1131374180, "2027-01-31T08:00:00Z"),
        Tagged(1131374180, "2027-01-31T8:00:00"),
        Tagged(1004, "2027-02-30"),
        Tagged(1004, "20270131"),
        Tagged(1131374181, "24:00:00"),
        Tagged(1004, b"2027-01-31"),
        Tagged(1, "2027-01-31"),
    ],
)
def test_no_other_form_is_taken(tagged: Tagged) -> None:
    with pytest.raises(ShardError):
        dates.from_cbor(tagged)


@pytest.mark.parametrize(
    "value", [time(8, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=timezone(timedelta(seconds=90))), None, object(), [1], timedelta(1)]
)
def test_what_cannot_be_delivered_is_refused_by_its_key(value: object) -> None:
    with pytest.raises(ShardError, match=r"^key: "):
        dates.check(value, "key")
