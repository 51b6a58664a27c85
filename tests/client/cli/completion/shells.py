"""Real shells at a terminal of their own: a line is typed, TAB and all, and a program tells what it was given."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# What is typed, and what the program is then given: the same in every shell that quotes as sh does.
COMMANDS_AND_OPTIONS: Final = {
    "coffer-client keyg\t": "<keygen>",
    "coffer-client --vers\t": "<--version>",
    "coffer-client get --form\t json": "<get><--format><json>",
    "coffer-client get --format dote\t": "<get><--format><dotenv>",
    "coffer-client get --format=dote\t": "<get><--format=dotenv>",
    "coffer-client get db.url --no-ca\t": "<get><db.url><--no-cache>",
    "coffer-client get -n --upp\t": "<get><-n><--upper>",
    "coffer-client get --to-dir a-fol\tx": "<get><--to-dir><a-folder/x>",
    "coffer-client run --watch --on-change sig\tHUP": "<run><--watch><--on-change><signal:HUP>",
    "coffer-client run --on-change=res\t": "<run><--on-change=restart>",
    "coffer-client trust res\t": "<trust><reset>",
    "coffer-client completion fi\t": "<completion><fish>",
    "coffer-client get --identity own-f\t": "<get><--identity><own-file>",
    "coffer-client get --identity=own-f\t": "<get><--identity=own-file>",
    "coffer-client id --identity ./own-f\t": "<id><--identity><./own-file>",
    "coffer-client render -o own-f\t": "<render><-o><own-file>",
    "coffer-client render -o x own-f\t": "<render><-o><x><own-file>",
    "coffer-client keygen own-f\t": "<keygen><own-file>",
    "coffer-client get --state a-fol\tx": "<get><--state><a-folder/x>",
}
KEYS: Final = {
    "coffer-client get db.u\t": "<get><db.url>",
    "coffer-client get --format json db.p\t db.u\t": "<get><--format><json><db.password><db.url>",
    "coffer-client get it\t": "<get><it's>",
    "coffer-client get 'it\t": "<get><it's>",
    'coffer-client get "it\t': "<get><it's>",
    "coffer-client get wi\t": "<get><with space>",
    "coffer-client get with\\ s\t": "<get><with space>",
    'coffer-client get "with s\t': "<get><with space>",
    "coffer-client get \\$\t": "<get><$HOME`id`>",
    "coffer-client get '$\t": "<get><$HOME`id`>",
    'coffer-client get "\\$\t': "<get><$HOME`id`>",
    "coffer-client get quo\t": '<get><quo"te\\d>',
    'coffer-client get "quo\t': '<get><quo"te\\d>',
    "coffer-client get ns\t": "<get><ns:colon:key>",
    "coffer-client get ns:\t": "<get><ns:colon:key>",
    "coffer-client get ns:co\t": "<get><ns:colon:key>",
    "coffer-client get set\t": "<get><set=to>",
    "coffer-client get set=\t": "<get><set=to>",
    "coffer-client get \\~\t": "<get><~tilde*>",
    "coffer-client get 🔑\t": "<get><🔑 é>",
    "coffer-client get \\!\t": "<get><!bang;&|>",
    "coffer-client get \\[\t": "<get><[ab]>",
    "coffer-client get -- -\t": "<get><--><-n>",
    "coffer-client get -n db.u\t": "<get><-n><db.url>",
    "coffer-client get --only=smtp --only db.u\t": "<get><--only=smtp><--only><db.url>",
    "coffer-client run --except=db.u\t -- id": "<run><--except=db.url><--><id>",
    "bin/coffer-client get db.u\t": "<get><db.url>",
    "~/bin/coffer-client get db.u\t": "<get><db.url>",
}
OTHER_COMMANDS: Final = {
    "coffer-client run --watch -- coffer-cl\t": "<run><--watch><--><coffer-client>",
    "coffer-client run --server x coffer-cl\t": "<run><--server><x><coffer-client>",
    "coffer-client run --server x cat own-f\t": "<run><--server><x><cat><own-file>",
    "coffer-client run -- cat ./own-f\t": "<run><--><cat><./own-file>",
}
# What only the other command's own completion knows.
OWN_COMPLETION: Final = {
    "coffer-client run --server=a:b -- coffer-client get --form\t json": "<run><--server=a:b><--><coffer-client><get><--format><json>",
    "coffer-client run coffer-client get it\t": "<run><coffer-client><get><it's>",
}
# Where there is nothing to offer, nothing is: not even the files that shells offer else.
NOTHING: Final = {
    "coffer-client get own-f\t": "<get><own-f>",
    "coffer-client keys own-f\t": "<keys><own-f>",
    "coffer-client get --max-stale own-f\t": "<get><--max-stale><own-f>",
    "coffer-client get --server nonsense db.u\t": "<get><--server><nonsense><db.u>",
    "coffer-client get --server=nonsense db.u\t": "<get><--server=nonsense><db.u>",
    "coffer-client get --state ~/a-folder db.u\t": "<get><--state><{home}/a-folder><db.u>",
    "coffer-client get --identity 'no such file' db.u\t": "<get><--identity><no such file><db.u>",
}

_PROMPT: Final = "ready-to-read> "
_END: Final = "(that was all)"
# Nothing here takes so long; it ends a test that would hang.
_PLENTY_S: Final = 60.0


def make_home(home: Path) -> None:
    """What the lines above find: bin/coffer-client, which lists keys as the real one does, and else prints the words it was given; a file
    and a folder."""
    (home / "own-file").touch()
    (home / "a-folder").mkdir()
    (home / "bin").mkdir()
    path = home / "bin" / "coffer-client"
    path.write_text(
        f'#!/bin/sh\nif [ "$1 $2" = "keys --cached" ]; then exec "{sys.executable}" -m coffer_client "$@"; fi\n'
        f"printf '<%s>' \"$@\"\nprintf '%s\\n' '{_END}'\n"
    )
    path.chmod(0o755)


class Terminal:
    """A shell that somebody types at."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""

    def given(self, line: str) -> str:
        """What the program was given, each word in <>, where this line was typed and entered. TAB is a character of it."""
        self._type(line + "\r")
        shown = self._read_until(_END)
        self._read_until(_PROMPT)
        # The last line: before it there is the line that was typed, and what a shell may show below.
        return shown.rsplit("\n", 1)[-1].replace("\r", "")

    def shown(self, line: str) -> str:
        """What the terminal shows where this line was typed, TAB and all, and then thrown away."""
        self._type(line)
        # The shell reads on only when it has shown what it offers.
        self._type("\x15echo shown-$((6*7))\r")
        shown = self._read_until("shown-42")
        self._read_until(_PROMPT)
        return shown

    def do(self, line: str) -> None:
        """Run a line without looking at what it prints."""
        self._type(line + "\r")
        self._read_until(_PROMPT)

    def _type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def _read_until(self, end: str) -> str:
        wanted = end.encode()
        while wanted not in self._read:
            ready, _, _ = select.select([self._descriptor], [], [], _PLENTY_S)
            assert ready, f"it never came to {end!r}:\n{self._read.decode(errors='replace')}"
            self._read += os.read(self._descriptor, 1 << 16)
        shown, _, self._read = self._read.partition(wanted)
        return shown.decode(errors="replace")


@contextmanager
def terminal(*command: str, environment: Mapping[str, str], cwd: Path) -> Iterator[Terminal]:
    """Start a shell that shows the prompt of these tests; it is ended where the context ends."""
    ours, its = pty.openpty()
    settings = {"TERM": "dumb", "PS1": _PROMPT, "COLUMNS": "200", "LINES": "50", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env={**environment, **settings}, cwd=cwd, start_new_session=True)
    os.close(its)
    try:
        shell = Terminal(ours)
        shell._read_until(_PROMPT)
        yield shell
    finally:
        process.kill()
        process.wait()
        os.close(ours)
