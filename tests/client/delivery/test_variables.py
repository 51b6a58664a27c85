"""The shells of this machine say which names they use for themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from coffer_client.delivery.variables import SHELL_NAMES, is_steering

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash"],
    "sh of bash": ["bash", "--posix"],
    "zsh": ["zsh", "-f"],
}
LISTS = {"bash": "compgen -v", "zsh": "zmodload zsh/parameter zsh/datetime zsh/system; print -l ${(k)parameters}"}
# In the environment of this test in any case, or a warning that is about the value.
LEFT_OUT = {"LC_ALL", "PATH", "TERM"}


def own_names(shell: str) -> Iterator[str]:
    if shell in LISTS and shutil.which(shell) is not None:
        listed = subprocess.run([*SHELLS[shell], "-c", LISTS[shell]], capture_output=True, text=True, check=True).stdout
        yield from (name for name in listed.split() if name.isidentifier() and name.isascii() and name not in LEFT_OUT)


def is_taken(shell: str, name: str) -> bool:
    """Whether a variable of that name keeps another value in a shell, loses what follows it, or makes it print a warning."""
    script = f"export {name}='it is 7'\nexport after='2'\n"
    ran = subprocess.run(
        [*SHELLS[shell], "-c", 'eval "$(/bin/cat)"; /usr/bin/env -0'],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    found = dict(line.split("=", 1) for line in ran.stdout.split("\0") if line)
    return (found.get(name), found.get("after"), ran.stderr) != ("it is 7", "2", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_name_that_a_shell_uses_is_known(shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{SHELLS[shell][0]} is not installed")
    names = {*own_names("bash"), *own_names("zsh")} - SHELL_NAMES
    assert not [name for name in sorted(names) if is_taken(shell, name)]


@pytest.mark.parametrize("name", ["UID", "RANDOM", "BASHPID", "path", "status", "USERNAME"])
def test_names_that_are_refused(name: str) -> None:
    assert name in SHELL_NAMES
    assert any(is_taken(shell, name) for shell in SHELLS if shutil.which(SHELLS[shell][0]) is not None)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "PATH", "NODE_OPTIONS", "GIT_SSH_COMMAND", "https_proxy", "IFS"])
def test_names_that_steer_programs(name: str) -> None:
    assert is_steering(name) or name in SHELL_NAMES


@pytest.mark.parametrize("name", ["DB_URL", "db_url", "LDAP_URL", "PYTHON_VERSION", "GITHUB_TOKEN", "USER_NAME", "path_to", "SHELL_KEY"])
def test_names_that_do_not(name: str) -> None:
    assert not is_steering(name)
    assert name not in SHELL_NAMES
