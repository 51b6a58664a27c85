from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coffer_client.coffer import Coffer, Release, expiry_warning
from coffer_client.errors import NoSuchKeyError
from coffer_protocol.shard import SecretValue

from .releases import ISSUED, SERIAL, make_accepted, make_head

SECRETS: dict[str, SecretValue] = {"web.url": "canary", "alpha": 7, "key": b"canary"}
COFFER = Coffer(make_accepted(SECRETS))
NOW = datetime(2027, 1, 31, 8, tzinfo=UTC)


def test_it_is_a_mapping_in_the_order_of_the_definition() -> None:
    assert list(COFFER.items()) == list(SECRETS.items())
    assert len(COFFER) == 3
    assert "alpha" in COFFER
    assert COFFER.get("beta", 1) == 1
    assert COFFER == SECRETS


def test_it_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        COFFER["alpha"] = 8  # type: ignore[index]


def test_its_repr_shows_keys_and_release_alone() -> None:
    assert "canary" not in repr(COFFER)
    assert "7)" not in repr(COFFER).replace(f"serial={SERIAL}", "")
    for shown in ("web.url", "alpha", "shop", f"serial={SERIAL}"):
        assert shown in repr(COFFER)


def test_its_values_hide_themselves() -> None:
    assert "canary" not in repr(dict(COFFER))


def test_a_key_that_is_missing_is_named_beside_those_there_are() -> None:
    with pytest.raises(NoSuchKeyError) as caught:
        COFFER["beta"]
    assert str(caught.value) == f"release {SERIAL} of 'shop' has no key 'beta' for this client; it has 'web.url', 'alpha', 'key'"
    with pytest.raises(NoSuchKeyError, match="'x', 'y' for this client; it has none"):
        Coffer(make_accepted({})).select(("x", "y"))


def test_a_selection_is_in_the_order_asked_for() -> None:
    assert list(COFFER.select(("key", "web.url"))) == ["key", "web.url"]
    assert list(COFFER.select(())) == list(SECRETS)


def test_the_release_has_its_times() -> None:
    assert COFFER.release == Release(coffer="shop", serial=SERIAL, issued=datetime.fromtimestamp(ISSUED, UTC), expires=None)
    expiring = Coffer(make_accepted({}, head=make_head(expires=ISSUED + 86400))).release
    assert expiring.issued is not None
    assert expiring.expires == expiring.issued + timedelta(days=1)


def test_times_beyond_the_calendar_are_none() -> None:
    release = Coffer(make_accepted({}, head=make_head(issued=2**62, expires=2**62))).release
    assert (release.issued, release.expires) == (None, None)


@pytest.mark.parametrize(
    ("left", "days"), [(timedelta(days=30), "30 days"), (timedelta(days=12, hours=5), "12 days"), (timedelta(hours=5), "0 days")]
)
def test_it_warns_from_thirty_days_before_the_end(left: timedelta, days: str) -> None:
    warning = expiry_warning(Release(coffer="shop", serial=7, issued=NOW, expires=NOW + left), NOW)
    assert warning is not None
    assert f"in {days}" in warning
    assert "coffer-companion upload" in warning


@pytest.mark.parametrize("left", [timedelta(days=30, seconds=1), None])
def test_it_does_not_warn_earlier(left: timedelta | None) -> None:
    assert expiry_warning(Release(coffer="shop", serial=7, issued=NOW, expires=NOW + left if left else None), NOW) is None
