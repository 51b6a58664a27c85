"""What an application writes, and the types that its checker finds. test_typing.py has mypy check it as a user's, and runs it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import assert_type

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

import coffer_client
from coffer_client import Coffer, CofferError, NoSuchKeyError, Release, SecretValue, WrongTypeError
from coffer_client.pydantic_source import CofferSettingsSource


def starts() -> Coffer:
    try:
        coffer = coffer_client.fetch(timeout_s=3.0, max_stale=datetime.timedelta(days=1))
    except coffer_client.UnreachableError as error:
        assert_type(error, coffer_client.UnreachableError)
        raise SystemExit(str(error)) from error
    assert_type(coffer, Coffer)
    return coffer


async def starts_in_an_event_loop() -> Coffer:
    coffer = await coffer_client.afetch(timeout_s=3.0)
    assert_type(coffer, Coffer)
    async with coffer_client.watch() as newer:
        async for coffer in newer:
            assert_type(coffer, Coffer)
    return coffer


def follows_releases() -> None:
    with coffer_client.watch() as newer:
        assert_type(newer, coffer_client.Releases)
        for coffer in newer:
            assert_type(coffer, Coffer)


def takes_values_by_their_types(coffer: Coffer) -> None:
    assert_type(coffer.text("text"), str)
    assert_type(coffer.int("int"), int)
    assert_type(coffer.float("float"), float)
    assert_type(coffer.bool("bool"), bool)
    assert_type(coffer.bytes("bytes"), bytes)
    assert_type(coffer.date("date"), datetime.date)
    assert_type(coffer.datetime("datetime"), datetime.datetime)
    assert_type(coffer.time("time"), datetime.time)


def takes_values_or_defaults(coffer: Coffer) -> None:
    assert_type(coffer.text("no", default="x"), str)
    assert_type(coffer.text("no", default=None), str | None)
    assert_type(coffer.int("no", default=5432), int)
    assert_type(coffer.int("no", default=None), int | None)
    assert_type(coffer.float("no", default=None), float | None)
    assert_type(coffer.bool("no", default=False), bool)
    assert_type(coffer.bytes("no", default=b""), bytes)
    assert_type(coffer.bytes("no", default="text"), bytes | str)
    assert_type(coffer.date("no", default=None), datetime.date | None)
    assert_type(coffer.datetime("no", default=datetime.datetime.min), datetime.datetime)
    assert_type(coffer.time("no", default=datetime.time(8)), datetime.time)


def reads_a_mapping(coffer: Coffer) -> Mapping[str, SecretValue]:
    assert_type(coffer["text"], SecretValue)
    assert_type(coffer.get("no"), SecretValue | None)
    assert_type(coffer.get("no", 1), SecretValue | int)
    assert_type(iter(coffer), Iterator[str])
    assert_type(coffer.environ(), dict[str, str])
    assert_type(coffer.environ(prefix="APP_", upper=True, only=("t*",), without=("time",)), dict[str, str])
    assert_type(coffer.release, Release)
    assert_type(coffer.stale, datetime.timedelta | None)
    assert_type(coffer.refusal, CofferError | None)
    assert_type(coffer.release.expires, datetime.datetime | None)
    return coffer


def catches_what_is_raised(coffer: Coffer) -> None:
    try:
        coffer.int("text")
    except WrongTypeError as error:
        assert_type(error, WrongTypeError)
    try:
        coffer.int("no")
    except NoSuchKeyError as error:
        as_mappings_raise: KeyError = error
        of_our_tree: CofferError = error
        print(as_mappings_raise, of_our_tree)


class Database(BaseModel):
    url: SecretStr


class Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore")
    db: Database

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, CofferSettingsSource(settings_cls, {"db.url": "a test's"}, prefix="")
