"""Templates: a text of the operator's with secrets in it, by Jinja in its sandbox.

A dotted name is a key: `{{ db.url }}` prints the secret under `db.url`. `secrets["db.url"]` is the same, for any key: one with a dash, one
that begins as another key does (where `db` is a key too, `{{ db }}` is its value and `secrets["db.url"]` the other), one that a loop's
variable or the word `secrets` hides. A name that is no key is an error wherever it is used, but for `is defined` and `default`.

What is printed, joined by `~` or `| join`, or turned by `| string` or `| quote`, is written as `formats` has it for a shell.
Nothing is escaped by itself.

An expression may fail with a value in Python's message, so of what is raised only the kind is told, with the template and the line.
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

# The name under which a template has all secrets.
_ALL: Final = "secrets"
# Jinja's own name for a template that it was given as a text.
_JINJAS_FILE: Final = "<template>"
# A piece of a template: the number of its line, its kind, and how it is written.
_Piece = tuple[int, str, str]
# Where tags and comments begin and end; a `-` or `+` stands in these.
_TAG_MARKS: Final = frozenset({TOKEN_BLOCK_BEGIN, TOKEN_BLOCK_END, TOKEN_COMMENT_BEGIN, TOKEN_COMMENT_END, TOKEN_RAW_BEGIN, TOKEN_RAW_END})
_OTHER_FILES: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Template:
    """One template, read and checked; it can be rendered any number of times."""

    def __init__(self, source: str, *, name: str) -> None:
        """Nothing of a secret is needed yet.

        Args:
            source: the template's text.
            name: what errors call it.

        Raises:
            TemplateError: it is no template of Jinja's, names a filter or test that there is not, or wants another file.
        """
        self._name = name
        # Lines keep their ends, as the whole keeps its last one.
        environment = _Environment(
            undefined=_Undefined,
            finalize=_text,
            autoescape=False,
            keep_trailing_newline=True,
            newline_sequence="\r\n" if "\r\n" in source else "\n",
        )
        environment.filters |= {"string": _text, "join": _join, "tojson": _to_json, "quote": _quote, "b64": _b64}
        # It shows what hides itself.
        del environment.filters["pprint"]
        try:
            tree = environment.parse(source)
            _check(tree, environment)
            _join_as_printed(tree, environment)
            self._template = environment.from_string(tree)
        except TemplateSyntaxError as error:
            raise TemplateError(f"{name}, line {error.lineno}: {error.message}") from None
        except (RecursionError, SyntaxError, ValueError):
            raise TemplateError(f"{name}: something in it is nested too deep, or too long") from None
        # No error shows a name that does not stand in the template itself: what an expression computes may be a secret.
        self._written = frozenset(_strings_of(tree))

    def render(self, coffer: Coffer) -> bytes:
        """The template with the secrets in it, in UTF-8.

        Raises:
            NoSuchKeyError: it uses a key that there is not. The text names template, line and key, and those that there are.
            TemplateError: it cannot be rendered. The text names template and line, and no value.
        """
        try:
            return self._template.render(_names(coffer)).encode()
        except Exception as error:  # noqa: BLE001 (a template's expressions can raise whatever Python can)
            problem = self._explain(error, coffer)
        # Here it does not carry the other error with it, whose traceback has values in its frames.
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
                    f"{where}: what is used here has no value, as an argument that was not given, or the first of no elements"
                )
        return TemplateError(f"{where}: this fails with {type(error).__name__}; what Python says of it may hold a value, and is not shown")

    def _missing(self, where: str, key: str, coffer: Coffer) -> CofferError:
        if key not in self._written and not self._written.issuperset(key.split(".")):
            release = f"release {coffer.release.serial} of {coffer.release.coffer!r}"
            return NoSuchKeyError(f"{where}: {release} has no key of the name that is computed here")
        try:
            coffer[key]
        except NoSuchKeyError as error:
            return NoSuchKeyError(f"{where}: {error}")
        return TemplateError(f"{where}: {key!r} is a variable of the template's own here, and not set yet")

    def _no_attribute(self, name: str, coffer: Coffer) -> str:
        if name not in self._written:
            return "a value has no attribute or element of the name that is computed here"
        hidden = [key for key in coffer if key.endswith(f".{name}")]
        advice = f'. A key that begins as another key does is written whole: {_ALL}["{hidden[0]}"]' if hidden else ""
        return f"a value has no {name!r}{advice}"


def _check(tree: nodes.Template, environment: _Environment) -> None:
    """Find what Jinja itself would find where it is run, which may be in a later release.

    Raises:
        TemplateAssertionError: a filter or test does not exist, or another file is wanted.
    """
    for node in tree.find_all(_OTHER_FILES):
        raise TemplateAssertionError("a template is one file, without include, import and extends", node.lineno)
    for call in tree.find_all((nodes.Filter, nodes.Test)):
        known = environment.filters if isinstance(call, nodes.Filter) else environment.tests
        if call.name not in known:
            raise TemplateAssertionError(f"there is no {type(call).__name__.lower()} {call.name!r}", call.lineno)


# ------------------------------------------------------------------------------------------------------------------- names


class _Secrets(dict[str, SecretValue]):
    """All secrets, by their keys."""


class _Group:
    """The keys that begin with one name and a dot. It has no attribute of its own that would hide one of them."""

    __slots__ = ("_name", "_secrets")

    def __init__(self, secrets: _Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    def __getitem__(self, part: str) -> object:
        return _find(self._secrets, f"{self._name}.{part}")

    # Else Python would ask for the elements 0, 1, 2.
    __iter__ = None


def _find(secrets: _Secrets, name: str) -> object:
    """The value under a key, or the group of the keys that go on from it.

    Raises:
        KeyError: there is neither.
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
    """A key that there is not was used. The message is the key."""


