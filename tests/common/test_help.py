from __future__ import annotations

import os
import subprocess
import sys
import termios
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_common.help import fill, page, sections
from tests.support import ROOT


def test_a_page() -> None:
    lines = sections({"Options": [("--a X", "Do this and that."), ("--b", "Nothing else.")], "Empty": [], "Codes": [("0", "done")]}, 24)
    assert page("program [OPTION]... ARGUMENT", ("What it does, in words.", "More."), lines, 24) == (
        "Usage: program\n"
        "    [OPTION]... ARGUMENT\n"
        "\n"
        "What it does, in words.\n"
        "\n"
        "More.\n"
        "\n"
        "Options:\n"
        "  --a X  Do this and\n"
        "         that.\n"
        "  --b    Nothing else.\n"
        "\n"
        "Codes:\n"
        "  0      done\n"
    )


def test_a_long_term_has_a_line_of_its_own() -> None:
    shown = [*sections({"Options": [("--on-change restart|stop|nothing", "Do it."), ("--b", "Not.")]}, 80)]
    assert shown == ["", "Options:", "  --on-change restart|stop|nothing", "       Do it.", "  --b  Not."]


@given(words=st.lists(st.text("ab", min_size=1, max_size=9), min_size=1), width=st.integers(10, 30), indent=st.sampled_from(["", "  "]))
def test_a_text_is_filled_into_lines(words: list[str], width: int, indent: str) -> None:
    lines = fill(" ".join(words), width, indent)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width for line in lines)
    # No line could have taken the first word of the next.
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > width
        assert following.startswith(indent)


@pytest.mark.parametrize(
    ("columns", "width"),
    [("60", 60), ("1", 40), ("400", 100), ("0", 80), ("wide", 80), ("", 80), ("-5", 80), ("٣", 80)],
)
def test_the_width_is_that_of_the_environment_within_limits(columns: str, width: int) -> None:
    program = "import sys; from coffer_common.help import terminal_width; print(terminal_width({'COLUMNS': sys.argv[1]}))"
    # stdout is no terminal.
    ran = subprocess.run([sys.executable, "-c", program, columns], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) == width


def test_the_width_is_that_of_the_terminal() -> None:
    ours, theirs = os.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, 63))
        program = "import sys; from coffer_common.help import terminal_width; sys.stderr.write(str(terminal_width({})))"
        ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, text=True, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert ran.stderr == "63"
