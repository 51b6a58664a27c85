from __future__ import annotations

import pytest

from coffer_client.cli.exits import exit_code
from coffer_client.delivery.naming import PLAIN, Naming, environment, environment_flaws, select
from coffer_client.errors import EnvironmentNameError, NamingError, NoSuchKeyError
from coffer_protocol.shard import SecretValue

SECRETS: dict[str, SecretValue] = {"web.url": "canary", "db.url": "canary", "db.port": 5432, "DB.port": 1, "x[1]": b"canary"}


@pytest.mark.parametrize(
    ("only", "without", "kept"),
    [
        ((), (), list(SECRETS)),
        (("db.*",), (), ["db.url", "db.port"]),
        (("*.url", "x*"), (), ["web.url", "db.url", "x[1]"]),
        (("db.port", "web.url"), (), ["web.url", "db.port"]),
        (("?b.*",), ("*.port",), ["db.url"]),
        (("[dw]*",), (), ["web.url", "db.url", "db.port"]),
        (("x[[]1]",), (), ["x[1]"]),
        ((), ("db.*", "nothing.like.this"), ["web.url", "DB.port", "x[1]"]),
        (("db.*",), ("*",), []),
    ],
)
def test_patterns_choose_by_key_and_keep_the_order(only: tuple[str, ...], without: tuple[str, ...], kept: list[str]) -> None:
    chosen = select(SECRETS, only=only, without=without)
    assert list(chosen.items()) == [(key, SECRETS[key]) for key in kept]
    assert Naming(only=only, without=without).select(SECRETS) == chosen


def test_a_choice_is_a_copy() -> None:
    chosen = select(SECRETS)
    chosen.clear()
    assert len(SECRETS) == 5


def test_a_pattern_that_is_like_no_key_is_named_beside_the_keys() -> None:
    with pytest.raises(NoSuchKeyError) as caught:
        select(SECRETS, only=("db.*", "bd.*", ""))
    assert str(caught.value) == "no key matches 'bd.*' or ''; the keys are 'web.url', 'db.url', 'db.port', 'DB.port', 'x[1]'"
    assert exit_code(caught.value) == 6
    with pytest.raises(NoSuchKeyError, match=r"no key matches '\*'; there are no keys"):
        select({}, only=("*",))


def test_names_have_a_prefix_and_an_upper_case() -> None:
    values = {"db.url": 1, "web": 2}
    assert PLAIN.rename(values, place="") == values
    assert Naming(prefix="my-").rename(values, place="") == {"my-db.url": 1, "my-web": 2}
    assert Naming(upper=True).rename(values, place="") == {"DB.URL": 1, "WEB": 2}
    spelt = Naming(prefix="my-", upper=True).rename(values, place="", spell=lambda name: name.replace(".", "_"))
    assert list(spelt.items()) == [("MY-DB_URL", 1), ("MY-WEB", 2)]


def test_everything_that_clashes_or_has_a_flaw_is_named_at_once_and_no_value_is() -> None:
    values = {"a": "canary", "A": "canary", "b": "canary", "c": "fine", "d.e": "canary", "d.E": "fine"}
    with pytest.raises(EnvironmentNameError) as caught:
        Naming(upper=True).rename(
            values,
            place="a box",
            spell=lambda name: f"<{name}>",
            flaw=lambda name, value: f"is {name}" if name in ("<B>", "<D.E>") and value == "canary" else None,
            error=EnvironmentNameError,
        )
    assert str(caught.value) == (
        "not every secret can be put into a box: 'a' and 'A' would all be <A>; 'b' is <B>; "
        "'d.e' and 'd.E' would all be <D.E>; 'd.e' is <D.E>"
    )
    assert caught.value.hint == "rename them in the definition, or leave them out with --except"


def test_a_clash_is_wrong_usage() -> None:
    with pytest.raises(NamingError, match="'a' and 'A' would all be A") as caught:
        Naming(upper=True).rename({"a": 1, "A": 2}, place="")
    assert exit_code(caught.value) == 2


def test_dots_and_dashes_become_underscores() -> None:
    assert environment({"db.url-2": "x", "_A9": True}) == {"db_url_2": "x", "_A9": "true"}


@pytest.mark.parametrize("key", ["9lives", "with space", "é", "a=b", "ａ", "a;id", "٣"])
def test_a_key_that_gives_no_name_is_refused_by_it(key: str) -> None:
    with pytest.raises(EnvironmentNameError) as caught:
        environment({"fine": "x", key: "canary"})
    assert repr(key) in str(caught.value)
    assert "fine" not in str(caught.value)


def test_all_that_is_wrong_is_named_at_once_and_no_value_is() -> None:
    secrets = {"a.b": "canary", "a-b": "canary", "a_b": "canary", "1": "canary", "nul.key": "canary\0", "fine": "canary"}
    with pytest.raises(EnvironmentNameError) as caught:
        environment(secrets)
    text = str(caught.value)
    assert "'1' gives '1', which is not a name for a variable" in text
    assert "'a.b' and 'a-b' and 'a_b' would all be a_b" in text
    assert "'nul.key' has a NUL" in text
    assert "canary" not in text
    assert exit_code(caught.value) == 2


def test_the_same_is_told_of_an_environment_before_there_is_one() -> None:
    assert environment_flaws({"a.b": "canary", "1": 1, "a-b": b"canary", "nul": "canary\0", "fine": b"\0"}) == [
        (("a.b", "a-b"), "'a.b' and 'a-b' would all be a_b"),
        (("1",), "'1' gives '1', which is not a name for a variable"),
        (("nul",), "'nul' has a NUL in its value"),
    ]


def test_an_environment_has_what_was_chosen_under_the_names_that_were_asked_for() -> None:
    secrets: dict[str, SecretValue] = {"db.url": "x", "1st": True, "web": "canary"}
    naming = Naming(only=("db.*", "1*"), prefix="app.", upper=True)
    assert environment(secrets, naming) == {"APP_DB_URL": "x", "APP_1ST": "true"}
    with pytest.raises(EnvironmentNameError, match=r"'a\.b' and 'A-b' would all be A_B"):
        environment({"a.b": 1, "A-b": 2}, Naming(upper=True))
    with pytest.raises(NoSuchKeyError):
        environment(secrets, Naming(only=("bd.*",)))
