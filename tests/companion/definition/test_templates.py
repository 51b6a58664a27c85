"""Templates: reading, filling in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.definition.templates import Reference, Template, TemplateError
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.shard import SecretValue
from tests.companion.definitions import clients, gets, load_text, problems


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{a}", (Reference("a"),)),
        ("x{a.b}y{a.b}", ("x", Reference("a.b"), "y", Reference("a.b"))),
        ("{{a}}", ("{", "a", "}")),
        ("{{{a}}}", ("{", Reference("a"), "}")),
        ("{ a }", (Reference(" a "),)),
    ],
)
def test_read(text: str, parts: tuple[str | Reference, ...]) -> None:
    assert Template.from_text(text).parts == parts


@pytest.mark.parametrize("text", ["{", "}", "{}", "{a", "a}", "{a{b}", "{{}", "{a}}"])
def test_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        Template.from_text(text)


@given(st.text())
def test_braces_written_twice_are_braces(text: str) -> None:
    assert Template.from_text(text.replace("{", "{{").replace("}", "}}")).fill({}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{a}", "{a}"),
        (True, "true"),
        (-5, "-5"),
        (1.0, "1.0"),
        (float("inf"), "inf"),
        (-float("nan"), "nan"),
        (datetime(2026, 1, 15, 7, 32, tzinfo=UTC), "2026-01-15T07:32:00Z"),
        (datetime(2026, 1, 15, 7, 32, 0, 500000), "2026-01-15T07:32:00.500000"),
        (date(2026, 1, 15), "2026-01-15"),
        (time(7, 32), "07:32:00"),
    ],
)
def test_values_in_the_form_of_toml(value: SecretValue, text: str) -> None:
    assert Template.from_text("<{a}>").fill({"a": value}) == f"<{text}>"


def test_templates_use_templates_in_any_order(tmp_path: Path) -> None:
    text = clients("web") + '[web]\nc = {from_template="{b}{b}"}\nb = {from_template="<{a}>"}\na = "x"\n'
    assert gets(load_text(tmp_path, text), "web") == {"c": "<x><x>", "b": "<x>", "a": "x"}


def test_a_long_chain_is_no_matter_of_the_stack(tmp_path: Path) -> None:
    chain = "".join(f'k{number} = {{from_template="{{k{number + 1}}}"}}\n' for number in range(3000))
    assert gets(load_text(tmp_path, f'{clients("web")}[web]\n{chain}k3000 = "end"\n'), "web")["k0"] == "end"


def test_a_text_that_doubles_with_every_step_is_stopped(tmp_path: Path) -> None:
    chain = "".join(f'k{number} = {{from_template="{{k{number + 1}}}{{k{number + 1}}}"}}\n' for number in range(64))
    found = problems(tmp_path, f'{clients("web")}[web]\n{chain}k64 = "canary"\n')
    assert found
    assert all("canary" not in problem for problem in found)
    assert any(str(SHARD_BYTES) in problem for problem in found)


def test_a_groups_template_sees_each_clients_own_values(tmp_path: Path) -> None:
    text = clients("web", "worker", "probe") + (
        '[shared.all]\nclients = ["*"]\nurl = {from_template="{user}@{host}"}\nuser = "nobody"\nhost = "db"\n'
        '[web]\nuser = "web"\n[worker]\nurl = {from_template="own {host}"}\n[probe]\nnote = {from_template="see {url}"}\n'
    )
    definition = load_text(tmp_path, text)
    assert gets(definition, "web") == {"user": "web", "url": "web@db", "host": "db"}
    assert gets(definition, "worker") == {"url": "own db", "user": "nobody", "host": "db"}
    assert gets(definition, "probe") == {"note": "see nobody@db", "url": "nobody@db", "user": "nobody", "host": "db"}


def test_a_circle_through_a_group(tmp_path: Path) -> None:
    text = clients("web") + '[shared.all]\nclients=["*"]\na = {from_template="{b}"}\n[web]\nb = {from_template="{a}"}\n'
    (problem,) = problems(tmp_path, text)
    assert "the templates use each other in a circle (" in problem
    assert "a -> b -> a" in problem or "b -> a -> b" in problem


def test_a_key_of_itself(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, clients("web") + '[web]\na = {from_template="{a}"}\n')
    assert "circle (a -> a): break it" in problem


def test_what_is_refused_already_is_not_refused_again(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, clients("web") + '[web]\na = [1]\nb = {from_template="{a}"}\nc = {from_template="{b}"}\n')
    assert "web.a: an array" in problem


def test_a_public_template_may_use_what_is_public(tmp_path: Path) -> None:
    text = clients("web") + '[web]\nboth = {from_template="{host}"}\n[web.public]\nhost="h"\nurl = {from_template="https://{host}"}\n'
    client = load_text(tmp_path, text).clients["web"]
    assert client.public == {"host", "url"}


def test_a_groups_public_template_must_not_show_a_clients_secret(tmp_path: Path) -> None:
    text = clients("web") + '[shared.all]\nclients=["*"]\npublic.url={from_template="{token}"}\n[web]\ntoken="canary"\n'
    (problem,) = problems(tmp_path, text)
    assert "would show the secret 'token'" in problem
    assert "canary" not in problem
