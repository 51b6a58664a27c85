from __future__ import annotations

import copy
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar, TypeVar

import pytest
from pydantic import AliasChoices, AliasPath, AwareDatetime, BaseModel, Field, Secret, SecretBytes, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from coffer_client.coffer import Coffer
from coffer_client.config.credential import Credential
from coffer_client.errors import ConfigurationError
from coffer_client.pydantic_source import CofferSettingsSource
from coffer_protocol.shard import SecretValue
from tests.support import ROOT

from .fake_server import FakeServer, serving
from .releases import make_accepted

CANARY = "canary-4711"
CANARY_INTEGER = 4711
Secrets = Mapping[str, SecretValue]


class Sourced(BaseSettings):
    """Settings from the secrets that a test gives."""

    model_config = SettingsConfigDict(extra="ignore", env_nested_delimiter="__")
    secrets: ClassVar[Secrets | None] = None
    prefix: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, CofferSettingsSource(settings_cls, cls.secrets, prefix=cls.prefix)


S = TypeVar("S", bound=Sourced)


def load(settings: type[S], secrets: Secrets | None, *, prefix: str = "", **given: Any) -> S:
    """Settings from what a fetch would have given; None fetches."""
    settings.secrets, settings.prefix = None if secrets is None else Coffer(make_accepted(secrets)), prefix
    return settings(**given)


class Database(BaseModel):
    url: SecretStr
    pool: int = 5


class Settings(Sourced):
    debug: bool = False
    db: Database


# ------------------------------------------------------------------------------------------------------------------ fields


def test_it_fetches_and_dotted_keys_are_nested_models(configured: Callable[..., None], whole: Credential) -> None:
    with FakeServer(serving(whole, {"db.url": "postgres://", "db.pool": 7, "debug": True, "no.field": 1})) as server:
        configured(server, whole)
        settings = load(Settings, None)
        assert server.connections == 1
    assert (settings.db.url.get_secret_value(), settings.db.pool, settings.debug) == ("postgres://", 7, True)


def test_what_a_fetch_raises_comes_through(home: object) -> None:
    with pytest.raises(ConfigurationError, match="COFFER_SERVER"):
        load(Settings, None)


class Everything(Sourced):
    text: str
    integer: int
    number: float
    flag: bool
    data: bytes
    day: date
    moment: AwareDatetime
    local: datetime
    clock: time
    secret_text: SecretStr
    secret_data: SecretBytes
    secret_day: Secret[date]


class Strict(Everything):
    model_config = SettingsConfigDict(strict=True)


VALUES: dict[str, SecretValue] = {
    "text": "é",
    "integer": 7,
    "number": 0.5,
    "flag": True,
    "data": b"\xff",
    "day": date(2031, 1, 31),
    "moment": datetime(2031, 1, 31, 8, tzinfo=UTC),
    "local": datetime(2031, 1, 31, 8),
    "clock": time(8),
    "secret_text": "s",
    "secret_data": b"s",
    "secret_day": date(2031, 1, 31),
}


@pytest.mark.parametrize("settings", [Everything, Strict])
def test_each_type_is_taken_as_it_is(settings: type[Everything]) -> None:
    taken = load(settings, VALUES)
    revealed = {name: value.get_secret_value() if hasattr(value, "get_secret_value") else value for name, value in taken}
    assert revealed == VALUES


def test_secret_types_hide_what_they_hold() -> None:
    settings = load(Settings, {"db.url": CANARY})
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_names_that_python_does_not_have_come_by_an_alias() -> None:
    class Aliased(Sourced):
        host: str = Field(alias="smtp-host")
        port: int = Field(validation_alias=AliasChoices("SMTP_PORT", "smtp-port"))
        url: SecretStr = Field(validation_alias=AliasPath("db", "url"))

    settings = load(Aliased, {"smtp-host": "h", "smtp-port": 25, "db.url": "u"})
    assert (settings.host, settings.port, settings.url.get_secret_value()) == ("h", 25, "u")


def test_a_prefix_is_cut_off_and_others_are_not_seen() -> None:
    class Shop(Settings):
        model_config = SettingsConfigDict(extra="forbid")

    secrets: Secrets = {"shop.db.url": "mine", "db.url": "another's", "shop": "not below it", "shopping": 1}
    assert load(Shop, secrets, prefix="shop.").db.url.get_secret_value() == "mine"


# ------------------------------------------------------------------------------------------------------------------ extras


