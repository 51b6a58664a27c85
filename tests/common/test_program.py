from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from coffer_common import keyfile
from coffer_common.program import READER_GONE, error_lines, warning_lines
from coffer_common.program import run as program_run
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


# ------------------------------------------------------------------------------------------------------------------ streams

PRINTING = [(program, flag) for program in PROGRAMS for flag in ("--version", "--help")]
on_linux = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")


def run_with(redirections: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program with its standard streams as a shell sets them."""
    line = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", f"coffer_{program}", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("program", "flag"), PRINTING)
@on_linux
def test_on_a_full_disk_a_program_fails_in_one_sentence(program: str, flag: str) -> None:
    with open("/dev/full", "wb") as full:
        ran = run(program, flag, stdout=full.fileno())
    assert (ran.returncode, ran.stderr) == (1, f"coffer-{program}: stdout cannot be written: No space left on device\n")


@pytest.mark.parametrize(("program", "flag"), PRINTING)
def test_with_a_closed_stdout_a_program_fails_in_one_sentence(program: str, flag: str) -> None:
    ran = run_with(">&-", program, flag)
    assert (ran.returncode, ran.stderr) == (1, f"coffer-{program}: stdout cannot be written: Bad file descriptor\n")


@pytest.mark.parametrize(("program", "flag"), PRINTING)
def test_without_a_reader_a_program_ends_without_a_word(program: str, flag: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = run(program, flag, stdout=writing)
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (READER_GONE, "")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("redirections", ["2>&-", pytest.param("2>/dev/full", marks=on_linux), "<&-", "<&- 2>&-"])
def test_without_the_other_streams_a_program_prints_as_ever(program: str, redirections: str) -> None:
    ran = run_with(redirections, program, "--version")
    assert (ran.returncode, ran.stdout) == (0, f"coffer-{program} {version('coffer-secrets')}\n")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("redirections", ["2>&-", pytest.param("2>/dev/full", marks=on_linux), ">&- 2>&-", "<&- >&- 2>&-"])
def test_without_stderr_an_error_has_its_exit_code(program: str, redirections: str) -> None:
    ran = run_with(redirections, program, "--nope")
    assert (ran.returncode, ran.stdout) == (2, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_closed_stream_does_not_become_the_next_file(program: str, tmp_path: Path) -> None:
    """What a program says on a closed stderr must not go into the key file that it opens."""
    path = tmp_path / "made"
    words = ["init", str(path)] if program == "server" else ["keygen", str(path)]
    assert run_with("<&- 2>&-", program, *words).returncode == 0
    made = path / "identity" if program == "server" else path
    assert keyfile.read(made).public_text() == made.with_name(f"{made.name}.pub").read_text().strip()


def guarded(code: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """Run code behind guard_streams, with its standard streams as a shell sets them."""
    line = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", f"from coffer_common.program import *\n{code}"]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@on_linux
def test_what_is_printed_in_pieces_fails_once() -> None:
    code = """
import sys
from coffer_common.errors import OutputError
guard_streams()
failures = 0
for _ in range(3):
    try:
        print("x" * 100_000, flush=True)
    except OutputError as error:
        failures += 1
        print(error, file=sys.stderr)
print("to the end", failures, file=sys.stderr)
print("left in the buffer")
"""
    ran = guarded(code, ">/dev/full")
    assert (ran.returncode, ran.stderr) == (0, "stdout cannot be written: No space left on device\nto the end 1\n")


def test_guarded_streams_print_what_they_are_given() -> None:
    code = """
import sys
guard_streams()
print("é🔑", "a\\r\\nb")
sys.stdout.buffer.write(b"bytes\\n")
print("first", file=sys.stderr)
print("half a line", end="", file=sys.stderr, flush=True)
"""
    ran = guarded(code, "")
    assert (ran.returncode, ran.stderr) == (0, "first\nhalf a line")
    assert sorted(ran.stdout.splitlines()) == sorted(["é🔑 a", "b", "bytes"])


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("lambda: None", 0, ""),
        ("lambda: sys.exit()", 0, ""),
        ("lambda: sys.exit(3)", 3, ""),
        ("lambda: sys.exit('text')", 1, ""),
        ("lambda: raised(CofferError('it failed', hint='try again'))", 1, "coffer-x: it failed\nhint: try again\n"),
        ("lambda: open('/none/file')", 1, "coffer-x: /none/file: No such file or directory\n"),
        ("lambda: raised(OSError(28, 'No space left on device'))", 1, "coffer-x: input/output: No space left on device\n"),
        ("lambda: raised(ReaderGoneError())", READER_GONE, ""),
    ],
)
def test_a_run_ends_with_an_exit_code_and_a_sentence(body: str, code: int, told: str) -> None:
    ran = guarded(
        f"""
import sys
from coffer_common.errors import ReaderGoneError
from coffer_protocol.errors import CofferError
def raised(error):
    raise error
sys.exit(run("coffer-x", {body}))
""",
        "",
    )
    assert (ran.returncode, ran.stderr) == (code, told)


def test_a_program_may_report_errors_itself() -> None:
    def fail() -> None:
        raise CofferError("it failed")

    reported: list[str] = []

    def report(error: CofferError) -> int:
        reported.append(str(error))
        return 7

    assert program_run("coffer-x", fail, report) == 7
    assert reported == ["it failed"]


# ------------------------------------------------------------------------------------------------------------ help and version


def test_what_is_not_installed_says_so(tmp_path: Path) -> None:
    # The packages alone: next to the sources there may be what a build has left; and -S is without the folder of installed packages.
    for package in ("coffer_common", "coffer_protocol"):
        (tmp_path / package).symlink_to(ROOT / package)
    line = "from coffer_common.program import version_line; print(version_line('coffer-server'))"
    ran = subprocess.run([sys.executable, "-S", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "coffer-server (not installed)\n"


def test_an_errors_hint_is_printed_on_a_line_of_its_own() -> None:
    assert error_lines("coffer-client", CofferError("it failed")) == "coffer-client: it failed\n"
    assert error_lines("coffer-client", CofferError("it failed", hint="try again")) == "coffer-client: it failed\nhint: try again\n"


def test_a_warnings_hint_is_printed_on_a_line_of_its_own() -> None:
    assert warning_lines("coffer-client", "it is late") == "coffer-client: warning: it is late\n"
    assert warning_lines("coffer-client", "it is late", hint="hurry") == "coffer-client: warning: it is late\nhint: hurry\n"


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
    remedy = f"install coffer-secrets again with the extra '{program}', as README.md says under Install"
    assert ran.stderr == f"coffer-{program}: {module} is missing or too old\nhint: {remedy}\n"


@pytest.mark.parametrize(("program", "module"), EXTRAS)
def test_the_version_needs_no_extra(program: str, module: str) -> None:
    ran = run_without(module, program, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"coffer-{program} {version('coffer-secrets')}\n", "")


@pytest.mark.parametrize("program", ["server", "companion"])
def test_another_module_that_is_missing_is_a_fault_and_has_its_traceback(program: str) -> None:
    ran = run_without("json", program, "--help")
    assert ran.returncode == 1
    assert "ModuleNotFoundError" in ran.stderr
