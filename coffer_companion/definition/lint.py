"""What is allowed in a definition and yet most often a mistake: placeholders, secrets in two places, keys that give no variable's name,
files that others can read.

Only warnings come from here, and none of them ever has a value in it.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from coffer_client.delivery.naming import environment_flaws

from . import Client, Definition, Origin

# Which of these files git tracks.
Tracked = Callable[[Iterable[Path]], frozenset[Path]]
# The permission bits of a file.
Mode = Callable[[Path], int]

_PLACEHOLDER: Final = re.compile(
    r"\s*(?:change[-_ ]?(?:me|it|this)|replace[-_ ]?(?:me|this)|(?:todo|fixme|tbd)\b.*|x{3,}|\*{3,}|\.{3,}|…"
    r"|example|placeholder|password|passw0rd|secret|dummy|your[-_ ].*|<[^<>]*>)[\s!.]*",
    re.IGNORECASE | re.DOTALL,
)
# What many clients have in common without its being a secret: words, numbers, host names, and addresses without a password.
_COMMON: Final = re.compile(r"[A-Za-z]+|[0-9]+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?|[A-Za-z][A-Za-z0-9+.-]*://[^@?]*|/[\w./-]*")
# Two people may well think of the same short text, and a guesser will too.
_SHORTEST: Final = 8
_NAMES_SHOWN: Final = 5

_READABLE_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def git_tracked(paths: Iterable[Path]) -> frozenset[Path]:
    """Those of the files that git tracks where they lie. Without git, or outside any repository, none."""
    git = shutil.which("git")
    return frozenset() if git is None else frozenset(path for path in paths if _is_tracked(git, path))


def _is_tracked(git: str, path: Path) -> bool:
    # A repository's own settings may name a program that git runs to look for changed files: not here.
    # A name is a name here, and no pattern.
    options = ["-c", "core.fsmonitor=false", "--literal-pathspecs", "-C", str(path.parent)]
    command = [git, *options, "ls-files", "--error-unmatch", "--", path.name]
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - no shell, a fixed command
    return finished.returncode == 0


def file_mode(path: Path) -> int:
    """The permission bits of a file; 0 where it is gone."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def lint(definition: Definition, *, mode: Mode = file_mode, tracked: Tracked = git_tracked) -> tuple[str, ...]:
    """What deserves a look in a definition, a line each, beyond the warnings that it was loaded with.

    Args:
        definition: as `definition.load` gave it.
        mode: gives a file's permission bits.
        tracked: gives those of some files that git tracks.
    """
    return (
        *_placeholders(definition),
        *_repeated(definition),
        *_unfit(definition),
        *_files(definition.secret_files, mode, tracked),
    )


def _secret_texts(definition: Definition) -> Iterator[tuple[Client, str, str | bytes, Origin]]:
    """Each client's secret texts and files. What a group gives to many comes once, for the first of them."""
    seen: set[int] = set()
    for client in definition.clients.values():
        for secret in client.secrets:
            if secret.key in client.public or not isinstance(secret.value, str | bytes):
                continue
            # Clients of a group share the secret itself, so it is known by its identity; the definition keeps it alive.
            if id(secret) not in seen:
                seen.add(id(secret))
                yield client, secret.key, secret.value, client.origins[secret.key]


def _placeholders(definition: Definition) -> Iterator[str]:
    for client, key, value, origin in _secret_texts(definition):
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
            yield f"{_place(origin)}: {client.name}.{key}: the value looks like a placeholder. Put the real one there."


def _repeated(definition: Definition) -> Iterator[str]:
    """Secrets that stand in two places for two clients: who changes one forgets the other, and who steals one has both."""
    uses: dict[str | bytes, list[tuple[Client, str, Origin]]] = {}
    for client, key, value, origin in _secret_texts(definition):
        if len(value) >= _SHORTEST and not (isinstance(value, str) and (_COMMON.fullmatch(value) or _PLACEHOLDER.fullmatch(value))):
            uses.setdefault(value, []).append((client, key, origin))
    for found in uses.values():
        # A group's template that is filled in for each client gives many secrets from one place, and that is no repetition.
        if len({client.name for client, _, _ in found}) > 1 and len({_place(origin) for _, _, origin in found}) > 1:
            shown = _listed([f"{client.name}.{key}" for client, key, _ in found])
            yield f"{_place(found[0][2])}: {shown} are one and the same secret. Give each its own, or put it into a shared group."


def _unfit(definition: Definition) -> Iterator[str]:
    """What a client is refused when it wants its secrets as variables. What a group gives to many is told once, with those who get it."""
    names: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for client in definition.clients.values():
        for keys, text in environment_flaws({secret.key: secret.value for secret in client.secrets}):
            places = tuple(_place(client.origins[key]) for key in keys)
            names.setdefault((places, text), []).append(client.name)
    for (places, text), found in names.items():
        refused = "`coffer-client run` and `--format shell` refuse that. Rename it, or leave it out there with --except."
        yield f"{places[0]}: {_listed(found)}: {text}; {refused}"


def _files(paths: tuple[Path, ...], mode: Mode, tracked: Tracked) -> Iterator[str]:
    for path in paths:
        if mode(path) & _READABLE_BY_OTHERS:
            yield f"{path}: others can read it (mode {mode(path):04o}), and secrets stand in it. chmod 600 it."
    in_git = tracked(paths)
    for path in paths:
        if path in in_git:
            yield f"{path}: git tracks it, and secrets stand in it in the clear. git rm --cached it, ignore it, and change the secrets."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _place(origin: Origin) -> str:
    return f"{origin.path}:{origin.line}:{origin.column}"
