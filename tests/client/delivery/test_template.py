from __future__ import annotations

import json
import subprocess
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from coffer_client.coffer import Coffer
from coffer_client.delivery import formats
from coffer_client.delivery import text as output
from coffer_client.delivery.template import Template
from coffer_client.errors import NoSuchKeyError, TemplateError
from coffer_protocol.errors import CofferError
from coffer_protocol.shard import SecretValue

from ..releases import make_accepted
from ..strategies import environment_texts, values

CANARY = "canary-4711"
SECRETS: dict[str, SecretValue] = {
    "db.url": "postgres://db",
    "db.port": 5432,
    "a.b": "parent",
    "a.b.c": "child",
    "with-dash": "dashed",
    "debug": False,
    "certificate": b"\xff\x00",
    "born": datetime(2027, 1, 31, 8, tzinfo=UTC),
    "day": date(2027, 1, 31),
    "at": time(8),
    "ratio": float("inf"),
    "text": "<a href='x'>",
}


def rendered(source: str, secrets: Mapping[str, SecretValue] = SECRETS) -> str:
    return Template(source, name="a.j2").render(Coffer(make_accepted(secrets))).decode()


def refusal(source: str, secrets: Mapping[str, SecretValue] = SECRETS) -> CofferError:
    with pytest.raises((TemplateError, NoSuchKeyError)) as caught:
        rendered(source, secrets)
    return caught.value


# ------------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ db.url }}", "postgres://db"),
        ('{{ secrets["db.url"] }}', "postgres://db"),
        ('{{ db["url"] }}', "postgres://db"),
        ("{{ a.b }}", "parent"),
        ('{{ secrets["a.b.c"] }}', "child"),
        ('{{ secrets["with-dash"] }}', "dashed"),
        ("{% for key in secrets if key.startswith('db.') %}{{ key }} {% endfor %}", "db.url db.port "),
        ("{% for key, value in secrets.items() if key == 'debug' %}{{ value }}{% endfor %}", "false"),
        ("{{ db.port + 1 }}", "5433"),
        ("{% if debug %}on{% else %}off{% endif %}", "off"),
        ("{% if db.url is defined and db is defined %}yes{% endif %}", "yes"),
        ("{% if none.such is defined %}{% else %}no{% endif %}", "no"),
        ('{{ db.user | default("web") }} {{ no.such.key | default("x") }} {{ secrets["no"] | default("y") }}', "web x y"),
        ("{{ born.year }} {{ born.strftime('%d') }}", "2027 31"),
    ],
)
def test_a_name_is_a_key(source: str, shown: str) -> None:
    assert rendered(source) == shown


@pytest.mark.parametrize("key", ["items", "secrets.x", "self.x", "loop", "range", "caller", "keys.get", "class.name", "é"])
def test_no_key_is_hidden(key: str) -> None:
    assert rendered(f'{{{{ secrets["{key}"] }}}}', {key: "found"}) == "found"
    assert rendered("{% for key in secrets %}{{ secrets[key] }}{% endfor %}", {key: "found"}) == "found"


@pytest.mark.parametrize("key", ["items", "range", "keys.get", "x.items", "x.update", "lipsum", "é.ü"])
def test_a_key_wins_over_what_jinja_and_python_have_under_its_name(key: str) -> None:
    assert rendered(f"{{{{ {key} }}}}", {key: "found"}) == "found"


def test_the_word_secrets_is_all_of_them() -> None:
    secrets: dict[str, SecretValue] = {"secrets": "one", "other": "two"}
    assert rendered('{{ secrets["secrets"] }} {{ secrets | length }}', secrets) == "one 2"


# ------------------------------------------------------------------------------------------------------------------ values


@given(value=values)
def test_what_is_printed_is_what_every_format_has(value: SecretValue) -> None:
    secrets = {"k": value}
    text = output.text_of(value)
    assert rendered("{{ k }}|{{ k ~ k }}|{{ [k, k] | join(',') }}|{{ k | string }}", secrets) == f"{text}|{text}{text}|{text},{text}|{text}"


@given(value=values)
def test_json_is_that_of_get(value: SecretValue) -> None:
    secrets = {"k": value}
    expected = json.loads(formats.json_object(secrets))
    assert json.loads(rendered("{{ secrets | tojson }}", secrets)) == expected
    assert json.loads(rendered('{{ {"of": [k, none], "text": "" ~ k} | tojson(indent=2) }}', secrets)) == {
        "of": [expected["k"], None],
        "text": output.text_of(value),
    }


