"""Warns about what is allowed in a definition but is most often a mistake.

That is placeholders, secrets in two places, keys that cannot be variables, and files that other users can read. No warning contains a
value.
"""

from __future__ import annotations

import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from coffer_client.delivery.naming import environment_flaws, variable_name
from coffer_client.delivery.variables import SHELL_NAMES, is_steering

from ..errors import ReadableDefinitionError
from . import Client, Definition, Origin

# Returns the files that git tracks.
Tracked = Callable[[Iterable[Path]], frozenset[Path]]
# Returns the permission bits of a file.
Mode = Callable[[Path], int]

_PLACEHOLDER: Final = re.compile(
    r"\s*(?:change[-_ ]?(?:me|it|this)|replace[-_ ]?(?:me|this)|(?:todo|fixme|tbd)\b.*|x{3,}|\*{3,}|\.{3,}|…"
    r"|example|placeholder|password|passw0rd|secret|dummy|your[-_ ].*|<[^<>]*>)[\s!.]*",
    re.IGNORECASE | re.DOTALL,
)
# Values that many clients have in common although they are not secrets: words, numbers, host names, and addresses without a password.
_COMMON: Final = re.compile(r"[A-Za-z]+|[0-9]+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?|[A-Za-z][A-Za-z0-9+.-]*://[^@?]*|/[\w./-]*")
# Shorter texts may be the same by chance: two people may think of the same one.
_SHORTEST: Final = 8
_NAMES_SHOWN: Final = 5

_READABLE_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def git_tracked(paths: Iterable[Path]) -> frozenset[Path]:
    """Return the files that git tracks. Without git, or outside a repository, there are none."""
    git = shutil.which("git")
    return frozenset() if git is None else frozenset(path for path in paths if _is_tracked(git, path))


def _is_tracked(git: str, path: Path) -> bool:
    # The first option: a repository's settings may name a program that git runs to find changed files, which must not run here.
    # The second option: a name is not a pattern.
    options = ["-c", "core.fsmonitor=false", "--literal-pathspecs", "-C", str(path.parent)]
    command = [git, *options, "ls-files", "--error-unmatch", "--", path.name]
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - no shell, a fixed command
    return finished.returncode == 0


def file_mode(path: Path) -> int:
    """Return the permission bits of a file; 0 if it does not exist any more."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def lint(definition: Definition, *, mode: Mode = file_mode, tracked: Tracked = git_tracked) -> tuple[str, ...]:
    """Return warnings about a definition, a line each, in addition to those of loading it.

    Args:
        definition: the definition, from `definition.load`.
        mode: returns a file's permission bits.
        tracked: returns the files that git tracks.
    """
    return (
        *_placeholders(definition),
        *_repeated(definition),
        *_unfit(definition),
        *_taken(definition),
        *_files(definition.secret_files, mode, tracked),
    )


def refuse_readable(definition: Definition, *, mode: Mode = file_mode) -> None:
    """Refuse a definition whose secrets other users can read, as ssh refuses a key.

    Args:
        definition: the definition, from `definition.load`.
        mode: returns a file's permission bits.

    Raises:
        ReadableDefinitionError: other users can read a file that holds secret values in the clear.
    """
    readable = [path for path in definition.clear_files if mode(path) & _READABLE_BY_OTHERS]
    if readable:
        raise ReadableDefinitionError(
            f"{readable[0]} holds secrets in the clear, and other users can read it (mode {mode(readable[0]):04o}): nothing was changed",
            hint=f"chmod 600 {shlex.join(map(str, readable))}\nIf other users may know these secrets, add --allow-readable",
        )


def warn_of_readable(paths: Iterable[Path], *, mode: Mode = file_mode) -> Iterator[str]:
    """Yield a warning for each file of secrets that other users can read."""
    for path in paths:
        if mode(path) & _READABLE_BY_OTHERS:
            yield f"{path} holds secrets, and other users can read it (mode {mode(path):04o}): chmod 600 it"


def _secret_texts(definition: Definition) -> Iterator[tuple[Client, str, str | bytes, Origin]]:
    """Yield each client's secret texts and files. A group's secret comes once, for the first of its clients."""
    seen: set[int] = set()
    for client in definition.clients.values():
        for secret in client.secrets:
            if secret.key in client.public or not isinstance(secret.value, str | bytes):
                continue
            # Clients of a group share the secret object, so its identity tells; the definition keeps it alive.
            if id(secret) not in seen:
                seen.add(id(secret))
                yield client, secret.key, secret.value, client.origins[secret.key]


def _placeholders(definition: Definition) -> Iterator[str]:
    for client, key, value, origin in _secret_texts(definition):
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
            yield f"{_place(origin)}: {client.name}.{key}: the value looks like a placeholder: write the real one"


def _repeated(definition: Definition) -> Iterator[str]:
    """Warn about a secret that is in two places for two clients: one may be changed without the other, and a thief of one has both."""
    uses: dict[str | bytes, list[tuple[Client, str, Origin]]] = {}
    for client, key, value, origin in _secret_texts(definition):
        if len(value) >= _SHORTEST and not (isinstance(value, str) and (_COMMON.fullmatch(value) or _PLACEHOLDER.fullmatch(value))):
            uses.setdefault(value, []).append((client, key, origin))
    for found in uses.values():
        # A group's template gives many secrets from one place, one for each client. That is not a repetition.
        if len({client.name for client, _, _ in found}) > 1 and len({_place(origin) for _, _, origin in found}) > 1:
            shown = _listed([f"{client.name}.{key}" for client, key, _ in found])
            yield f"{_place(found[0][2])}: {shown} are the same secret: give each its own, or put it into a shared group"


def _unfit(definition: Definition) -> Iterator[str]:
    """Warn about keys that cannot be variables. A group's key is reported once, with the clients that get it."""
    names: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for client in definition.clients.values():
        for keys, text in environment_flaws({secret.key: secret.value for secret in client.secrets}):
            places = tuple(_place(client.origins[key]) for key in keys)
            names.setdefault((places, text), []).append(client.name)
    for (places, text), found in names.items():
        refused = "`coffer-client run` and `--format shell` refuse that: rename it, or leave it out there with --except"
        yield f"{places[0]}: {_listed(found)}: {text}; {refused}"


def _taken(definition: Definition) -> Iterator[str]:
    """Warn about keys whose variables a shell or other programs use. A group's key is told once, with the clients that get it."""
    found: dict[tuple[str, str], list[str]] = {}
    for client in definition.clients.values():
        for secret in client.secrets:
            name = variable_name(secret.key)
            if name in SHELL_NAMES:
                text = f"{secret.key!r} gives {name!r}, which a shell uses for itself; `--format shell` refuses that: rename it"
            elif is_steering(name):
                text = f"{secret.key!r} gives {name!r}, which changes how programs run: rename it, unless that is intended"
            else:
                continue
            found.setdefault((_place(client.origins[secret.key]), text), []).append(client.name)
    for (place, text), clients in found.items():
        yield f"{place}: {_listed(clients)}: {text}"


def _files(paths: tuple[Path, ...], mode: Mode, tracked: Tracked) -> Iterator[str]:
    yield from warn_of_readable(paths, mode=mode)
    in_git = tracked(paths)
    for path in paths:
        if path in in_git:
            yield f"{path} holds secrets in the clear, and git tracks it: git rm --cached it, ignore it, and change the secrets"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _place(origin: Origin) -> str:
    return f"{origin.path}:{origin.line}:{origin.column}"
