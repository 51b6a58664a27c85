"""Which secrets are wanted, and what they are called where they go: --only, --except, --prefix and --upper, and the same from Python.

What is wanted is said of keys as the definition has them. Then a name is made of each: the prefix, the key, and both in upper case where
that is asked for. Where a name must be a variable's, dots and dashes in it become underscores (`environment`).
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING, Record

from ..errors import EnvironmentNameError, NamingError, NoSuchKeyError
from .text import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Final, TypeVar

    from coffer_protocol.shard import SecretValue

    from .text import Secrets

    Value = TypeVar("Value")


_TO_UNDERSCORE: Final = str.maketrans(".-", "__")


def select(secrets: Mapping[str, SecretValue], *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> dict[str, SecretValue]:
    """The secrets whose keys are like one of `only`, and like none of `without`; in their order.

    Args:
        secrets: by key.
        only, without: patterns as shells have them: `*` is any text, dots too, `?` one character, `[ab]` one of these, `[!ab]` none of
            them; upper and lower case differ. Without any in `only` all secrets are wanted.

    Raises:
        NoSuchKeyError: no key is like one of `only`: it is misspelt, or the secret is missing. The text has the patterns and the keys.
    """
    if not only and not without:
        return dict(secrets)
    from fnmatch import fnmatchcase

    if idle := [pattern for pattern in only if not any(fnmatchcase(key, pattern) for key in secrets)]:
        unlike, there = (", ".join(map(repr, texts)) or "none" for texts in (idle, secrets))
        # Of all that a client has, or of the KEYs that were typed beside the patterns.
        raise NoSuchKeyError(f"no key is like {unlike} among {there}")
    return {
        key: value
        for key, value in secrets.items()
        if (not only or any(fnmatchcase(key, pattern) for pattern in only)) and not any(fnmatchcase(key, pattern) for pattern in without)
    }


def _none(name: str, value: object) -> str | None:
    return None


class Naming(Record):
    """A choice of secrets, and of their names.

    Attributes:
        only, without: patterns, as `select` takes them.
        prefix: what each name begins with, before the key.
        upper: whether the whole name, its prefix too, is in upper case.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    prefix: str = ""
    upper: bool = False

    def select(self, secrets: Mapping[str, SecretValue]) -> dict[str, SecretValue]:
        """The secrets that are wanted, by key and in their order.

        Raises:
            NoSuchKeyError: as the function `select`.
        """
        return select(secrets, only=self.only, without=self.without)

    def rename(
        self,
        values: Mapping[str, Value],
        *,
        place: str,
        spell: Callable[[str], str] = str,
        flaw: Callable[[str, Value], str | None] = _none,
        error: type[NamingError] = NamingError,
    ) -> dict[str, Value]:
        """The values under their names, in their order.

        Args:
            values: by key.
            place: where they go, for people: "an environment".
            spell: gives a name the form that it has there.
            flaw: says why a name or its value cannot stand there ("has a NUL"), or None.
            error: what is raised.

        Raises:
            NamingError: as `error`: several keys give one name, or one has a flaw. The text has all of these keys, and no value.
        """
        keys_by_name = self._keys_by_name(values, spell)
        if flaws := _flaws(keys_by_name, values, flaw):
            listed = "; ".join(text for _, text in flaws)
            raise error(f"not every secret can stand in {place}: {listed}. Rename them in the definition, or leave them out with --except")
        return {name: values[keys[0]] for name, keys in keys_by_name.items()}

    def _keys_by_name(self, keys: Iterable[str], spell: Callable[[str], str]) -> dict[str, list[str]]:
        keys_by_name: dict[str, list[str]] = {}
        for key in keys:
            name = self.prefix + key
            keys_by_name.setdefault(spell(name.upper() if self.upper else name), []).append(key)
        return keys_by_name


def _flaws(
    keys_by_name: Mapping[str, list[str]], values: Mapping[str, Value], flaw: Callable[[str, Value], str | None]
) -> list[tuple[tuple[str, ...], str]]:
    """Why keys cannot have these names: for each reason the keys, and a text without any value."""
    flaws: list[tuple[tuple[str, ...], str]] = []
    for name, keys in keys_by_name.items():
        if len(keys) > 1:
            flaws.append((tuple(keys), f"{' and '.join(map(repr, keys))} would all be {name}"))
        flaws += [((key,), f"{key!r} {reason}") for key in keys if (reason := flaw(name, values[key]))]
    return flaws


# Every secret, under its own key.
PLAIN: Final = Naming()


def variable_flaw(name: str, text: str) -> str | None:
    """Why `name` or `text` cannot stand in an environment; None where they can."""
    if not (name.isascii() and name.isidentifier()):
        return f"gives {name!r}, which is no name for a variable"
    # It would end the variable.
    return "has a NUL in its value" if "\0" in text else None


def environment(
    secrets: Secrets,
    naming: Naming = PLAIN,
    *,
    place: str = "an environment",
    flaw: Callable[[str, str], str | None] = variable_flaw,
) -> dict[str, str]:
    """The variables that hold the secrets, in their order. Dots and dashes in names become underscores.

    Args:
        secrets: by key.
        naming: which of them, under which names.
        place: where they go, for errors.
        flaw: says why a variable or its text cannot stand there.

    Raises:
        EnvironmentNameError: a key gives no name, several give one, or a value cannot stand there. The text names them all.
        NoSuchKeyError: a pattern of `naming` is like no key.
    """
    texts = {key: text_of(value) for key, value in naming.select(secrets).items()}
    return naming.rename(texts, place=place, spell=_underscored, flaw=flaw, error=EnvironmentNameError)


def environment_flaws(secrets: Secrets) -> list[tuple[tuple[str, ...], str]]:
    """Why `environment` would refuse all of these secrets under their own keys: for each reason the keys, and a text without any value.

    Args:
        secrets: by key.
    """
    texts = {key: text_of(value) for key, value in secrets.items()}
    return _flaws(PLAIN._keys_by_name(texts, _underscored), texts, variable_flaw)


def _underscored(name: str) -> str:
    return name.translate(_TO_UNDERSCORE)
