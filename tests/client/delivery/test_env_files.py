"""Each file of variables by the program that reads it, or by the rules that this program documents."""

from __future__ import annotations

import re

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings

from coffer_client.delivery import env_files
from coffer_client.delivery.naming import Naming
from coffer_client.delivery.text import Secrets
from coffer_client.errors import EnvironmentNameError
from coffer_protocol.shard import SecretValue

from ..strategies import environments, name_of


def expected(secrets: Secrets) -> dict[str, SecretValue]:
    return {name_of(key): value for key, value in secrets.items()}


# ------------------------------------------------------------------------------------------------------------------ dotenv


@given(secrets=environments())
@settings(deadline=None)
def test_python_dotenv_reads_what_was_written(secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "secrets.env"
    path.write_bytes(env_files.dotenv(secrets).encode())
    assert dotenv_values(path) == expected(secrets)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "''"),
        ('a "b" # $c `d` $(e)', "'a \"b\" # $c `d` $(e)'"),
        ("it's", '"it\'s"'),
        ("a\\b", '"a\\\\b"'),
        ("${a}", '"${:-$}{a}"'),
        ("a\r\n", '"a\\r\\n"'),
    ],
)
def test_single_quotes_if_every_reader_takes_what_is_in_them(text: str, line: str) -> None:
    assert env_files.dotenv({"key": text}) == f"key={line}\n"


# ------------------------------------------------------------------------------------------------------------------ docker


def read_as_docker(data: bytes) -> dict[str, str]:
    """An env file, by the rules that docker/cli documents in pkg/kvfile/kvfile.go, and Go in bufio.ScanLines.

    Lines end at a line feed, and lose one carriage return before it; a line with its end has at most 64 KiB. White space that leads is
    dropped; empty lines, and those that begin with # are skipped. What stands before the first = is the name, all that follows is the
    value; the name is there and has no blanks. Nothing is expanded, escaped or quoted.
    """
    found = {}
    for line in data.split(b"\n"):
        assert len(line) + 1 <= 64 * 1024
        text = line.removesuffix(b"\r").decode().lstrip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        # Without an =, docker would take the variable of its own environment.
        assert name
        assert equals
        assert not set(name) & set(" \t")
        found[name] = value
    return found


@given(secrets=environments())
def test_docker_reads_what_can_be_written_and_the_rest_is_refused_by_name(secrets: Secrets) -> None:
    unfit = {key for key, value in secrets.items() if "\n" in str(value) or str(value).endswith("\r")}
    if unfit:
        with pytest.raises(EnvironmentNameError) as caught:
            env_files.docker(secrets)
        assert {key for key in secrets if f"{key!r} has a line break" in str(caught.value)} == unfit
        assert "--to-dir" in str(caught.value)
    fit = {key: value for key, value in secrets.items() if key not in unfit}
    assert read_as_docker(env_files.docker(fit).encode()) == expected(fit)


def test_docker_reads_lines_of_64_kib_and_longer_ones_are_refused() -> None:
    # A name and its =, and the line's end, have their place in it.
    longest = {"key": "é" * (32 * 1024 - 3) + "x"}
    assert read_as_docker(env_files.docker(longest).encode()) == longest
    with pytest.raises(EnvironmentNameError, match="'key' makes a line longer than 64 KiB"):
        env_files.docker({"key": f"{longest['key']}x"})


def test_docker_has_a_carriage_return_within_a_line() -> None:
    assert read_as_docker(env_files.docker({"a": "\r#\rx", "b": " # "}).encode()) == {"a": "\r#\rx", "b": " # "}


# ----------------------------------------------------------------------------------------------------------------- systemd