@given(text=environment_texts)
def test_a_quoted_text_is_one_word_of_a_shells(text: str) -> None:
    line = rendered("printf %s {{ k | quote }}", {"k": text})
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout == text.encode()


def test_base64_is_of_the_bytes() -> None:
    assert rendered("{{ certificate }} {{ certificate | b64 }} {{ 'é' | b64 }} {{ db.port | b64 }}") == "/wA= /wA= w6k= NTQzMg=="


def test_nothing_is_escaped_by_itself() -> None:
    assert rendered("{{ text }} {{ text | tojson }} {{ '<' ~ (text | tojson) }}") == ("<a href='x'> \"<a href='x'>\" <\"<a href='x'>\"")
    assert rendered("{{ text | e }}") == "&lt;a href=&#39;x&#39;&gt;"


# ------------------------------------------------------------------------------------------------------------------- lines


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="{}#%\r")))
def test_a_text_without_marks_stays_as_it_is(text: str) -> None:
    assert rendered(text) == text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_keep_their_ends_and_marks_leave_none_behind(end: str) -> None:
    lines = ["first", "  {% if not debug %}", "second", "  {% endif %}", "{# a comment #}", "{{ db.port }}", "", "last", ""]
    assert rendered(end.join(lines)) == end.join(["first", "second", "5432", "", "last", ""])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("source", "shown"),
    [
        # A line with a text stays, wherever the tags stand in it.
        ("key = {% if true %}on{% endif %}|next = 1|", "key = on|next = 1|"),
        ("tail={# c #}|z=1|", "tail=|z=1|"),
        ("  {% if true %}x{% endif %}|y|", "  x|y|"),
        ("a {% if false %}|b{% endif %}|c|", "a |c|"),
        ("{% raw %}{{{% endraw %}|x|", "{{|x|"),
        ("{% set x = 1 %}{{ x }}|{{ x }}{% set y = 1 %}|z|", "1|1|z|"),
        ("{{ '' }}{# c #}|z|", "|z|"),
        ("x{# one|two #}|y|", "x|y|"),
        # A line with nothing but tags and comments goes, with its blanks.
        ("{# c #}|x|", "x|"),
        ("{% raw %}{% endraw %}|x|", "x|"),
        (" \t{% if true %} \t|x|\t{% endif %} |y|", "x|y|"),
        ("{% for n in [1, 2] %}|{% if n == 2 %}|two|{% endif %}|n|{% endfor %}|", "n|two|n|"),
        (" {% if true %} {# why #} |x|  {% endif %}{# c #}  |y|", "x|y|"),
        ("{# one|  two #} |x|", "x|"),
        ("{% if|  true %}|x|{% endif|  %}|y|", "x|y|"),
        ("  {% raw %}|{{|  {% endraw %}|x|", "{{|x|"),
        ("{% raw %}||{% endraw %}|", "|"),
        ("{# c #}{% raw %}|{% endraw %}{# c #}|x|", "x|"),
        # The first line and the last.
        ("|x", "|x"),
        ("|{# c #}|x", "|x"),
        ("{# c #}||x", "|x"),
        ("x|  {# c #}  ", "x|"),
        ("x  {# c #}", "x  "),
        ("{# c #}", ""),
        ("  ", "  "),
        ("{# c #}|", ""),
        ("  |{# c #}|  ", "  |  "),
        # With - a tag joins the line before or behind it; with + its own line stays.
        ("x|{%- if true %}|y|{%- endif %}|z|", "x|y|z|"),
        ("{% if true -%}|  x|{% endif -%}||  y|", "x|y|"),
        ("{% if true -%}||{# c #}|x|{% endif %}|", "x|"),
        ("x|  {#- c -#}|  y|", "xy|"),
        ("{{ 1 -}}|{# c #}|y|", "1|y|"),
        ("{% if true +%}|x|{% endif %}|", "|x|"),
        (" {%+ if true %}|x|{% endif %}|", " |x|"),
        ("{# c +#}|{#+ c #} |x|", "| |x|"),
        ("{% set x = 1 + 1 %}|{# + #}|{% raw %}+{% endraw %}|y|", "+|y|"),
    ],
)
def test_a_line_goes_where_it_has_nothing_but_tags_and_stays_as_it_is_otherwise(end: str, source: str, shown: str) -> None:
    assert rendered(source.replace("|", end)) == shown.replace("|", end)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{# c #}\n{% if true %}\n{{ nokey }}\n{% endif %}", 3),
        ("{# one\ntwo #}\n\nx {% if true %}\n{{ nokey }}{% endif %}", 5),
        ("x\n\n{%- if true -%}\n\n{# c #}\n{{ nokey }}{% endif %}", 6),
        ("a\n{% raw %}\nb\n{% endraw %}\n{{ nokey }}", 5),
        ("{% if true %}\n\n{% endif %}\n{% if nokey %}\n{% endif %}", 4),
    ],
)
def test_lines_that_go_are_counted(source: str, line: int) -> None:
    assert str(refusal(source)).startswith(f"a.j2, line {line}: ")


