"""What is configured: of each setting, the nearest place that says something. A variable comes before the files, and a file before those
that stand further away.

Every client looks here before it starts, and most find no file: what reads one is `file`, which is loaded where there is one.
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
    """What a place says of a setting.

    Attributes:
        text: the value, as a variable holds it: a switch is 1 or 0, a path in a file is made absolute.
        origin: `FLAG`, `VARIABLE`, `CREDENTIAL`, `FILE` or `DEFAULT`.
        place: the option, the variable, or the path of the file; empty for a default.
        label: what an error calls it.
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
        paths: the files that are looked for, the nearest first. A relative one is of the folder in which the process was started.
    """

    __slots__ = ("_files", "_is_named", "environment", "paths")

    def __init__(self, environment: Mapping[str, str], paths: tuple[str, ...], *, is_named: bool) -> None:
        """Nothing is looked for yet.

        Args:
            environment: as the attribute.
            paths: as the attribute.
            is_named: whether the files were named, so that they must be there.
        """
        self.environment: Final = environment
        self.paths: Final = paths
        self._is_named = is_named
        self._files: list[tuple[str, Mapping[str, str]]] | None = None

    def find(self, name: str) -> Found | None:
        """What the nearest place says of a setting; None where none does. An empty variable says nothing.

        Args:
            name: one of `KINDS`.

        Raises:
            ConfigurationError: a file cannot be used; see `file.read`.
        """
        return self.find_variable(name) or self.find_in_files(name)

    def find_variable(self, name: str) -> Found | None:
        """What its variable says."""
        variable = variable_of(name)
        text = self.environment.get(variable)
        return Found(text, VARIABLE, variable, variable) if text else None

    def find_in_files(self, name: str) -> Found | None:
        """What the nearest file that names it says. Raises as `find`."""
        key = key_of(name)
        for path, values in self.files():
            if key in values:
                return Found(values[key], FILE, path, f"{path}: {key}")
        return None

    def files(self) -> list[tuple[str, Mapping[str, str]]]:
        """The files that are there, by their absolute paths, and what they hold by key. Raises as `find`."""
        if self._files is None:
            self._files = list(self._read())
        return self._files

    def looked_at(self) -> dict[str, bool]:
        """Each file that was looked for, and whether it is there. Raises as `find`."""
        found = {path for path, _ in self.files()}
        return {path: os.path.exists(path) and os.path.abspath(path) in found for path in self.paths}

    def _read(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        for path in self.paths:
            if os.path.exists(path):
                from . import file

                path = os.path.abspath(path)
                yield path, file.read(path, is_named=self._is_named)
            elif self._is_named:
                raise ConfigurationError(f"there is no configuration at {path}: the path that was given, or stands in {CONFIG}")