def test_keys_that_no_field_wants_are_what_the_configuration_makes_of_them() -> None:
    secrets: Secrets = {"db.url": "u", "new.key": CANARY}

    class Default(Settings):
        model_config = SettingsConfigDict(extra=BaseSettings.model_config["extra"])

    class Allowing(Settings):
        model_config = SettingsConfigDict(extra="allow")

    assert load(Settings, secrets).model_extra is None
    assert load(Allowing, secrets).model_extra == {"new": {"key": CANARY}}
    with pytest.raises(ValidationError, match=r"new\n  Extra inputs are not permitted") as caught:
        load(Default, secrets)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("keys", [("db", "db.url"), ("db.url", "db"), ("a.b", "a.b.c.d")])
def test_a_value_and_a_model_cannot_have_one_name(keys: tuple[str, str]) -> None:
    secrets: Secrets = dict.fromkeys(keys, CANARY)
    with pytest.raises(ConfigurationError, match=f"the key '{keys[1]}' and another key") as caught:
        load(Settings, secrets)
    assert CANARY not in str(caught.value)


# -------------------------------------------------------------------------------------------------------------- precedence


def test_sources_before_it_win_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets: Secrets = {"db.url": "coffer", "db.pool": 7, "debug": True}
    monkeypatch.setenv("DB__POOL", "8")
    settings = load(Settings, secrets)
    assert (settings.db.url.get_secret_value(), settings.db.pool, settings.debug) == ("coffer", 8, True)
    settings = load(Settings, secrets, debug=False)
    assert (settings.db.url.get_secret_value(), settings.db.pool, settings.debug) == ("coffer", 8, False)


def test_its_values_win_over_defaults_alone() -> None:
    assert load(Settings, {"db.url": "u"}).db.pool == 5


# -------------------------------------------------------------------------------------------------- what errors may not show


def told_of(error: ValidationError) -> str:
    """All that a person or a log would see of it."""
    return "\n".join([str(error), repr(error), repr(error.errors()), "".join(traceback.format_exception(error))])


def test_a_field_that_is_missing_does_not_show_the_others() -> None:
    with pytest.raises(ValidationError, match=r"db\.url\n  Field required") as caught:
        load(Settings, {"db.pool": CANARY_INTEGER, "db.password": CANARY})
    assert str(CANARY_INTEGER) not in told_of(caught.value)


MISTAKES: list[SecretValue] = [CANARY, CANARY_INTEGER + 0.5, f"{CANARY}\0".encode(), time(23, 47, 11)]
MISTAKEN = [(field, value) for field, right in VALUES.items() for value in MISTAKES if not isinstance(value, type(right))]


@pytest.mark.parametrize(("field", "value"), MISTAKEN, ids=[f"{type(value).__name__} for {field}" for field, value in MISTAKEN])
def test_a_value_of_a_wrong_type_is_not_shown(field: str, value: SecretValue) -> None:
    with pytest.raises(ValidationError, match=rf"\n{field}\n") as caught:
        load(Strict, VALUES | {field: value})
    told = told_of(caught.value)
    assert not [shown for shown in (CANARY, "4711", "23:47") if shown in told]


def test_constraints_do_not_show_a_value() -> None:
    class Constrained(Sourced):
        short: SecretStr = Field(max_length=3)
        plain: str = Field(pattern="^x")
        small: int = Field(lt=10)

    with pytest.raises(ValidationError, match="3 validation errors") as caught:
        load(Constrained, {"short": CANARY, "plain": CANARY, "small": CANARY_INTEGER})
    assert str(CANARY_INTEGER) not in told_of(caught.value)


def test_what_is_said_of_its_limits_is_so() -> None:
    with pytest.raises(ValidationError) as caught:
        load(Strict, VALUES | {"day": CANARY, "moment": True})
    assert CANARY in caught.value.json()
    assert "input_value=True" in str(caught.value)


def test_plain_values_hide_themselves_as_well() -> None:
    with pytest.raises(ValidationError) as caught:
        Database.model_validate(CofferSettingsSource(Settings, {"db.pool": CANARY})()["db"])
    assert CANARY not in told_of(caught.value)


def test_no_log_and_no_repr_of_the_source_shows_a_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        load(Settings, {"db.url": CANARY})
    assert CANARY not in caplog.text
    source = CofferSettingsSource(Settings, {"db.url": CANARY, "debug": True})
    assert repr(source) == "CofferSettingsSource(keys=['db.url', 'debug'])"
    assert CANARY not in f"{vars(copy.copy(source))}"


# --------------------------------------------------------------------------------------------------------------- the extra


@pytest.mark.parametrize("module", ["pydantic", "pydantic_settings"])
def test_where_the_extra_is_missing_the_import_says_what_to_install(module: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; import coffer_client.pydantic_source"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"needs {module}, which is not installed: install coffer-secrets again with the extra 'pydantic'" in done.stderr
