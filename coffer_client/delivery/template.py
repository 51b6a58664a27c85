"""Templates: texts with secrets in them, rendered by Jinja in its sandbox.

A dotted name is a key: `{{ db.url }}` prints the secret under `db.url`. `secrets["db.url"]` is the same and works for every key: for one
with a dash, for one that begins with another key (if `db` is also a key, `{{ db }}` is its value and `secrets["db.url"]` the other), and
for one that a loop variable or the word `secrets` hides. A name that is not a key is an error wherever it is used, except in `is defined`
and `default`.

What is printed, joined by `~` or `| join`, or converted by `| string` or `| quote`, is written as `formats.py` describes it for a shell.
Nothing is escaped automatically.

An expression may fail with a value in Python's message, so an error tells only the kind of Python's error, the template and the line.
"""

from __future__ import annotations

import json
import re
import shlex
import traceback
from base64 import b64encode as base64
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateAssertionError, TemplateRuntimeError, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.lexer import (
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_COMMENT_BEGIN,
    TOKEN_COMMENT_END,
    TOKEN_DATA,
    TOKEN_RAW_BEGIN,
    TOKEN_RAW_END,
    TOKEN_VARIABLE_BEGIN,
    Lexer,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from coffer_protocol.errors import CofferError
from coffer_protocol.shard import SecretValue

from ..coffer import Coffer
from ..errors import NoSuchKeyError, TemplateError
from .formats import json_value
from .text import text_of

# The name under which a template finds all secrets.
_ALL: Final = "secrets"
# Jinja's own name for a template that it gets as text.
_JINJAS_FILE: Final = "<template>"
# A piece of a template: the number of its line, its kind, and its text.
_Piece = tuple[int, str, str]
# The beginnings and ends of tags and comments. A `-` or `+` is part of these.
_TAG_MARKS: Final = frozenset({TOKEN_BLOCK_BEGIN, TOKEN_BLOCK_END, TOKEN_COMMENT_BEGIN, TOKEN_COMMENT_END, TOKEN_RAW_BEGIN, TOKEN_RAW_END})
_OTHER_FILES: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Template:
    """One template, parsed and checked. It can be rendered any number of times."""

    def __init__(self, source: str, *, name: str) -> None:
        """Parse and check a template. This needs no secrets.

        Args:
            source: the template's text.
            name: the template's name in errors.

        Raises:
            TemplateError: it is not a Jinja template, names a filter or test that does not exist, or uses another file.
        """
        self._name = name
        # Lines keep their line ends, and the text keeps its last one.
        environment = _Environment(
            undefined=_Undefined,
            finalize=_text,
            autoescape=False,
            keep_trailing_newline=True,
            newline_sequence="\r\n" if "\r\n" in source else "\n",
        )
        environment.filters |= {"string": _text, "join": _join, "tojson": _to_json, "quote": _quote, "b64": _b64}
        # This filter would print an object's repr instead of its text.
        del environment.filters["pprint"]
        try:
            tree = environment.parse(source)
            _check(tree, environment)
            _join_as_printed(tree, environment)
            self._template = environment.from_string(tree)
        except TemplateSyntaxError as error:
            raise TemplateError(f"{name}, line {error.lineno}: {error.message}") from None
        except (RecursionError, SyntaxError, ValueError):
            raise TemplateError(f"{name}: something in it is nested too deep or too long: write it in smaller parts") from None
        # No error shows a name that is not in the template's text: what an expression computes may be a secret.
        self._written = frozenset(_strings_of(tree))

    def render(self, coffer: Coffer) -> bytes:
        """Return the template with the secrets in it, in UTF-8.

        Raises:
            NoSuchKeyError: the template uses a key that does not exist. The text names the template, the line, the key and the keys that
                exist.
            TemplateError: the template cannot be rendered. The text names the template and the line, and no value.
        """
        try:
            return self._template.render(_names(coffer)).encode()
        except Exception as error:  # noqa: BLE001 (a template's expressions can raise whatever Python can)
            problem = self._explain(error, coffer)
        # Raised here, it does not have the other error as its context, whose traceback has values in its frames.
        raise problem

    def _explain(self, error: Exception, coffer: Coffer) -> CofferError:
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == _JINJAS_FILE]
        where = f"{self._name}, line {lines[-1]}" if lines else self._name
        match error:
            case _MissingKeyError():
                return self._missing(where, str(error), coffer)
            case _MissingAttributeError():
                return TemplateError(f"{where}: {self._no_attribute(str(error), coffer)}")
            case _RefusedValueError():
                return TemplateError(f"{where}: {error}")
            case SecurityError():
                return TemplateError(f"{where}: Jinja's sandbox does not allow this")
            case UndefinedError():
                return TemplateError(
                    f"{where}: something used here has no value, such as an argument that was not given or the first of no elements"
                )
        return TemplateError(f"{where}: this fails with {type(error).__name__}; Python's message may hold a value, so it is not shown")

    def _missing(self, where: str, key: str, coffer: Coffer) -> CofferError:
        if key not in self._written and not self._written.issuperset(key.split(".")):
            release = f"release {coffer.release.serial} of {coffer.release.coffer!r}"
            return NoSuchKeyError(f"{where}: {release} has no key with the name that is computed here")
        try:
            coffer[key]
        except NoSuchKeyError as error:
            return NoSuchKeyError(f"{where}: {error}")
        return TemplateError(f"{where}: {key!r} is a variable of the template here, and is not set yet")

    def _no_attribute(self, name: str, coffer: Coffer) -> str:
        if name not in self._written:
            return "a value has no attribute or element with the name that is computed here"
        hidden = [key for key in coffer if key.endswith(f".{name}")]
        advice = f'; if a key is meant that begins with another key, write {_ALL}["{hidden[0]}"]' if hidden else ""
        return f"a value has no {name!r}{advice}"