def test_a_value_keeps_its_own_ends() -> None:
    assert rendered("{{ k }}\n", {"k": "a\r\nb\r"}) == "a\r\nb\r\n"


# ------------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\n{{ db.utl }}", "a.j2, line 2: release 7 of 'shop' has no key 'db.utl'"),
        ("{{ secrets['with-dahs'] }}", "has no key 'with-dahs'"),
        ("{{ wholly.other }}", "has no key 'wholly.other'"),
        ("{% macro m() %}\n{{ nokey }}\n{% endmacro %}\n\n{{ m() }}", "a.j2, line 2: "),
        ("{% if nokey %}{% endif %}", "has no key 'nokey'"),
        ("{% for x in nokey %}{% endfor %}", "has no key 'nokey'"),
        ("{{ 'x' ~ nokey }}", "has no key 'nokey'"),
        ("{{ nokey | quote }}", "has no key 'nokey'"),
        ("{{ nokey | tojson }}", "has no key 'nokey'"),
        ("{{ [nokey] | join }}", "has no key 'nokey'"),
        ("{{ nokey.method() }}", "has no key 'nokey.method'"),
    ],
)
def test_a_key_that_is_not_there_is_named(source: str, reason: str) -> None:
    error = refusal(source)
    assert isinstance(error, NoSuchKeyError)
    assert reason in str(error)
    # Those that there are.
    assert "'db.url', 'db.port'" in str(error)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ db }}", "line 1: 'db' is not a key; the keys that begin with it are 'db.url', 'db.port'"),
        ("{{ a.b.c }}", "a value has no 'c'; if a key is meant that begins with another key, write secrets[\"a.b.c\"]"),
        ("{{ db.url.x }}", "a value has no 'x'"),
        ("{{ [debug] }}", "a value of type list has no text"),
        ("{{ none }}", "a value of type NoneType has no text"),
        ("{{ secrets }}", "has no text: use `| join` or `| tojson`"),
        ("{{ db.url.__class__ }}", "Jinja's sandbox does not allow this"),
        ("{{ secrets.clear() }}", "Jinja's sandbox does not allow this"),
        ("{{ [] | first }}", "line 1: something used here has no value"),
        ("{% macro m(x) %}\n{{ x }}{% endmacro %}{{ m() }}", "line 2: something used here has no value"),
        ("{% set text %}{{ text }}{% endset %}", "'text' is a variable of the template here, and is not set yet"),
        ("\n{{ 1 / 0 }}", "line 2: this fails with ZeroDivisionError"),
        ("{{ range(1000000) }}", "this fails with OverflowError"),
        ("{{ '\\ud800' }}", "a.j2: this fails with UnicodeEncodeError"),
        ("{{ nul | quote }}", "a text with a NUL cannot be a word of a shell"),
    ],
)
def test_what_cannot_be_rendered_is_told(source: str, reason: str) -> None:
    error = refusal(source, SECRETS | {"nul": "\0"})
    assert isinstance(error, TemplateError)
    assert reason in str(error)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x\n{{ a b }}", "a.j2, line 2: expected token 'end of print statement', got 'b'"),
        ("{% if x %}", "a.j2, line 1: Unexpected end of template"),
        ("{% nonsense %}", "unknown tag 'nonsense'"),
        ("\n{% if false %}{{ x | nonsense }}{% endif %}", "a.j2, line 2: there is no filter 'nonsense'"),
        ("{{ x is nonsense }}", "there is no test 'nonsense'"),
        ("{{ secrets | pprint }}", "there is no filter 'pprint'"),
        ("\n\n{% include 'b.j2' %}", "a.j2, line 3: include, import and extends are not possible"),
        ("{% extends 'b.j2' %}", "a template is one file"),
        ("{% import 'b.j2' as b %}", "a template is one file"),
        ("{% from 'b.j2' import b %}", "a template is one file"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "a.j2: something in it is nested too deep"),
        ("{{ " + "1" * 5000 + " }}", "or too long"),
    ],
)
def test_what_is_no_template_is_refused_before_there_is_a_secret(source: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source, name="a.j2")
    assert reason in str(caught.value)


