"""`coffer-client`, from its table of commands, with the variables and files that it reads."""

from __future__ import annotations

from typing import Final

from coffer_client.cli.exits import EXIT_INTERRUPTED, EXIT_READER_GONE, EXITS, Exit
from coffer_client.cli.options import COMMANDS, PROGRAM, SUMMARY, VERSION
from coffer_client.cli.options import Command as Row

from .model import Command, Entry, Program

ENVIRONMENT: Final = (
    Entry(name="COFFER_SERVER", text="The server's address, where `--server` does not give it."),
    Entry(name="COFFER_IDENTITY", text="The path of the identity file, where `--identity` does not give it."),
    Entry(
        name="COFFER_IDENTITY_TEXT",
        text="The identity's secret text itself, where neither names a file. `run` takes it out of the command's environment.",
    ),
    Entry(name="COFFER_BARE", text="1: the identity is used by its bare NaCl key, as with `--bare`. 0, or empty: it is not."),
    Entry(name="COFFER_STATE", text="A folder for what is remembered and for the cache, as `--state`."),
    Entry(name="COFFER_NO_CACHE", text="1: no cache is kept or used, as with `--no-cache`. 0, or empty: one is."),
    Entry(name="COFFER_MAX_STALE", text="How old the cache may be, as `--max-stale`: 12h."),
    Entry(name="COFFER_TIMEOUT", text="How many seconds to wait for the server, as `--timeout`."),
    Entry(
        name="COFFER_CONFIG",
        text="The one configuration file that is read, as `--config`; with `/dev/null` none is. A variable comes before what a file says.",
    ),
    Entry(name="CREDENTIALS_DIRECTORY", text="Set by systemd: the identity is `coffer-identity` in it, where no variable names one."),
    Entry(name="NO_COLOR", text="Where it is set, `doctor` writes without colours on a terminal too."),
    Entry(
        name="XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME",
        text="Where the files below stand. Without them: `~/.config`, `~/.local/state`, `~/.cache`.",
    ),
    Entry(name="XDG_RUNTIME_DIR", text="A folder on a tmpfs, which the warning of `get --to-dir` then names."),
)
FILES: Final = (
    Entry(
        name="./coffer.toml, $XDG_CONFIG_HOME/coffer/client.toml, /etc/coffer/client.toml",
        text="The configuration, each for what those before it leave open; `config` shows what is in force. One of another user's, or "
        "that others can write, is refused.",
    ),
    Entry(name="$XDG_CONFIG_HOME/coffer/client.key", text="The identity, as `keygen` makes it. One that others can read is refused."),
    Entry(name="$XDG_CONFIG_HOME/coffer/client.key.pub", text="Its public key text, for the operator."),
    Entry(
        name="$XDG_STATE_HOME/coffer/client/*.trust",
        text="The newest release that was seen, and who is trusted, for each server, coffer and identity. `trust` shows it.",
    ),
    Entry(name="$XDG_CACHE_HOME/coffer/client/*.cache", text="The server's last answer, still sealed, for when no server answers."),
)
# What every command ends with where it is interrupted stands in no row of the table, for no error is behind it.
_INTERRUPTED: Final = Exit(code=EXIT_INTERRUPTED, meaning="interrupted, as by Ctrl-C")
_READER_GONE: Final = Exit(code=EXIT_READER_GONE, meaning="nobody reads any more what it prints, as behind `| head`")


def _meanings(*rows: Exit) -> dict[int, str]:
    return {row.code: row.meaning for row in rows}


def _command(row: Row) -> Command:
    return Command(
        program=PROGRAM,
        name=row.name,
        help=row.help,
        options=row.options,
        arguments=(row.arguments,) if row.arguments else (),
        exits=_meanings(*(exit_ for exit_ in EXITS if exit_.code in row.exits), _INTERRUPTED),
        examples=row.examples,
    )


CLIENT: Final = Program(
    name=PROGRAM,
    summary=SUMMARY,
    source="coffer_client/cli/options.py",
    commands=tuple(map(_command, COMMANDS)),
    options=(VERSION,),
    exits=_meanings(*EXITS, _INTERRUPTED, _READER_GONE),
    exits_else=f"Else `{PROGRAM} run` ends with the command's own status.",
    environment=ENVIRONMENT,
    files=FILES,
    shared="environment and files",
)
