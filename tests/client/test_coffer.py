from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from coffer_client.coffer import Coffer, Release, expiry_warning, kind_of, redact
from coffer_client.errors import EnvironmentNameError, NoSuchKeyError, WrongTypeError
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.shard import SecretValue
from tests.support import ROOT

from .releases import ISSUED, SERIAL, make_accepted, make_head

SECRETS: dict[str, SecretValue] = {"web.url": "canary", "alpha": 7, "key": b"canary"}
COFFER = Coffer(make_accepted(SECRETS))
NOW = datetime(2027, 1, 31, 8, tzinfo=UTC)


def test_it_is_a_mapping_in_the_order_of_the_definition() -> None:
    assert list(COFFER.items()) == list(SECRETS.items())
    assert len(COFFER) == 3
    assert "alpha" in COFFER
    assert "beta" not in COFFER
    assert COFFER.get("alpha") == 7
    assert COFFER.get("beta", 1) == 1
    assert COFFER.get("beta") is None
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
    assert str(caught.value) == f"release {SERIAL} of 'shop' has no key 'beta' for this client; the keys are 'web.url', 'alpha', 'key'"
    with pytest.raises(NoSuchKeyError, match="'x', 'y' for this client; there are no keys"):
        Coffer(make_accepted({})).select(("x", "y"))


@pytest.mark.parametrize(
    ("key", "offer"),
    [
        ("db.ulr", " (did you mean 'db.url' or 'db.pool'?)"),
        ("DB_URL", " (did you mean 'db.url'?)"),
        ("smtp_host", " (did you mean 'smtp-host' or 'smtp.host'?)"),
        ("quite different", ""),
    ],
)
def test_a_key_that_is_missing_is_offered_its_nearest(key: str, offer: str) -> None:
    coffer = Coffer(make_accepted({"smtp-host": "canary", "db.url": "canary", "smtp.host": "canary", "db.pool": "canary"}))
    for ask in (coffer.__getitem__, coffer.text, lambda key: coffer.select((key,))):
        with pytest.raises(NoSuchKeyError) as caught:
            ask(key)
        assert f"no key {key!r}{offer} for this client; the keys are 'smtp-host'" in str(caught.value)
        assert "canary" not in str(caught.value)


def test_what_only_looks_whether_a_key_is_there_makes_no_offer() -> None:
    program = "import sys; from coffer_client.coffer import Coffer; from tests.client.releases import make_accepted\n"
    program += "c = Coffer(make_accepted({'a': 1})); c.get('b'); 'b' in c; c.text('b', default=''); assert 'difflib' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_selection_is_in_the_order_asked_for() -> None:
    assert list(COFFER.select(("key", "web.url"))) == ["key", "web.url"]
    assert list(COFFER.select(())) == list(SECRETS)


def test_the_release_has_its_times() -> None:
    assert COFFER.release == Release(coffer="shop", serial=SERIAL, signed_sha256=sha256(b""), issued_s=ISSUED, expires_s=None)
    assert COFFER.release.issued == datetime.fromtimestamp(ISSUED, UTC)
    assert COFFER.release.expires is None
    expiring = Coffer(make_accepted({}, head=make_head(expires=ISSUED + 86400))).release
    assert expiring.issued is not None
    assert expiring.expires == expiring.issued + timedelta(days=1)


def test_times_beyond_the_calendar_are_none() -> None:
    release = Coffer(make_accepted({}, head=make_head(issued=2**62, expires=2**62))).release
    assert (release.issued, release.expires) == (None, None)


def release_with(left: timedelta | None) -> Release:
    """A release that was made a year ago, and has so much time left."""
    expires_s = ISSUED + int(left.total_seconds()) if left else None
    return Release(coffer="shop", serial=7, signed_sha256=bytes(32), issued_s=ISSUED - 365 * 86400, expires_s=expires_s)


@pytest.mark.parametrize(("left", "shown"), [(timedelta(days=30), "30d"), (timedelta(days=12, hours=5), "12d"), (timedelta(hours=5), "5h")])
def test_it_warns_from_thirty_days_before_the_end(left: timedelta, shown: str) -> None:
    warning = expiry_warning(release_with(left), ISSUED)
    assert warning is not None
    assert f"in {shown}:" in warning
    assert "coffer-companion upload" in warning


@pytest.mark.parametrize("left", [timedelta(days=30, seconds=1), None])
def test_it_does_not_warn_earlier(left: timedelta | None) -> None:
    assert expiry_warning(release_with(left), ISSUED) is None


# ------------------------------------------------------------------------------------------------------- values of one type

