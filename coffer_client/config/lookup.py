"""Looks settings up in the nearest place that gives a value. A variable comes before the files, and a nearer file before one further away.

Every client does this before it starts, and most find no file. So `file.py`, which reads one, is loaded only if there is one.
"""

from __future__ import annotations

import os

from coffer_protocol.lean import TYPE_CHECKING

from ..errors import ConfigurationError
from .names import CONFIG, key_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

FLAG: Final = "flag"
VARIABLE: Final = "variable"
CREDENTIAL: Final = "credential"
FILE: Final = "file"
DEFAULT: Final = "default"


class Found:
    """The value of a setting, and the place that it comes from.

    Attributes:
        text: the value, as a variable holds it: a switch is 1 or 0, and a path from a file is absolute.
        origin: `FLAG`, `VARIABLE`, `CREDENTIAL`, `FILE` or `DEFAULT`.
        place: the option, the variable, or the path of the file; empty for a default.
        label: the name of the place in errors.
    """

    __slots__ = ("label", "origin", "place", "text")

    def __init__(self, text: str, origin: str, place: str, label: str) -> None:
        self.text: Final = text
        self.origin: Final = origin
        self.place: Final = place
        self.label: Final = label


class Configuration:
    """The variables and the files of one process.

    Attributes:
        environment: the process's variables.
        paths: the files to look for, the nearest first. A relative path belongs to the folder where the process was started.
    """

    __slots__ = ("_files", "_is_named", "environment", "paths")

    def __init__(self, environment: Mapping[str, str], paths: tuple[str, ...], *, is_named: bool) -> None:
        """Make a configuration. Nothing is looked for yet.

        Args:
            environment, paths: as the attributes.
            is_named: whether the user named the files, so that they must exist.
        """
        self.environment: Final = environment
        self.paths: Final = paths
        self._is_named = is_named
        self._files: list[tuple[str, Mapping[str, str]]] | None = None

    def find(self, name: str) -> Found | None:
        """Return the value of a setting from the nearest place that has one, or None. An empty variable counts as unset.

        Args:
            name: a name in `KINDS`.

        Raises:
            ConfigurationError: a file cannot be used; see `file.read`.
        """
        return self.find_variable(name) or self.find_in_files(name)

    def find_variable(self, name: str) -> Found | None:
        """Return the value of a setting from its variable, or None."""
        variable = variable_of(name)
        text = self.environment.get(variable)
        return Found(text, VARIABLE, variable, variable) if text else None

    def find_in_files(self, name: str) -> Found | None:
        """Return the value of a setting from the nearest file that has one, or None. Raises as `find`."""
        key = key_of(name)
        for path, values in self.files():
            if key in values:
                return Found(values[key], FILE, path, f"{path}: {key}")
        return None

    def files(self) -> list[tuple[str, Mapping[str, str]]]:
        """Return the files that exist: their absolute paths, and their values by key. Raises as `find`."""
        if self._files is None:
            self._files = list(self._read())
        return self._files

    def looked_at(self) -> dict[str, bool]:
        """Return each file that was looked for, and whether it exists. Raises as `find`."""
        found = {path for path, _ in self.files()}
        return {path: os.path.exists(path) and os.path.abspath(path) in found for path in self.paths}

    def _read(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        for path in self.paths:
            if os.path.exists(path):
                from . import file

                path = os.path.abspath(path)
                yield path, file.read(path, is_named=self._is_named)
            elif self._is_named:
                raise ConfigurationError(f"there is no configuration at {path}: check --config and {CONFIG}")
