"""Which secrets are wanted, and under which names they are delivered: --only, --except, --prefix and --upper, and the same from Python.

The patterns are about keys as the definition has them. Then each key gives a name: the prefix followed by the key, both in upper case if
that is asked for. If a name must be that of a variable, dots and dashes in it become underscores (`environment`).
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
    """Return the secrets whose keys match a pattern of `only` and no pattern of `without`, in their order.

    Args:
        secrets: the secrets by key.
        only, without: patterns as in a shell: `*` is any text (also with dots), `?` one character, `[ab]` one of these, `[!ab]` any other
            than these. Upper and lower case differ. If `only` is empty, all secrets are wanted.

    Raises:
        NoSuchKeyError: a pattern of `only` matches no key: it is misspelt, or the secret is missing. The text has patterns and keys.
    """
    if not only and not without:
        return dict(secrets)
    from fnmatch import fnmatchcase

    if idle := [pattern for pattern in only if not any(fnmatchcase(key, pattern) for key in secrets)]:
        # The keys are all that a client has, or the KEYs that were typed in addition to the patterns.
        keys = f"the keys are {', '.join(map(repr, secrets))}" if secrets else "there are no keys"
        raise NoSuchKeyError(f"no key matches {' or '.join(map(repr, idle))}; {keys}")
    return {
        key: value
        for key, value in secrets.items()
        if (not only or any(fnmatchcase(key, pattern) for pattern in only)) and not any(fnmatchcase(key, pattern) for pattern in without)
    }


def _no_flaw(name: str, value: object) -> str | None:
    return None


class Naming(Record):
    """A choice of secrets and of their names.

    Attributes:
        only, without: patterns, as `select` takes them.
        prefix: the text in front of each key.
        upper: whether the whole name, including the prefix, is in upper case.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    prefix: str = ""
    upper: bool = False

    def select(self, secrets: Mapping[str, SecretValue]) -> dict[str, SecretValue]:
        """Return the secrets that are wanted, by key and in their order.

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
        flaw: Callable[[str, Value], str | None] = _no_flaw,
        error: type[NamingError] = NamingError,
    ) -> dict[str, Value]:
        """Return the values under their names, in their order.

        Args:
            values: the values by key.
            place: where they are delivered, for people: "an environment".
            spell: gives a name the form that it has there.
            flaw: returns why a name or its value cannot be put there ("has a NUL"), or None.
            error: the error to raise.

        Raises:
            NamingError: as `error`: several keys give the same name, or a key has a flaw. The text names all of these keys, and no value.
        """
        keys_by_name = self._keys_by_name(values, spell)
        if flaws := _flaws(keys_by_name, values, flaw):
            listed = "; ".join(text for _, text in flaws)
            raise error(
                f"not every secret can be put into {place}: {listed}", hint="rename them in the definition, or leave them out with --except"
            )
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
    """Return why keys cannot have these names: for each reason, the keys and a text without any value."""
    flaws: list[tuple[tuple[str, ...], str]] = []
    for name, keys in keys_by_name.items():
        if len(keys) > 1:
            flaws.append((tuple(keys), f"{' and '.join(map(repr, keys))} would all be {name}"))
        flaws += [((key,), f"{key!r} {reason}") for key in keys if (reason := flaw(name, values[key]))]
    return flaws


# All secrets, each under its own key.
PLAIN: Final = Naming()


def variable_flaw(name: str, text: str) -> str | None:
    """Return why `name` or `text` cannot be put into an environment, or None."""
    if not (name.isascii() and name.isidentifier()):
        return f"gives {name!r}, which is not a name for a variable"
    # A NUL would end the variable.
    return "has a NUL in its value" if "\0" in text else None


def environment(
    secrets: Secrets,
    naming: Naming = PLAIN,
    *,
    place: str = "an environment",
    flaw: Callable[[str, str], str | None] = variable_flaw,
) -> dict[str, str]:
    """Return the variables that hold the secrets, in their order. Dots and dashes in names become underscores.

    Args:
        secrets: the secrets by key.
        naming: which secrets, under which names.
        place: where they are delivered, for errors.
        flaw: returns why a variable or its text cannot be put there, or None.

    Raises:
        EnvironmentNameError: a key gives no name, several give the same one, or a value cannot be put there. The text names all of them.
        NoSuchKeyError: a pattern of `naming` matches no key.
    """
    texts = {key: text_of(value) for key, value in naming.select(secrets).items()}
    return naming.rename(texts, place=place, spell=variable_name, flaw=flaw, error=EnvironmentNameError)


def environment_flaws(secrets: Secrets) -> list[tuple[tuple[str, ...], str]]:
    """Return why `environment` would refuse these secrets under their own keys: for each reason, the keys and a text without any value.

    Args:
        secrets: the secrets by key.
    """
    texts = {key: text_of(value) for key, value in secrets.items()}
    return _flaws(PLAIN._keys_by_name(texts, variable_name), texts, variable_flaw)


def variable_name(name: str) -> str:
    """Return the name of the variable for a key: its dots and dashes become underscores."""
    return name.translate(_TO_UNDERSCORE)