VALUES: dict[str, SecretValue] = {
    "text": "canary",
    "int": 715,
    "float": 71.5,
    "bool": True,
    "bytes": b"canary",
    "date": date(2031, 7, 15),
    "datetime": datetime(2031, 7, 15, 8, tzinfo=UTC),
    "time": time(7, 15),
}
TYPED = Coffer(make_accepted(VALUES))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_type_is_taken_by_its_method(name: str) -> None:
    value = getattr(TYPED, name)(name)
    assert value == VALUES[name]
    assert isinstance(value, type(VALUES[name]))
    # It still hides itself; a boolean cannot.
    assert repr(value).startswith("<secret ") or value is True


MISTAKES = [(method, key) for method in VALUES for key in VALUES if method != key and (method, key) != ("float", "int")]


@pytest.mark.parametrize(("method", "key"), MISTAKES)
def test_a_value_of_another_type_is_refused_and_not_shown(method: str, key: str) -> None:
    for arguments in ({}, {"default": None}):
        with pytest.raises(WrongTypeError) as caught:
            getattr(TYPED, method)(key, **arguments)
        text = str(caught.value)
        assert text.startswith(f"{key!r} in release {SERIAL} of 'shop' is ")
        assert f"use `.{key}()`" in text
        for shown in ("canary", "715", "71.5", "True", "2031", "07:15"):
            assert shown not in text
        assert isinstance(caught.value, TypeError)


def test_the_error_names_both_types() -> None:
    with pytest.raises(WrongTypeError, match="is an integer, and text was asked for"):
        TYPED.text("int")
    with pytest.raises(WrongTypeError, match="is a date with a time, and a date was asked for"):
        TYPED.date("datetime")


def test_an_integer_is_taken_for_a_float() -> None:
    value = Coffer(make_accepted({"n": 3})).float("n")
    assert (value, type(value).__mro__[2], repr(value)) == (3.0, float, "<secret float>")


@pytest.mark.parametrize("method", VALUES)
def test_a_default_stands_in_for_a_key_that_is_missing_alone(method: str) -> None:
    take = getattr(TYPED, method)
    default = object()
    assert take("none", default=default) is default
    assert take("none", default=None) is None
    assert take(method, default=default) == VALUES[method]
    with pytest.raises(NoSuchKeyError, match="no key 'none'"):
        take("none")
    # By its name alone: `int("key", 16)` would look like a base.
    with pytest.raises(TypeError):
        take("none", default)


# ------------------------------------------------------------------------------------------------------------- environment


def test_environ_is_what_run_sets() -> None:
    secrets: dict[str, SecretValue] = {"db.url": "x", "smtp-port": 587, "on": True, "key": b"\xff", "rate": math.inf}
    assert Coffer(make_accepted(secrets)).environ() == {"db_url": "x", "smtp_port": "587", "on": "true", "key": "/w==", "rate": "inf"}


def test_environ_chooses_and_names_as_run_does() -> None:
    coffer = Coffer(make_accepted({"db.url": "x", "db.password": "y", "smtp-port": 587}))
    assert coffer.environ(prefix="shop.", upper=True, only=("db.*",), without=("*.url",)) == {"SHOP_DB_PASSWORD": "y"}
    with pytest.raises(NoSuchKeyError, match=r"no key matches 'bd\.\*'"):
        coffer.environ(only=("bd.*",))


def test_environ_refuses_what_an_environment_cannot_hold() -> None:
    with pytest.raises(EnvironmentNameError, match=r"'a\.b' and 'a-b' would all be a_b"):
        Coffer(make_accepted({"a.b": "canary", "a-b": "canary"})).environ()


# ------------------------------------------------------------------------------------------------------ pickles and copies


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda coffer: pickle.loads(pickle.dumps(coffer))], ids=["copy", "deep", "pickle"]
)
def test_a_copy_is_as_good_and_hides_as_well(again: Any) -> None:
    stale = Coffer(make_accepted(VALUES), stale=timedelta(hours=1))
    same = again(stale)
    assert dict(same) == VALUES
    assert (same.release, same.stale) == (stale.release, timedelta(hours=1))
    assert "canary" not in repr(dict(same))
    assert same.text("text") == "canary"


def test_a_value_is_redacted_unless_it_is_a_boolean() -> None:
    assert repr(redact("canary")) == "<secret text>"
    assert redact(True) is True


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "text"),
        (-(2**63), "integer"),
        (0.1, "float"),
        (False, "boolean"),
        (b"", "bytes"),
        (datetime(2027, 1, 31, 8, 30, tzinfo=UTC), "date-time"),
        (datetime(2027, 1, 31, 8, 30), "date-time"),
        (date(2027, 1, 31), "date"),
        (time(8, 30, 1), "time"),
    ],
)
def test_each_value_is_of_one_kind(value: SecretValue, kind: str) -> None:
    assert kind_of(redact(value)) == kind