class _MissingAttributeError(UndefinedError):
    """A value was asked for what it does not have. The message is that name."""


class _Undefined(StrictUndefined):
    """What is not there: with its whole dotted name, where it would be a key."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        # Where Jinja has a hint, it has its own reason.
        if hint is None:
            hint = f"{obj._name}.{name}" if isinstance(obj, _Group) else str(name)
            exc = _MissingKeyError if obj is missing or isinstance(obj, _Group | _Secrets) else _MissingAttributeError
        super().__init__(hint, exc=exc)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which `db.url` is one name also where there is no `db` at all, so that `default` can stand in for it."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What `.attribute` is of `obj`."""
        if isinstance(obj, _Undefined) and obj._undefined_exception is _MissingKeyError:
            return _Undefined(name=f"{obj._undefined_hint}.{attribute}")
        return super().getattr(obj, attribute)

    @property
    def lexer(self) -> Lexer:
        """What takes a template to pieces."""
        return _Lexer(self)


class _Lexer(Lexer):
    """Jinja's, but that a line of nothing but tags and comments is no line of the result, and that any other stays as it is.

    Jinja's own `trim_blocks` takes the newline of a text that ends in a tag, and its `lstrip_blocks` the blanks of one that begins with it.
    """

    def tokeniter(self, source: str, name: str | None, filename: str | None = None, state: str | None = None) -> Iterator[_Piece]:
        """Jinja's pieces, without the blanks and the ends of the lines that go. What it raises is what Jinja raises."""
        line: list[_Piece] = []
        for token in super().tokeniter(source, name, filename, state):
            for piece in _by_lines(token):
                line.append(piece)
                if piece[1] == TOKEN_DATA and piece[2].endswith("\n"):
                    yield from _without_blanks(line)
                    line = []
        yield from _without_blanks(line)


def _by_lines(piece: _Piece) -> Iterable[_Piece]:
    """A text, by its lines; anything else, whole."""
    number, kind, content = piece
    if kind != TOKEN_DATA:
        return (piece,)
    # Not by `splitlines`, to which more is the end of a line than to Jinja.
    return [(number + index, kind, line) for index, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", content))]


def _without_blanks(line: list[_Piece]) -> Iterable[_Piece]:
    """A line, as it is; without its blanks and its end, where it has nothing but tags and comments."""
    # What a `-` takes away is gone by now: it has made one line of two.
    tags = [content for _, kind, content in line if kind in _TAG_MARKS]
    is_kept = any(kind == TOKEN_VARIABLE_BEGIN or (kind == TOKEN_DATA and content.strip()) for _, kind, content in line)
    if is_kept or not tags or any("+" in content for content in tags):
        return line
    return [piece for piece in line if piece[1] != TOKEN_DATA]


def _strings_of(tree: nodes.Template) -> Iterable[str]:
    """Every name and every text in a template's expressions."""
    yield from (node.name for node in tree.find_all(nodes.Name))
    yield from (node.attr for node in tree.find_all(nodes.Getattr))
    yield from (node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str))


# ------------------------------------------------------------------------------------------------------------------ values


class _RefusedValueError(Exception):
    """A value is not one that can be used so. The message holds none."""


def _text(value: object) -> str:
    """What is printed."""
    match value:
        case Undefined():
            # It raises what it has to say.
            return str(value)
        case str() | int() | float() | bytes() | date() | time():
            return text_of(value)
        case _Group():
            keys = ", ".join(repr(key) for key in value._secrets if key.startswith(f"{value._name}."))
            raise _RefusedValueError(f"{value._name!r} is no key; there are {keys}")
    raise _RefusedValueError(f"this is of type {type(value).__name__} and has no text; `| join` and `| tojson` make one of several values")


def _join_as_printed(tree: nodes.Template, environment: _Environment) -> None:
    """Have `~` join what would be printed; by itself it joins what Python's str makes, where true is True and bytes are b'…'."""
    for node in tree.find_all(nodes.Concat):
        node.nodes = [nodes.Filter(each, "string", [], [], None, None, lineno=each.lineno) for each in node.nodes]
    tree.set_environment(environment)


def _join(values: Iterable[object], separator: str = "") -> str:
    return separator.join(map(_text, values))


def _to_json(value: object, indent: int | None = None) -> str:
    """JSON as `get --format json` has it. Jinja's own is for HTML, and writes `<` as an escape."""
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
    """One word of a shell's."""
    text = _text(value)
    if "\0" in text:
        raise _RefusedValueError("a text with a NUL cannot stand in a shell's word")
    return shlex.quote(text)


def _b64(value: object) -> str:
    """Base64 of bytes, or of the UTF-8 of what would be printed."""
    return base64(value if isinstance(value, bytes) else _text(value).encode()).decode()
