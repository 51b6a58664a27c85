"""What the manuals tell beside the table of commands: how a line is written, which variables and files there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coffer_client.exits import EXIT_INTERRUPTED, EXIT_READER_GONE, EXITS, Exit
from coffer_client.options import HELP, PROGRAM, VERSION, Command, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A thing by its name, and what it is; between backticks stands what is typed."""

    name: str
    text: str


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
ROOT_OPTIONS: Final = (VERSION, HELP)
# What every command ends with where it is interrupted stands in no row of the table, for no error is behind it.
INTERRUPTED: Final = Exit(code=EXIT_INTERRUPTED, meaning="interrupted, as by Ctrl-C")
_READER_GONE: Final = Exit(code=EXIT_READER_GONE, meaning="nobody reads any more what it prints, as behind `| head`")
ALL_EXITS: Final = (*EXITS, INTERRUPTED, _READER_GONE)
OWN_STATUS: Final = f"Else `{PROGRAM} run` ends with the command's own status."


def usage(command: Command) -> str:
    """How the command is typed."""
    words = [PROGRAM, command.name, "[OPTION]..."] if command.options else [PROGRAM, command.name]
    taken = command.arguments
    if taken is not None:
        words.append((taken.metavar if taken.least else f"[{taken.metavar}]") + ("..." if taken.most is None else ""))
    return " ".join(words)


def options(command: Command) -> tuple[Option, ...]:
    """The options of a command, and that for help."""
    return (*command.options, HELP)


def exits(command: Command) -> tuple[Exit, ...]:
    """How a command can end."""
    return (*(row for row in EXITS if row.code in command.exits), INTERRUPTED)
