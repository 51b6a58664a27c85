from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from coffer_client.cli.exits import EXIT_INTERRUPTED, EXITS
from coffer_client.cli.options import COMMANDS
from coffer_common.command_line import Command
from docs.manuals import man
from docs.manuals.__main__ import PROGRAMS
from docs.manuals.reference import ENVIRONMENT, FILES
from tests.docs.commands import missing_programs

PAGES = {name: text for program in PROGRAMS for name, text in man.pages(program).items()}


def read(page: str) -> str:
    """A page as mandoc shows it, without its bold and with spaces counted as one."""
    if missing := missing_programs("mandoc"):
        pytest.skip(f"this machine has no {missing[0]}")
    shown = subprocess.run(["mandoc", "-Tutf8"], input=PAGES[page], capture_output=True, text=True, check=True).stdout
    return " ".join(re.sub(".\b", "", shown).split())


def plain(text: str) -> str:
    return text.replace("`", "")


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_nothing_to_say(page: str, tmp_path: Path) -> None:
    if missing := missing_programs("mandoc"):
        pytest.skip(f"this machine has no {missing[0]}")
    (tmp_path / page).write_text(PAGES[page], encoding="utf-8")
    linted = subprocess.run(["mandoc", "-Tlint", page], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES)
def test_no_word_is_taken_apart_and_no_line_is_stretched(page: str) -> None:
    # Before the first section, and so for all of them.
    head = PAGES[page].partition(".SH ")[0].splitlines()
    assert head[-2:] == [".nh", ".ad l"]


def test_the_programs_page_has_every_command_code_variable_and_file() -> None:
    shown = read("coffer-client.1")
    for command in COMMANDS:
        assert f"{command.name} {plain(command.help)} See coffer-client-{command.name}(1)." in shown
    for row in EXITS:
        assert f"{row.code} {row.meaning}." in shown
    for entry in (*ENVIRONMENT, *FILES):
        assert f"{entry.name} {plain(entry.text)}" in shown


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_commands_page_says_what_its_help_says(command: Command) -> None:
    shown = read(f"coffer-client-{command.name}.1")
    assert plain(command.help) in shown
    for option in command.options:
        assert f"{option.flag} {f'{option.metavar} ' if option.metavar else ''}{plain(option.help)}" in shown
    for taken in command.arguments:
        assert f"{taken.metavar} {plain(taken.help)}" in shown
    for line in command.examples:
        assert line in shown
    codes = re.findall(r" (\d+) ", shown.partition("EXIT STATUS")[2].partition("EXAMPLES")[0])
    assert [int(code) for code in codes] == [*command.exits, EXIT_INTERRUPTED]


def test_text_stands_for_itself() -> None:
    awkward = r""".TH \fB-x\n 'quoted' "twice" `bold` ^ ~ …"""
    page = ".TH A 1 2026-11-26 B\n.SH NAME\na \\- b\n.SH C\n" + man.paragraph(awkward)
    if missing := missing_programs("mandoc"):
        pytest.skip(f"this machine has no {missing[0]}")
    shown = subprocess.run(["mandoc", "-Tutf8"], input=page, capture_output=True, text=True, check=True).stdout
    assert plain(awkward) in re.sub(".\b", "", shown)