# ------------------------------------------------------------------------------------------------------------------ canary

_FAILING = [
    "{{ k | int / 0 }}",
    "{{ k + 1 }}",
    "{{ 1 + k }}",
    "{{ k[k] }}",
    "{{ secrets[k] }}",
    "{{ secrets[k ~ '.x'] }}",
    "{{ secrets[k | upper] }}",
    "{{ group[k] }}",
    "{{ group[k ~ '.x'] }}",
    "{{ group }}",
    "{{ {k: 1}[k ~ 'x'] }}",
    "{{ {k: 1} }}",
    "{{ [k] }}",
    "{{ (k ~ '').nope }}",
    "{{ k.nope() }}",
    "{{ k() }}",
    "{{ (k | string)() }}",
    "{{ dict(**{(k | string): 1}) }}",
    "{{ secrets.get(k | upper) }}",
    "{{ range(k) }}",
    "{{ range(k | string) }}",
    "{{ '%d' | format(k) }}",
    "{{ '{' ~ k }}{{ ('{' ~ k).format() }}",
    "{{ '{0.__class__}'.format(k) }}",
    "{{ '{x}'.format_map({k: 1}) }}",
    "{{ (k ~ '').encode().decode('utf-16') }}",
    "{{ (k ~ '').index('nope') }}",
    "{{ [1].index(k) }}",
    "{{ k is divisibleby(0) }}",
    "{{ k is none(k) }}",
    "{{ undefined_name[k] }}",
    "{{ undefined_name(k) }}",
    "{% set x = k %}\n{{ x.nope }}",
    "{% macro m(x) %}{{ x | int / 0 }}{% endmacro %}{{ m(k) }}",
    "{% macro m() %}{% endmacro %}{{ m(k, **{(k | string): k}) }}",
    "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(k) }}",
    "{% call(x) k() %}{% endcall %}",
    "{% for a, b, c, d, e, f, g in [k] %}{% endfor %}",
    "{% for x in 5 ~ k recursive %}{{ loop(k) }}{% endfor %}",
    "{% with x = k | int // 0 %}{% endwith %}",
    "{% filter int %}{{ k / 0 }}{% endfilter %}",
    "{% set ns = namespace(x=k) %}{{ ns.y }}",
    "{% set ns = namespace(k) %}",
    "{% set ns = 5 %}{% set ns.x = k %}",
    "{{ caller(k) }}",
    "{{ k ~ '\\ud800' }}",
]


def failures_of(source: str, value: SecretValue) -> str | None:
    """All that a debugger would print of the failure, with the variables of our frames; None where it does not fail."""
    coffer = Coffer(make_accepted({"k": value, "group.x": value}))
    template = Template(source, name="a.j2")
    failure: CofferError | None = None
    try:
        template.render(coffer)
    except (TemplateError, NoSuchKeyError) as error:
        failure = error
    if failure is None:
        return None
    assert failure.__context__ is None
    assert failure.__traceback__ is not None
    # This function's own frame, which has the value, is the first.
    shown = traceback.TracebackException(type(failure), failure, failure.__traceback__.tb_next, capture_locals=True)
    return "".join(shown.format()) + repr(failure) + str(failure)


_CANARIES: list[SecretValue] = [CANARY, CANARY.encode()]


@pytest.mark.parametrize("source", _FAILING)
def test_no_error_shows_a_value(source: str) -> None:
    shown = [failure for value in _CANARIES if (failure := failures_of(source, value))]
    # Each fails with a text or with bytes, if not with both.
    assert shown
    for failure in shown:
        assert "a.j2" in failure
        assert "canary" not in failure.lower()


@pytest.mark.parametrize("call", [*(f"| {name}" for name in FILTERS), *(f"is {name}" for name in TESTS if name.isalpha())])
def test_no_filter_and_no_test_shows_a_value(call: str) -> None:
    for source in (
        "{{ k CALL }}",
        "{{ k CALL(k) }}",
        "{{ k CALL(k, k) }}",
        "{{ 5 CALL(k) }}",
        "{{ [k] CALL(k ~ '') }}",
        "{{ {k: k} CALL(k ~ '', k ~ '') }}",
        "{{ secrets CALL(nope=k) }}",
        "{{ [k, 5] CALL }}",
        "{{ 'x' CALL(k | string) | list | string }}",
    ):
        try:
            shown = failures_of(source.replace("CALL", call), CANARY)
        except TemplateError as error:
            # The template itself is refused.
            shown = str(error)
        assert shown is None or "canary" not in shown.lower()