def _check(tree: nodes.Template, environment: _Environment) -> None:
    """Find the faults that Jinja itself would find only when it runs the expression, which may happen with a later release.

    Raises:
        TemplateAssertionError: a filter or test does not exist, or the template uses another file.
    """
    for node in tree.find_all(_OTHER_FILES):
        raise TemplateAssertionError("include, import and extends are not possible: a template is one file", node.lineno)
    for call in tree.find_all((nodes.Filter, nodes.Test)):
        known = environment.filters if isinstance(call, nodes.Filter) else environment.tests
        if call.name not in known:
            raise TemplateAssertionError(f"there is no {type(call).__name__.lower()} {call.name!r}", call.lineno)


# ------------------------------------------------------------------------------------------------------------------- names


class _Secrets(dict[str, SecretValue]):
    """All secrets by key."""


class _Group:
    """The keys that begin with one name and a dot. It has no attributes of its own that would hide one of them."""

    __slots__ = ("_name", "_secrets")

    def __init__(self, secrets: _Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    def __getitem__(self, part: str) -> object:
        return _find(self._secrets, f"{self._name}.{part}")

    # Without this, Python would ask for the elements 0, 1, 2.
    __iter__ = None


def _find(secrets: _Secrets, name: str) -> object:
    """Return the value under a key, or the group of the keys that begin with it and a dot.

    Raises:
        KeyError: neither exists.
    """
    if name in secrets:
        return secrets[name]
    if any(key.startswith(f"{name}.") for key in secrets):
        return _Group(secrets, name)
    raise KeyError(name)


def _names(coffer: Coffer) -> dict[str, object]:
    secrets = _Secrets(coffer)
    return {first: _find(secrets, first) for first in (key.partition(".")[0] for key in secrets)} | {_ALL: secrets}


class _MissingKeyError(UndefinedError):
    """The template used a key that does not exist. The message is the key."""


class _MissingAttributeError(UndefinedError):
    """The template used an attribute that a value does not have. The message is its name."""


class _Undefined(StrictUndefined):
    """Something that does not exist. If it would be a key, it has its whole dotted name."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        # If Jinja gives a hint, it has a reason of its own.
        if hint is None:
            hint = f"{obj._name}.{name}" if isinstance(obj, _Group) else str(name)
            exc = _MissingKeyError if obj is missing or isinstance(obj, _Group | _Secrets) else _MissingAttributeError
        super().__init__(hint, exc=exc)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which `db.url` is one name even if there is no `db` at all, so that `default` can replace it."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`."""
        if isinstance(obj, _Undefined) and obj._undefined_exception is _MissingKeyError:
            return _Undefined(name=f"{obj._undefined_hint}.{attribute}")
        return super().getattr(obj, attribute)

    @property
    def lexer(self) -> Lexer:
        """The lexer that splits a template."""
        return _Lexer(self)


class _Lexer(Lexer):
    """Jinja's lexer, except that a line with only tags and comments gives no line in the result, and every other line stays as it is.

    Jinja's own `trim_blocks` also removes the newline of any line that ends in a tag, and its `lstrip_blocks` the white space of any line
    that begins with one.
    """

    def tokeniter(self, source: str, name: str | None, filename: str | None = None, state: str | None = None) -> Iterator[_Piece]:
        """Yield Jinja's pieces without the white space and the ends of lines that give no line. It raises what Jinja raises."""
        line: list[_Piece] = []
        for token in super().tokeniter(source, name, filename, state):
            for piece in _by_lines(token):
                line.append(piece)
                if piece[1] == TOKEN_DATA and piece[2].endswith("\n"):
                    yield from _without_blanks(line)
                    line = []
        yield from _without_blanks(line)


def _by_lines(piece: _Piece) -> Iterable[_Piece]:
    """Split a text into its lines; return any other piece as it is."""
    number, kind, content = piece
    if kind != TOKEN_DATA:
        return (piece,)
    # Not with `splitlines`, which knows more ends of lines than Jinja.
    return [(number + index, kind, line) for index, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", content))]


def _without_blanks(line: list[_Piece]) -> Iterable[_Piece]:
    """Return a line; if it has only tags and comments, without its white space and its end."""
    # What a `-` removes is gone by now: two lines have become one.
    tags = [content for _, kind, content in line if kind in _TAG_MARKS]
    is_kept = any(kind == TOKEN_VARIABLE_BEGIN or (kind == TOKEN_DATA and content.strip()) for _, kind, content in line)
    if is_kept or not tags or any("+" in content for content in tags):
        return line
    return [piece for piece in line if piece[1] != TOKEN_DATA]


def _strings_of(tree: nodes.Template) -> Iterable[str]:
    """Yield every name and every text in a template's expressions."""
    yield from (node.name for node in tree.find_all(nodes.Name))
    yield from (node.attr for node in tree.find_all(nodes.Getattr))
    yield from (node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str))


# ------------------------------------------------------------------------------------------------------------------ values


class _RefusedValueError(Exception):
    """A value cannot be used in this way. The message does not contain it."""


def _text(value: object) -> str:
    """Return what a template prints for a value."""
    match value:
        case Undefined():
            # This raises the error.
            return str(value)
        case str() | int() | float() | bytes() | date() | time():
            return text_of(value)
        case _Group():
            keys = ", ".join(repr(key) for key in value._secrets if key.startswith(f"{value._name}."))
            raise _RefusedValueError(f"{value._name!r} is not a key; the keys that begin with it are {keys}")
    raise _RefusedValueError(f"a value of type {type(value).__name__} has no text: use `| join` or `| tojson` for several values")


def _join_as_printed(tree: nodes.Template, environment: _Environment) -> None:
    """Make `~` join what would be printed. Without this it joins what Python's str gives: True for true, and b'…' for bytes."""
    for node in tree.find_all(nodes.Concat):
        node.nodes = [nodes.Filter(each, "string", [], [], None, None, lineno=each.lineno) for each in node.nodes]
    tree.set_environment(environment)


def _join(values: Iterable[object], separator: str = "") -> str:
    return separator.join(map(_text, values))


def _to_json(value: object, indent: int | None = None) -> str:
    """Return JSON as `get --format json` writes it. Jinja's own filter is for HTML, and escapes `<`."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    match value:
        case str() | int() | float() | bytes() | date() | time():
            return json_value(value)
        case Mapping():
            return {_text(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case None:
            return None
    return _text(value)


def _quote(value: object) -> str:
    """Return a value as one word of a shell."""
    text = _text(value)
    if "\0" in text:
        raise _RefusedValueError("a text with a NUL cannot be a word of a shell")
    return shlex.quote(text)


def _b64(value: object) -> str:
    """Return the base64 of bytes, or of the UTF-8 of what would be printed."""
    return base64(value if isinstance(value, bytes) else _text(value).encode()).decode()
