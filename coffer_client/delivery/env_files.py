"""Files of variables: one NAME=VALUE for each secret, as one reader takes it. They differ in quotes, escapes and what they expand.

Each format is exact for the reader that it names, or refuses a key whose value that reader cannot have:

    dotenv   python-dotenv. A value without ', \\, a line break and ${ is in single quotes, in which every other reader takes it as it is
             too: Compose, godotenv, npm's dotenv, `node --env-file`, and a shell's `. FILE`.
    compose  Docker Compose's `env_file` and `--env-file` (compose-go's package dotenv)
    docker   `docker run --env-file` and podman (docker/cli's pkg/kvfile): no quotes and no escapes
    systemd  `EnvironmentFile=` of a unit (systemd.exec(5))
    gitlab   GitLab CI's `artifacts:reports:dotenv`: no quotes and no escapes; $ begins a variable; at most 5 KiB
    github   the file $GITHUB_ENV of GitHub Actions: each value between lines with a random delimiter
"""

from __future__ import annotations

import os
import re
from typing import Final

from .naming import PLAIN, Naming, environment, variable_flaw
from .text import Secrets

# docker reads lines with Go's bufio.MaxScanTokenSize, which includes the end of the line.
_DOCKER_LINE_BYTES: Final = 64 * 1024 - 1
# GitLab's limit of the whole file: docs.gitlab.com, "CI/CD artifacts reports types".
_GITLAB_BYTES: Final = 5 * 1024
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_TO_FILES: Final = "use --to-dir and mount the file"


def dotenv(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return a .env file that python-dotenv reads back exactly, even with its interpolation, which is on by default.

    Raises:
        EnvironmentNameError, NoSuchKeyError: as `environment`.
    """
    return "".join(f"{name}={_dotenv_quote(text)}\n" for name, text in environment(secrets, naming).items())


def _dotenv_quote(text: str) -> str:
    if not any(special in text for special in ("'", "\\", "\n", "\r", "${")):
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    # python-dotenv expands ${NAME:-DEFAULT} between quotes of either kind and has no escape for it. A variable without a name is
    # never set, so ${:-$} becomes a dollar that is not expanded again.
    escaped = escaped.replace("${", "${:-$}{")
    # Before 1.2.3, it took an escaped backslash at the end for an escaped quote. An empty expansion between them prevents that.
    if escaped.endswith("\\"):
        escaped += "${:-}"
    return f'"{escaped}"'


def compose(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return an env file as Docker Compose reads it.

    Raises:
        EnvironmentNameError, NoSuchKeyError: as `environment`.
    """
    return "".join(f"{name}={_compose_quote(text)}\n" for name, text in environment(secrets, naming).items())


def _compose_quote(text: str) -> str:
    if not any(special in text for special in ("'", "\\", "\n", "\r")):
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("$", "\\$")
    return f'"{escaped}"'


def docker(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return an env file as docker/cli's pkg/kvfile reads it: every character of a value is literal.

    Raises:
        EnvironmentNameError: as `environment`; or a value has a line break, ends in a carriage return, or makes a line too long.
        NoSuchKeyError: as `environment`.
    """
    return _lines(environment(secrets, naming, place="an env file for docker", flaw=_docker_flaw))


def _docker_flaw(name: str, text: str) -> str | None:
    if "\n" in text or text.endswith("\r"):
        return f"has a line break in its value, which would end it there ({_TO_FILES})"
    if len(f"{name}={text}".encode()) > _DOCKER_LINE_BYTES:
        return f"makes a line longer than 64 KiB, which docker does not read ({_TO_FILES})"
    return variable_flaw(name, text)


def systemd(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return a file for `EnvironmentFile=`.

    Raises:
        EnvironmentNameError: as `environment`; or a value has control characters other than tabs and line feeds, which systemd refuses.
        NoSuchKeyError: as `environment`.
    """
    variables = environment(secrets, naming, place="an EnvironmentFile", flaw=_systemd_flaw)
    return "".join(f"{name}={_systemd_quote(text)}\n" for name, text in variables.items())


def _systemd_flaw(name: str, text: str) -> str | None:
    if any((ord(character) < ord(" ") and character not in "\t\n") or character == "\x7f" for character in text):
        return "has control characters in its value, which systemd does not read (use LoadCredential= and --to-dir)"
    return variable_flaw(name, text)


def _systemd_quote(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    for special in '\\"`$':
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


def gitlab(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return a report for GitLab's `artifacts:reports:dotenv`.

    Raises:
        EnvironmentNameError: as `environment`; or a value has a line break, a $, white space around it, or makes the file too long.
        NoSuchKeyError: as `environment`.
    """
    size_bytes = 0

    def flaw(name: str, text: str) -> str | None:
        nonlocal size_bytes
        size_bytes += len(f"{name}={text}\n".encode())
        if size_bytes > _GITLAB_BYTES:
            return "makes the file longer than 5 KiB, which is GitLab's limit (choose fewer keys with --only)"
        return _gitlab_flaw(name, text)

    return _lines(environment(secrets, naming, place="a dotenv report for GitLab", flaw=flaw))


def _gitlab_flaw(name: str, text: str) -> str | None:
    if len(text.splitlines()) > 1 or text != text.strip():
        return "has a line break, or white space at an end, in its value, which GitLab takes away"
    if "$" in text:
        return "has a $ in its value, with which GitLab would begin a variable"
    return variable_flaw(name, text)


def github(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return lines for the file $GITHUB_ENV of GitHub Actions.

    Raises:
        EnvironmentNameError: as `environment`; or a name is one that GitHub does not let a step set.
        NoSuchKeyError: as `environment`.
    """
    variables = environment(secrets, naming, place="GitHub's environment file", flaw=_github_flaw)
    # Nobody who can choose a value can know the delimiter, and so end the value early.
    delimiter = f"coffer-{os.urandom(16).hex()}"
    return "".join(f"{name}<<{delimiter}\n{text}\n{delimiter}\n" for name, text in variables.items())


def _github_flaw(name: str, text: str) -> str | None:
    if name.upper().startswith(("GITHUB_", "RUNNER_")) or name.upper() == "NODE_OPTIONS":
        return f"gives {name!r}, which GitHub does not let a step set"
    return variable_flaw(name, text)


def github_masks(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return the commands that hide each line of each secret in the log of a GitHub workflow."""
    lines = dict.fromkeys(line for text in environment(secrets, naming).values() for line in _LINE_BREAK.split(text) if line.strip())
    # GitHub decodes %25, %0D and %0A in what follows the colons.
    return "".join(f"::add-mask::{line.replace('%', '%25')}\n" for line in lines)


def _lines(variables: dict[str, str]) -> str:
    return "".join(f"{name}={text}\n" for name, text in variables.items())
