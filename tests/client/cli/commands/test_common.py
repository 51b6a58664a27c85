from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from coffer_client.cli.commands import common
from coffer_client.cli.options import GET, WATCH
from coffer_client.delivery.naming import Naming
from coffer_client.errors import ConfigurationError, OutputError, ReaderGoneError, UsageError
from coffer_common.command_line import Parsed, parse
from coffer_protocol.address import ServerAddress
from tests.support import identity

from ...fake_server import address_of, unused_host


def get(*words: str) -> Parsed:
    parsed = parse(GET, words)
    assert parsed is not None
    return parsed


@pytest.fixture
def address(home: Path) -> ServerAddress:
    return address_of(unused_host())


def test_what_is_told_names_the_program(capfd: pytest.CaptureFixture[str]) -> None:
    common.tell("it is done")
    common.warn("it is late")
    assert capfd.readouterr() == ("", "coffer-client: it is done\ncoffer-client: warning: it is late\n")


def test_what_is_written_is_bytes_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    common.write(b"\xff\x00")
    assert capfdbinary.readouterr() == (b"\xff\x00", b"")


def write_to(stdout: str) -> str:
    """What `write` raises in a process whose stdout is this, and whether the process then ends quietly."""
    program = f"""
import os
from coffer_client.cli.commands.common import write
from coffer_protocol.errors import CofferError
{stdout}
try:
    write(b"x" * 100_000)
except CofferError as error:
    os.write(2, f"{{type(error).__name__}}: {{error}}".encode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    return done.stderr


def test_a_reader_that_has_gone_is_an_error_of_its_own() -> None:
    there, here = "ends = os.pipe(); os.dup2(ends[1], 1); ", "os.close(ends[0]); os.close(ends[1])"
    assert write_to(there + here) == f"{ReaderGoneError.__name__}: the reader of stdout has gone"


def test_a_full_disk_is_told() -> None:
    told = write_to("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)")
    assert told == f"{OutputError.__name__}: stdout cannot be written: {os.strerror(28)}"


def test_options_say_what_is_wanted(address: ServerAddress) -> None:
    web = identity("web")
    words = ["key", f"--server={address}", "--state=/srv/state", "--no-cache", "--max-stale=2h", "--timeout=2.5"]
    wanted = common.wanted(get(*words), web)
    assert (wanted.address, wanted.credential.identity) == (address, web)
    assert (wanted.state, wanted.cache, wanted.timeout_s, wanted.max_stale) == ("/srv/state", False, 2.5, timedelta(hours=2))


def test_what_no_option_says_is_left_open(address: ServerAddress) -> None:
    wanted = common.wanted(get("key", f"--server={address}"), identity("web"))
    assert (wanted.state, wanted.cache, wanted.timeout_s, wanted.max_stale) == (None, True, None, None)


@pytest.mark.parametrize(("word", "option"), [("--timeout=soon", "--timeout"), ("--max-stale=soon", "--max-stale")])
def test_an_option_that_cannot_be_read_is_named(address: ServerAddress, word: str, option: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        common.wanted(get("key", f"--server={address}", word), identity("web"))


@pytest.mark.parametrize(("words", "seconds"), [([], None), (["--timeout=2.5"], 2.5), (["--timeout=2m"], 120.0)])
def test_a_timeout_is_in_seconds(words: list[str], seconds: float | None) -> None:
    assert common.timeout_s(get("key", *words)) == seconds


def test_the_options_of_a_naming() -> None:
    named = common.naming(get("--only=a*", "--only=b", "--except=c", "--prefix=APP_", "--upper"))
    assert named == Naming(only=("a*", "b"), without=("c",), prefix="APP_", upper=True)
    assert common.naming(get("key")) == Naming()


def test_a_naming_without_a_use_is_refused_by_its_options() -> None:
    watch = parse(WATCH, ["--only=x", "--upper"])
    plain = parse(WATCH, [])
    assert watch is not None
    assert plain is not None
    common.refuse_naming(plain, "no use")
    with pytest.raises(UsageError, match="--only and --upper: no use"):
        common.refuse_naming(watch, "no use")


def test_a_span_is_none_unless_it_is_given() -> None:
    assert common.span(get("key"), "max-stale") is None
    assert common.span(get("key", "--max-stale=90m"), "max-stale") == timedelta(minutes=90)