def read_as_systemd(text: str) -> dict[str, str]:
    """An EnvironmentFile, by the rules of systemd.exec(5).

    A value in single quotes is taken as it is, with its line breaks. In double quotes, a backslash quotes a double quote, a backslash, a
    backtick and a dollar. Nothing is expanded.
    """
    found = {}
    while text:
        begin = re.match(r"(\w+)=(['\"])", text)
        assert begin is not None
        quoted = re.match(r"([^']*)'\n" if begin[2] == "'" else r'((?:[^"\\]|\\["\\`$])*)"\n', text[begin.end() :])
        assert quoted is not None
        found[begin[1]] = quoted[1] if begin[2] == "'" else re.sub(r"\\(.)", r"\1", quoted[1])
        text = text[begin.end() + quoted.end() :]
    return found


@given(secrets=environments())
def test_systemd_reads_what_can_be_written(secrets: Secrets) -> None:
    unfit = {key for key, value in secrets.items() if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", str(value))}
    if unfit:
        with pytest.raises(EnvironmentNameError) as caught:
            env_files.systemd(secrets)
        assert {key for key in secrets if f"{key!r} has control characters" in str(caught.value)} == unfit
    fit = {key: value for key, value in secrets.items() if key not in unfit}
    assert read_as_systemd(env_files.systemd(fit)) == expected(fit)


# ------------------------------------------------------------------------------------------------------------------ gitlab


@given(secrets=environments())
def test_gitlab_reads_what_can_be_written(secrets: Secrets) -> None:
    # GitLab's Ci::ParseDotenvArtifactService: lines, each cut at the first =, both parts stripped.
    unfit = {key for key, value in secrets.items() if "$" in str(value) or str(value).strip() != value or len(str(value).splitlines()) > 1}
    if unfit:
        with pytest.raises(EnvironmentNameError) as caught:
            env_files.gitlab(secrets)
        assert all(f"{key!r} has a" in str(caught.value) for key in unfit)
    fit = {key: value for key, value in secrets.items() if key not in unfit}
    lines = [line.partition("=") for line in env_files.gitlab(fit).splitlines()]
    assert {name.strip(): value.strip() for name, _, value in lines} == expected(fit)


def test_gitlab_has_a_limit() -> None:
    secrets = {"a": "x" * 3000, "b": "x" * 2114}
    assert len(env_files.gitlab(secrets).encode()) == 5120
    with pytest.raises(EnvironmentNameError, match="'b' makes the file longer than 5 KiB"):
        env_files.gitlab(secrets | {"b": "x" * 2115})


# ------------------------------------------------------------------------------------------------------------------ github


def read_as_github(text: str) -> dict[str, str]:
    """A file of GitHub Actions, as actions/runner reads it on Linux: NAME<<DELIMITER, lines, and the delimiter as a line."""
    found = {}
    lines = text.split("\n")
    assert lines.pop() == ""
    while lines:
        name, _, delimiter = lines.pop(0).partition("<<")
        end = lines.index(delimiter)
        found[name] = "\n".join(lines[:end])
        del lines[: end + 1]
    return found


@given(secrets=environments())
def test_github_reads_what_was_written(secrets: Secrets) -> None:
    assert read_as_github(env_files.github(secrets)) == expected(secrets)


def test_no_value_can_end_itself_at_github() -> None:
    files = {env_files.github({"a": "b<<c\nd\nc\n"}) for _ in range(2)}
    assert len(files) == 2
    assert [read_as_github(text) for text in files] == [{"a": "b<<c\nd\nc\n"}] * 2


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "github_token", "RUNNER_TEMP", "NODE_OPTIONS"])
def test_what_github_does_not_let_a_step_set(name: str) -> None:
    with pytest.raises(EnvironmentNameError, match=f"{name!r} gives {name!r}, which GitHub does not let a step set"):
        env_files.github({name: "canary"})


def test_every_line_of_every_secret_is_masked() -> None:
    secrets: dict[str, SecretValue] = {"a": "100%25\r\nsecond\n\n third\rfourth", "b": b"\xff", "c": "second", "d": " \n", "e": "left out"}
    assert env_files.github_masks(secrets, Naming(without=("e",))) == "".join(
        f"::add-mask::{line}\n" for line in ("100%2525", "second", " third", "fourth", "/w==")
    )
