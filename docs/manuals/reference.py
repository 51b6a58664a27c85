"""Describe `coffer-client` from its table of commands, with the variables and files that it reads."""

from __future__ import annotations

from typing import Final

from coffer_client.cli.exits import EXIT_INTERRUPTED, EXIT_READER_GONE, EXITS, Exit
from coffer_client.cli.options import COMMANDS, PROGRAM, SUMMARY
from coffer_common.command_line import VERSION
from coffer_common.command_line import Command as Row

from .model import Command, Entry, Program

ENVIRONMENT: Final = (
    Entry(name="COFFER_SERVER", text="The server's address, if `--server` does not give it."),
    Entry(name="COFFER_IDENTITY", text="The path of the identity file, if `--identity` does not give it."),
    Entry(
        name="COFFER_IDENTITY_TEXT",
        text="The identity's secret text itself, if neither names a file. `run` removes it from the command's environment.",
    ),
    Entry(name="COFFER_BARE", text="1: use the identity's bare NaCl key, as with `--bare`. 0, or empty: do not."),
    Entry(name="COFFER_STATE", text="A folder for the client's memory and its cache, as `--state`."),
    Entry(name="COFFER_NO_CACHE", text="1: keep and use no cache, as with `--no-cache`. 0, or empty: keep and use one."),
    Entry(name="COFFER_MAX_STALE", text="How old the cache may be, as with `--max-stale`: 12h."),
    Entry(name="COFFER_TIMEOUT", text="How many seconds to wait for the server, as with `--timeout`."),
    Entry(
        name="COFFER_CONFIG",
        text="The only configuration file that is read, as `--config`; with `/dev/null`, no file is read. A variable comes before a file.",
    ),
    Entry(name="CREDENTIALS_DIRECTORY", text="Set by systemd: the identity is `coffer-identity` in it, if no variable names one."),
    Entry(name="NO_COLOR", text="If it is set, `doctor` writes without colours, also on a terminal."),
    Entry(
        name="XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME",
        text="The folders of the files below. Defaults: `~/.config`, `~/.local/state`, `~/.cache`.",
    ),
    Entry(name="XDG_RUNTIME_DIR", text="A folder on a tmpfs, which the warning of `get --to-dir` names."),
)
FILES: Final = (
    Entry(
        name="./coffer.toml, $XDG_CONFIG_HOME/coffer/client.toml, /etc/coffer/client.toml",
        text="The configuration: each file for what those before it leave open; `config` shows what is in force. A file of another user, "
        "or one that other users can write, is refused.",
    ),
    Entry(
        name="$XDG_CONFIG_HOME/coffer/client.key",
        text="The identity, as `keygen` makes it. A file that other users can read is refused.",
    ),
    Entry(name="$XDG_CONFIG_HOME/coffer/client.key.pub", text="Its public key text, for the operator."),
    Entry(
        name="$XDG_STATE_HOME/coffer/client/*.trust",
        text="The newest release that was seen and the publishers that are trusted, by server, coffer and identity: `trust` shows them.",
    ),
    Entry(
        name="$XDG_STATE_HOME/coffer/client/*.evidence",
        text="Pairs of signed heads that show two histories: `trust` shows them, and `trust clear` removes them.",
    ),
    Entry(
        name="$XDG_CACHE_HOME/coffer/client/*.cache",
        text="The server's last answer, still sealed. It is used when no server answers, or the answer is refused.",
    ),
)
# The exit code of an interrupted command is in no row of the table, because there is no error behind it.
_INTERRUPTED: Final = Exit(code=EXIT_INTERRUPTED, meaning="interrupted, as by Ctrl-C")
_READER_GONE: Final = Exit(code=EXIT_READER_GONE, meaning="nobody reads its output any more, as with `| head`")


def _meanings(*rows: Exit) -> dict[int, str]:
    return {row.code: row.meaning for row in rows}


def _command(row: Row) -> Command:
    exits = (exit_ for exit_ in EXITS if exit_.code in row.exits)
    return Command.of(row, _meanings(*exits, _INTERRUPTED))


CLIENT: Final = Program(
    name=PROGRAM,
    summary=SUMMARY,
    source="coffer_client/cli/options.py",
    commands=tuple(map(_command, COMMANDS)),
    options=(VERSION,),
    exits=_meanings(*EXITS, _INTERRUPTED, _READER_GONE),
    exits_else=f"Otherwise `{PROGRAM} run` ends with the command's own status.",
    environment=ENVIRONMENT,
    files=FILES,
    shared="environment and files",
)
