"""Templates: `{ from_template = "postgres://app:{db_password}@db/shop" }` is text with other keys of the same client in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from coffer_protocol.cbor import Tagged
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.shard import SecretValue, encode_value

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class TemplateError(Exception):
    """A template cannot be read or filled in. The text says why and what to do, and never contains a value."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A key between braces in a template."""

    key: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its literal texts and references, in their order."""

    parts: tuple[str | Reference, ...]

    @classmethod
    def from_text(cls, text: str) -> Template:
        """Parse a template: `{key}` means a key's value, `{{` and `}}` mean braces.

        Raises:
            TemplateError: there is a single brace, or there is no key between braces.
        """
        return cls(tuple(_parts(text)))

    def references(self) -> tuple[str, ...]:
        """Return the keys that the template uses, each once."""
        return tuple(dict.fromkeys(part.key for part in self.parts if isinstance(part, Reference)))

    def fill(self, values: Mapping[str, SecretValue]) -> str:
        """Return the text with the values in it. `values` must have every key of `references`.

        Raises:
            TemplateError: a value is binary, or the text would not fit into a shard.
        """
        filled = []
        room = SHARD_BYTES
        for part in self.parts:
            text = toml_text(part.key, values[part.key]) if isinstance(part, Reference) else part
            # Templates of templates can double in size with every step, so the sum is checked before they are joined.
            room -= len(text)
            if room < 0:
                raise TemplateError(f"the text would have more than {SHARD_BYTES} bytes: use shorter values")
            filled.append(text)
        return "".join(filled)


def _parts(text: str) -> Iterator[str | Reference]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        end = match.end()
        match match[0]:
            case "{{" | "}}":
                yield match[0][0]
            case "{" | "}":
                raise TemplateError(f"the template has a single {match[0]!r}: write {match[0] * 2!r} for a brace")
            case "{}":
                raise TemplateError("the template has '{}' without a key: write {KEY} for a value, or '{{}}' for braces")
            case _:
                yield Reference(match[1])
    if end < len(text):
        yield text[end:]


def toml_text(key: str, value: SecretValue) -> str:
    """Return a value as TOML writes it, and a text as it is.

    Raises:
        TemplateError: the value is binary. The text names `key`.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            # Python writes floats as TOML does, infinity and "not a number" too, except for the sign that a NaN may have.
            return "nan" if math.isnan(value) else repr(value)
        case int():
            return str(value)
        case date() | time():
            encoded = encode_value(value)
            assert isinstance(encoded, Tagged)
            return str(encoded.value)
        case _:
            raise TemplateError(f"{key!r} is binary, which no text can hold: deliver it under its own key")
