"""Reads and parses the files of a definition, and knows the line and column of each key."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli

from coffer_common import documents, files
from coffer_common.errors import TextFileError

from ..errors import DefinitionError, Problem
from .model import Origin, dotted
from .positions import KeyPath, Positions

# What the largest upload can hold in the clear. A larger file was named by mistake.
DEFINITION_BYTES: Final = 1 << 30

# The nearest name is searched among all clients, so a definition in which every section is wrong must not pay for each section.
_SUGGESTIONS: Final = 20


class UnreadableError(Exception):
    """A file cannot be used. The text says why and what to do, without the file's name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """One TOML file.

    Attributes:
        path: the path as the operator, or the file that includes it, named it.
        data: what tomli has read.
        positions: the lines and columns of its keys.
    """

    path: Path
    data: dict[str, Any]
    positions: Positions


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The place of a key in a file."""

    source: Source
    path: KeyPath

    def within(self, *parts: str | int) -> Place:
        """Return a place further inside this one."""
        return Place(self.source, self.path + parts)

    def origin(self, how: str) -> Origin:
        """Return this place as the origin of a value."""
        line, column = self.source.positions.of(self.path)
        return Origin(path=str(self.source.path), line=line, column=column, how=how)

    def problem(self, text: str) -> Problem:
        """Return a problem with something at this place."""
        line, column = self.source.positions.of(self.path)
        return Problem(path=str(self.source.path), line=line, column=column, key=dotted(self.path), text=text)

    def line_text(self) -> str:
        """Return the text of the line on which this place is."""
        return self.source.positions.line_text(self.path)

    def __str__(self) -> str:
        line, column = self.source.positions.of(self.path)
        return f"{self.source.path}:{line}:{column}"


class Report:
    """Collects the problems and warnings of one run, so that the operator sees all of them at once."""

    def __init__(self) -> None:
        # A shared value may be wrong for many clients in the same words: dictionaries keep the order and drop repetitions.
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[str, None] = {}
        self._suggestions_left = _SUGGESTIONS

    def refuse(self, place: Place, text: str) -> None:
        """Add what is wrong at a place, and what to do about it."""
        self.add(place.problem(text))

    def add(self, problem: Problem) -> None:
        """Add a problem whose place is not a key."""
        self._problems[problem] = None

    def warn(self, place: Place, text: str) -> None:
        """Add a warning about something at a place."""
        self._warnings[str(place.problem(text))] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings so far."""
        return tuple(self._warnings)

    def nearest(self, name: str, names: Iterable[str]) -> str:
        """Return ` (did you mean 'other'?)` if one of `names` is similar to `name`, otherwise the empty text."""
        if not self._suggestions_left:
            return ""
        self._suggestions_left -= 1
        match = difflib.get_close_matches(name, names, n=1)
        return f" (did you mean {match[0]!r}?)" if match else ""

    def stop_if_refused(self) -> None:
        """Raise DefinitionError with every problem so far, if there is one: file by file as they were read, each by line."""
        if not self._problems:
            return
        files = {path: index for index, path in enumerate(dict.fromkeys(problem.path for problem in self._problems))}
        raise DefinitionError(sorted(self._problems, key=lambda problem: (files[problem.path], problem.line or 0, problem.column or 0)))


class Folder:
    """The folder of a definition. Files outside it are refused, unless the operator allows them.

    More people may write a definition than upload it. It must not be able to give the uploader's own files to a client.
    """

    def __init__(self, path: Path, *, allow_outside: bool) -> None:
        self._root = os.path.realpath(path)
        self._allow_outside = allow_outside

    def find(self, name: str, *, named_in: Path) -> Path:
        """Return the path of the file `name`, relative to the folder of the file that names it, with links followed.

        Raises:
            UnreadableError: the file does not exist, is not a regular file, or is outside the folder.
        """
        try:
            found = Path(os.path.realpath(named_in.parent / name, strict=True))
            mode = found.stat().st_mode
        except (OSError, ValueError) as error:
            raise UnreadableError(f"{name!r} cannot be read ({_reason(error)}): {_CHECK_NAME}") from None
        if not self._allow_outside and not found.is_relative_to(self._root):
            raise UnreadableError(
                f"{name!r} is outside the definition's folder: move it inside, or trust the definition with --allow-outside"
            )
        if not stat.S_ISREG(mode):
            raise UnreadableError(f"{name!r} is not a file: {_CHECK_NAME}")
        return found


_CHECK_NAME: Final = "check its permissions and its name, which is relative to the file that names it"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "not a file name"


def read_bytes(path: Path, *, limit_bytes: int) -> bytes:
    """Return the content of a small file.

    Raises:
        UnreadableError: the file cannot be read, or is larger than the limit.
    """
    try:
        with path.open("rb") as file:
            # One byte more shows whether there is more, without reading all of it.
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise UnreadableError(f"the file cannot be read ({_reason(error)}): check its permissions") from None
    if len(data) > limit_bytes:
        raise UnreadableError(f"the file has more than {limit_bytes} bytes: name a smaller one")
    return data


def read_sources(path: Path, folder: Folder, report: Report) -> tuple[Source, ...]:
    """Read the definition at `path` and all files that it includes: each file once, an included one after the file that names it.

    Raises:
        DefinitionError: the first file cannot be read or is not TOML. If another file cannot be read, `report` gets that.
    """
    root = _read(path)
    return (root, *_included(root, folder, report, chain=(os.path.realpath(path),), seen={os.path.realpath(path)}))


def _included(source: Source, folder: Folder, report: Report, *, chain: tuple[str, ...], seen: set[str]) -> Iterator[Source]:
    here = Place(source, ("include",))
    names = source.data.get("include", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        report.refuse(here, 'include is a list of file names: write include = ["common.toml"]')
        return
    for index, name in enumerate(names):
        place = here.within(index)
        try:
            found = str(folder.find(name, named_in=source.path))
        except UnreadableError as error:
            report.refuse(place, str(error))
            continue
        if found in chain:
            circle = " -> ".join(Path(member).name for member in (*chain[chain.index(found) :], found))
            report.refuse(place, f"the files include each other in a circle ({circle}): take one of the includes out")
        elif found not in seen:
            seen.add(found)
            try:
                included = _read(source.path.parent / name)
            except DefinitionError as error:
                for problem in error.problems:
                    report.add(problem)
                continue
            yield included
            yield from _included(included, folder, report, chain=(*chain, found), seen=seen)


def _read(path: Path) -> Source:
    """Read and parse one file.

    Raises:
        DefinitionError: the file cannot be read or is not TOML.
    """

    try:
        text = files.read_text(path, limit_bytes=DEFINITION_BYTES)
        return Source(path=path, data=documents.parse_toml(text, str(path), loads=tomli.loads), positions=Positions(text))
    except TextFileError as error:
        raise DefinitionError(
            [Problem(path=str(path), line=error.line, column=error.column, text=f"{error.reason}: {error.remedy}")]
        ) from None
