from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from coffer_common.program import error_lines
from coffer_protocol.errors import CofferError
from tests.support import ROOT

PROGRAMS = ["client", "companion", "server"]


def run(program: str, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    # What is left in a buffer must not fail again at the end of the process.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", f"coffer_{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_its_version(program: str) -> None:
    ran = run(program, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"coffer-{program} {version('coffer-secrets')}\n", "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_asked_for_help_by_a_word_or_a_letter(program: str) -> None:
    short, long = (run(program, flag) for flag in ("-h", "--help"))
    assert (short.returncode, short.stdout, short.stderr) == (0, long.stdout, "")
    assert re.search(r"\n\nExit codes:\n  0 +done\n  1 +\w", short.stdout)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_a_version_that_cannot_be_written_is_a_failure_in_a_sentence(program: str) -> None:
    with open("/dev/full", "wb") as full:
        ran = run(program, "--version", stdout=full.fileno())
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith(f"coffer-{program}: ")
    assert "No space left on device" in ran.stderr


def test_what_is_not_installed_says_so(tmp_path: Path) -> None:
    # The package alone, for beside the sources there may be what a build has left; and -S is without the folder of installed packages.
    (tmp_path / "coffer_common").symlink_to(ROOT / "coffer_common")
    line = "from coffer_common.program import version_line; print(version_line('coffer-server'))"
    ran = subprocess.run([sys.executable, "-S", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "coffer-server (not installed)\n"


def test_an_errors_hint_is_printed_on_a_line_of_its_own() -> None:
    assert error_lines("coffer-client", CofferError("it failed")) == "coffer-client: it failed\n"
    assert error_lines("coffer-client", CofferError("it failed", hint="try again")) == "coffer-client: it failed\nhint: try again\n"


MISSING = """
import sys
sys.modules[{module!r}] = None
sys.argv = ["coffer-{program}", *{words!r}]
from coffer_{program}.__main__ import main
main()
"""
EXTRAS = [
    *(("server", module) for module in ("sqlalchemy", "structlog", "trio", "typer")),
    *(("companion", module) for module in ("dotenv", "rich", "tomli", "tomlkit", "trio", "typer")),
]


def run_without(module: str, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = MISSING.format(module=module, program=program, words=words)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("program", "module"), EXTRAS)
def test_a_package_of_an_extra_that_is_missing_is_named_with_what_installs_it(program: str, module: str) -> None:
    ran = run_without(module, program, "--help")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"coffer-{program}: {module} is missing or too old\nhint: pip install --upgrade 'coffer-secrets[{program}]'\n"


@pytest.mark.parametrize(("program", "module"), EXTRAS)
def test_the_version_needs_no_extra(program: str, module: str) -> None:
    ran = run_without(module, program, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"coffer-{program} {version('coffer-secrets')}\n", "")


@pytest.mark.parametrize("program", ["server", "companion"])
def test_another_module_that_is_missing_is_a_fault_and_has_its_traceback(program: str) -> None:
    ran = run_without("json", program, "--help")
    assert ran.returncode == 1
    assert "ModuleNotFoundError" in ran.stderr
