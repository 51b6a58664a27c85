"""server.toml."""

from __future__ import annotations

from dataclasses import fields

import pytest

from coffer_protocol.address import Host
from coffer_server import config
from coffer_server.config import Settings
from coffer_server.errors import SettingsError


def parse(text: str) -> Settings:
    return config.parse(text, source="server.toml")


def test_nothing_is_the_defaults() -> None:
    assert parse("") == Settings()
    assert Settings().listen == (Host(name="127.0.0.1", port=26337),)


def test_every_setting() -> None:
    settings = parse(
        """
        listen = ["0.0.0.0:1", "[::1]:0", "localhost"]
        advertise = "secrets.example.org:2"
        suites = [1]
        store = "postgresql+psycopg://coffer:a%22b@/coffer?host=db1&host=db2"
        cache_bytes = 6
        max_connections = 3
        upload_bytes = 4
        upload_shards = 5
        keep_releases = 6
        keep_days = 7
        still_s = 8
        log_level = "debug"
        log_format = "json"
        """
    )
    assert settings == Settings(
        listen=(Host(name="0.0.0.0", port=1), Host(name="::1", port=0), Host(name="localhost")),
        advertise=Host(name="secrets.example.org", port=2),
        suites=(1,),
        store="postgresql+psycopg://coffer:a%22b@/coffer?host=db1&host=db2",
        cache_bytes=6,
        max_connections=3,
        upload_bytes=4,
        upload_shards=5,
        keep_releases=6,
        keep_days=7,
        still_s=8,
        log_level="debug",
        log_format="json",
    )
    assert parse(config.render(settings)) == settings


def test_a_new_servers_settings_are_all_commented() -> None:
    text = config.render(Settings())
    assert all(not line or line.startswith("#") for line in text.splitlines())
    for field in fields(Settings):
        assert f"\n# {field.name} = " in text
    # Every default that is shown is one, and every example can be used.
    shown = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    examples = Settings(advertise=Host(name="secrets.example.org"), store=parse(shown).store)
    assert parse(shown) == examples
    assert examples.store is not None


def test_a_host_makes_it_listen_everywhere() -> None:
    settings = config.for_host(Host(name="secrets.example.org", port=443))
    assert settings.listen == (Host(name="0.0.0.0", port=443), Host(name="::", port=443))
    assert settings.advertised == Host(name="secrets.example.org", port=443)
    assert parse(config.render(settings)) == settings
    with pytest.raises(SettingsError, match="port 0"):
        config.for_host(Host(name="secrets.example.org", port=0))


def test_a_server_that_shares_a_database() -> None:
    url = 'postgresql+psycopg://coffer:"\\@/coffer?host=db1'
    assert parse(config.render(config.for_host(None, store=url))).store == url
    with pytest.raises(SettingsError, match="--store"):
        config.for_host(None, store="postgres://db1/coffer")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listen", "is not TOML"),
        ('lissen = ["127.0.0.1"]', "unknown key 'lissen': did you mean 'listen'?"),
        ("max_conections = 1", "'max_connections'"),
        ("listen = []", "listen: expected a list"),
        ('listen = "127.0.0.1:1"', "listen: expected a list"),
        ('listen = ["127.0.0.1:port"]', "listen: host"),
        ('advertise = "a b"', "advertise: host"),
        ('advertise = "a:0"', "advertise: clients cannot connect to port 0"),
        ("advertise = 1", "advertise: "),
        ("suites = [0]", "suites: "),
        ("suites = [1, 2]", "suites: "),
        ("suites = [true]", "suites: "),
        ("suites = 1", "suites: "),
        ('store = "sqlite:///x"', 'store: expected "postgresql+psycopg://'),
        ("store = 1", "store: "),
        ("cache_bytes = 0", "cache_bytes: expected a whole number"),
        ("max_connections = 0", "max_connections: expected a whole number"),
        ("max_connections = true", "max_connections: expected a whole number"),
        ("upload_bytes = 1.5", "upload_bytes: expected a whole number"),
        ("keep_releases = 0", "keep_releases: expected a whole number from 1"),
        ("keep_days = 36501", "keep_days: expected a whole number from 1 to 36500"),
        ("still_s = 61", "still_s: expected a whole number from 1 to 60"),
        ("still_s = true", "still_s: expected a whole number"),
        ("upload_shards = -1", "upload_shards: expected a whole number"),
        ('log_level = "loud"', "log_level: expected one of debug, info"),
        ("log_format = []", "log_format: expected one of text, json"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(text)
    assert says in str(error.value)
    assert str(error.value).startswith("server.toml")
