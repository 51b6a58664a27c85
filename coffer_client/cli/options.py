"""The table of commands and their options, and a small parser that it drives.

`get` and `run` are parsed here; `app` builds help, and the commands of which nobody waits for the start, from the same table with typer.
Both read a command line in the same way, and a test holds them to it.
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING, Record

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

PROGRAM: Final = "coffer-client"
SUMMARY: Final = "Fetch this machine's secrets, sealed to its key and signed by their publisher."
HELP_FLAGS: Final = ("--help", "-h")

# A switch is on or off; another option has a text or None, or its texts where it is repeatable.
Value = str | bool | None | tuple[str, ...]


class Option(Record):
    """`--NAME METAVAR`, or the switch `--NAME` where there is no metavar. Given twice, the last one counts.

    Attributes:
        name: without the dashes.
        metavar: its value, as the help shows it.
        help: what it does.
        letter: where it has one, it is typed as `-LETTER` too. `parse` knows it of switches alone.
        is_repeatable: whether it may be given several times, and all of its values count.
        may_be_empty: whether an empty text is a value of it. Of another one it is most likely a variable that is not set.
    """

    name: str
    metavar: str | None = None
    help: str
    letter: str | None = None
    is_repeatable: bool = False
    may_be_empty: bool = False

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every way to type it."""
        return (self.flag, f"-{self.letter}") if self.letter else (self.flag,)

    @property
    def absent(self) -> Value:
        """Its value where it is not given."""
        if self.is_repeatable:
            return ()
        return None if self.metavar else False


class Arguments(Record):
    """What a command takes beside options.

    Attributes:
        metavar: one of them, as the help shows it.
        help: what they are.
        least, most: how many there may be; at most None is any number.
        are_command_line: whether the first begins another command's line, whose options are not ours.
    """

    metavar: str
    help: str
    least: int = 0
    most: int | None = None
    are_command_line: bool = False


class Command(Record):
    """One command.

    Attributes:
        name: as it is typed.
        help: what it does.
        options: in the order of the help.
        arguments: what it takes beside them, or None.
        examples: lines that a shell takes as they stand.
        exits: the codes of exits.EXITS with which it can end.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: Arguments | None = None
    examples: tuple[str, ...] = ()
    exits: tuple[int, ...] = (0, 1, 2)


class Parsed(Record):
    """A command line: what was typed, not yet what it means.

    Raises:
        UsageError: there are too few arguments, or too many; or an option is empty.
    """

    command: Command
    values: Mapping[str, Value]
    arguments: tuple[str, ...]

    def __post_init__(self) -> None:
        taken = self.command.arguments
        least, most = (taken.least, taken.most) if taken else (0, 0)
        if len(self.arguments) < least:
            raise UsageError(f"an argument is missing: `{PROGRAM} {self.command.name} --help` shows how")
        if most is not None and len(self.arguments) > most:
            raise UsageError(f"there are more arguments than {most}: `{PROGRAM} {self.command.name} --help` shows how")
        for option in self.command.options:
            value = self.values[option.name]
            if "" in (value if isinstance(value, tuple) else (value,)) and not option.may_be_empty:
                raise UsageError(f"{option.flag} is empty: give it a value ({option.metavar}), or leave it out")

    def text(self, name: str) -> str | None:
        """The value of an option, None where it was not given."""
        value = self.values[name]
        assert value is None or isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of a repeatable option, in their order."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return value

    def switch(self, name: str) -> bool:
        """Whether a switch was given."""
        return self.values[name] is True


VERSION: Final = Option(name="version", help="Print the version.")
HELP: Final = Option(name="help", letter="h", help="Show help, and exit.")

_SERVER: Final = Option(name="server", metavar="ADDRESS", help="The address that `coffer-companion address` prints. Else COFFER_SERVER.")
_IDENTITY: Final = Option(
    name="identity",
    metavar="PATH",
    help="The identity file. Else COFFER_IDENTITY (a path), COFFER_IDENTITY_TEXT (the secret text itself), systemd's credential "
    "coffer-identity, or $XDG_CONFIG_HOME/coffer/client.key.",
)
_BARE: Final = Option(
    name="bare",
    help="Use the identity's bare NaCl key (suite 0). Files made by `keygen --bare` say so themselves; else also COFFER_BARE=1.",
)
_TIMEOUT: Final = Option(name="timeout", metavar="SECONDS", help="How long to wait for the server, in all. Else COFFER_TIMEOUT, else 10.")
_STATE: Final = Option(
    name="state",
    metavar="DIR",
    help="Where this client remembers the newest release, and keeps the sealed cache. Else COFFER_STATE. Default: "
    "$XDG_STATE_HOME/coffer and $XDG_CACHE_HOME/coffer.",
)
_NO_CACHE: Final = Option(name="no-cache", help="Keep no cache, and use none. Else COFFER_NO_CACHE=1.")
_MAX_STALE: Final = Option(
    name="max-stale",
    metavar="TIME",
    help="How old the cache may be where it stands in for a server that does not answer: 30m, 12h, 7d (the default); 0 for never. "
    "Else COFFER_MAX_STALE.",
)
_CONFIG: Final = Option(
    name="config",
    metavar="PATH",
    help="The configuration file, which says what no option and no variable says. Else COFFER_CONFIG. Default: ./coffer.toml, "
    "$XDG_CONFIG_HOME/coffer/client.toml and /etc/coffer/client.toml, each for what those before it leave open.",
)
_JSON: Final = Option(name="json", help="Print one JSON object.")
_SOURCE: Final = (_SERVER, _IDENTITY, _BARE, _STATE, _CONFIG)
_FORMAT: Final = Option(
    name="format",
    metavar="raw|shell|dotenv|json|toml|docker|null",
    help="raw (the default): one value, exactly, with a newline on a terminal only. shell: export lines for eval; a failure prints "
    "`(exit N)`. dotenv: a .env file, as python-dotenv reads it. json: one object. toml: one document. docker: a file for --env-file. "
    "null: NAME=VALUE, each ended by a NUL, as env -0 prints. Dates are written as TOML does, bytes in base64 but for raw. "
    "But for json and toml, dots and dashes in keys become underscores.",
)
_NO_NEWLINE: Final = Option(name="no-newline", letter="n", help="With raw: add no newline on a terminal either.")
_TO_DIR: Final = Option(
    name="to-dir",
    metavar="DIR",
    help="Instead of printing, put each value into a file of its key's name in DIR (0400, in a folder 0700; bytes as they are, no newline "
    "added). DIR becomes a link to a folder beside it, and all of its files change at once. What was there before stays "
    "beside it, in .DIR.coffer, until the next time; `rm -r DIR .DIR.coffer` removes all. Best on a tmpfs: $XDG_RUNTIME_DIR, /run, "
    "/dev/shm.",
)
_ONLY: Final = Option(
    name="only",
    metavar="PATTERN",
    help="Only the secrets whose keys are like PATTERN (* any text, ? one character, [ab] one of these). May be given several times.",
    is_repeatable=True,
)
_EXCEPT: Final = Option(
    name="except", metavar="PATTERN", help="Not the secrets whose keys are like PATTERN. May be given several times.", is_repeatable=True
)
_PREFIX: Final = Option(name="prefix", metavar="TEXT", help="Begin each name with TEXT.", may_be_empty=True)
_UPPER: Final = Option(name="upper", help="Names in upper case, with their prefix.")
# Which secrets, and under which names: `common.naming` reads them.
NAMING: Final = (_ONLY, _EXCEPT, _PREFIX, _UPPER)
# Of a command that asks a server.
_ASKING: Final = (0, 1, 2, 3, 4, 5)

GET: Final = Command(
    name="get",
    help="Print secrets, or put them into files.",
    options=(_FORMAT, _NO_NEWLINE, _TO_DIR, *NAMING, *_SOURCE, _NO_CACHE, _MAX_STALE, _TIMEOUT),
    arguments=Arguments(metavar="KEY", help="Which, in this order; all of them without a KEY. raw wants exactly one."),
    examples=(
        "coffer-client get db.url",
        'eval "$(coffer-client get --format shell)"',
        "coffer-client get --format json smtp.host smtp.port",
        "coffer-client get --to-dir /run/shop/secrets --only 'smtp.*'",
    ),
    exits=(*_ASKING, 6),
)
KEYS: Final = Command(
    name="keys",
    help="Print the names of all secrets, a line each, and no value.",
    options=(
        Option(name="cached", help="Ask no server: take them from the sealed cache, however old it is. Shells complete KEY by this."),
        *_SOURCE,
        _NO_CACHE,
        _MAX_STALE,
        _TIMEOUT,
    ),
    examples=("coffer-client keys", "coffer-client keys --cached | grep '^db[.]'"),
    exits=_ASKING,
)
RUN: Final = Command(
    name="run",
    help="Run a command with the secrets in its environment.",
    options=(
        *NAMING,
        *_SOURCE,
        _NO_CACHE,
        _MAX_STALE,
        _TIMEOUT,
        Option(
            name="pristine",
            help="Give the command the secrets and nothing else of the environment, not even a PATH. CMD itself is still found by PATH.",
        ),
        Option(
            name="redact",
            help="Stay beside the command, and put `<secret NAME>` where it writes a secret's text to stdout or stderr. For it these are "
            "pipes. Texts shorter than 6 bytes are left, and so is what is encoded. Signals and exit status are still its own.",
        ),
        Option(name="watch", help="Stay beside the command, and act where its secrets change. Signals and exit status are still its own."),
        Option(
            name="on-change",
            metavar="restart|signal:HUP|exec:CMD",
            help="With --watch: start the command anew (the default), send it a signal, or have a shell run CMD with the new secrets.",
        ),
        Option(name="splay", metavar="TIME", help="With --watch: put that off by a random time, at most this: 30s. Default: 0."),
    ),
    arguments=Arguments(
        metavar="-- CMD",
        help="The command and its arguments. It takes this process's place: signals and exit status are its own. Secrets win over "
        "variables of their names; COFFER_IDENTITY_TEXT is taken out. Core dumps are off, until it turns them on itself.",
        least=1,
        are_command_line=True,
    ),
    examples=(
        "coffer-client run -- ./manage.py runserver",
        "coffer-client run --pristine --redact -- ./nightly-report",
        "coffer-client run --watch --on-change signal:HUP -- nginx -g 'daemon off;'",
    ),
    exits=(*_ASKING, 6, 126, 127),
)
WATCH: Final = Command(
    name="watch",
    help="Print a line for the current release, and for each new one as it comes.",
    options=(
        *_SOURCE,
        _NO_CACHE,
        Option(
            name="exec",
            metavar="CMD",
            help="Instead of the line (the time of signing, and the serial) run CMD in a shell, with the secrets in its environment.",
        ),
        *NAMING,
    ),
    examples=("coffer-client watch", "coffer-client watch --exec 'systemctl reload shop'"),
    exits=(*_ASKING, 6),
)
RENDER: Final = Command(
    name="render",
    help="Fill a template with secrets.",
    options=(
        Option(
            name="output",
            letter="o",
            metavar="FILE",
            help="The file to make; it is replaced at once and whole, and only where the result, the mode or the owner differs. A symbolic "
            "link is refused. Without it the result goes to stdout.",
        ),
        Option(name="mode", metavar="MODE", help="The file's mode, in octal. Default: 0600."),
        Option(name="owner", metavar="USER[:GROUP]", help="The file's owner, by names or numbers; needs root. Default: who runs this."),
        Option(
            name="exec",
            metavar="CMD",
            help="Where the file was made or replaced, run CMD in a shell. It gets no secrets in its environment.",
        ),
        Option(name="watch", help="Stay, and do the same for each new release. Where that fails, the file stays as it is."),
        *_SOURCE,
        _NO_CACHE,
        _MAX_STALE,
        _TIMEOUT,
    ),
    arguments=Arguments(
        metavar="TEMPLATE",
        help="A file in Jinja's language, in UTF-8; - is stdin. {{db.url}} is the secret db.url, as is {{secrets['db.url']}}; beside "
        "Jinja's own filters there are quote (a shell's word), b64 and tojson. A key that is not there is an error.",
        least=1,
        most=1,
    ),
    examples=(
        "coffer-client render app.ini.template -o /run/shop/app.ini",
        "coffer-client render app.ini.template -o /run/shop/app.ini --watch --exec 'systemctl reload shop'",
    ),
    exits=(*_ASKING, 6),
)
TRUST: Final = Command(
    name="trust",
    help="Show what this client remembers and trusts; or, with `reset`, forget it.",
    options=(*_SOURCE, Option(name="yes", help="Reset without asking.")),
    arguments=Arguments(
        metavar="reset", help="Forget, and begin with the address again: where the operator has confirmed that the server is right.", most=1
    ),
    examples=("coffer-client trust", "coffer-client trust reset --yes"),
)
KEYGEN: Final = Command(
    name="keygen",
    help="Make this client's identity, and print the line for the operator.",
    options=(Option(name="bare", help="To be known by a bare NaCl key of 64 hex digits (suite 0)."),),
    arguments=Arguments(metavar="PATH", help="The file to make. Default: $XDG_CONFIG_HOME/coffer/client.key.", most=1),
    examples=("coffer-client keygen", "coffer-client keygen --bare /etc/shop/coffer.key"),
)
ID: Final = Command(
    name="id",
    help="Print this client's public key, for the operator.",
    options=(_IDENTITY, Option(name="bare", help="Print the bare NaCl key, 64 hex digits."), _CONFIG),
    examples=("coffer-client id",),
)
INIT: Final = Command(
    name="init",
    help="Make this client's identity and configuration, and try the server.",
    options=(
        Option(name="bare", help="To be known by a bare NaCl key of 64 hex digits (suite 0)."),
        Option(name="identity", metavar="PATH", help="The identity file to use, or to make. Default: $XDG_CONFIG_HOME/coffer/client.key."),
        Option(
            name="config",
            metavar="PATH",
            help="The file to write: /etc/coffer/client.toml is the whole machine's. Else COFFER_CONFIG. Default: "
            "$XDG_CONFIG_HOME/coffer/client.toml.",
        ),
        Option(name="name", metavar="NAME", help="What the operator's definition is to call this client. Default: the machine's name."),
        Option(name="force", help="Write the address where the file names another one."),
        _TIMEOUT,
    ),
    arguments=Arguments(metavar="ADDRESS", help="The address that `coffer-companion address` prints.", least=1, most=1),
    examples=(
        'coffer-client init "$ADDRESS"',
        'coffer-client init --name web "$ADDRESS"',
        'coffer-client init --config /etc/coffer/client.toml --identity /etc/coffer/client.key "$ADDRESS"',
    ),
    exits=_ASKING,
)
CONFIG: Final = Command(
    name="config",
    help="Show each setting that is in force, and where it comes from.",
    options=(*_SOURCE, _NO_CACHE, _MAX_STALE, _TIMEOUT, _JSON),
    examples=("coffer-client config", "coffer-client config --json | jq -r .settings.server.value"),
)
DOCTOR: Final = Command(
    name="doctor",
    help="Try all that a fetch needs, step by step, and say what mends what fails.",
    options=(*_SOURCE, _NO_CACHE, _MAX_STALE, _TIMEOUT, _JSON),
    examples=("coffer-client doctor", "coffer-client doctor --json | jq -r '.steps[] | select(.state == \"fail\") | .mend'"),
    exits=_ASKING,
)
COMPLETION: Final = Command(
    name="completion",
    help="Print the script by which a shell completes commands, options, and KEYs.",
    options=(),
    arguments=Arguments(metavar="bash|zsh|fish", help="For which shell.", least=1, most=1),
    examples=(
        "source <(coffer-client completion bash)",
        "coffer-client completion zsh > /usr/local/share/zsh/site-functions/_coffer-client",
        "coffer-client completion fish > ~/.config/fish/completions/coffer-client.fish",
    ),
)
COMMANDS: Final = (INIT, GET, KEYS, RUN, WATCH, RENDER, TRUST, KEYGEN, ID, CONFIG, DOCTOR, COMPLETION)


def parse(command: Command, words: Sequence[str]) -> Parsed | None:
    """Read what follows the command's name.

    Returns:
        What was typed; None where it asks for help.

    Raises:
        UsageError: it is not a line that the command knows. The text repeats no option's value.
    """
    options = {flag: option for option in command.options for flag in option.flags}
    values = {option.name: option.absent for option in command.options}
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments += rest
        elif word == "-" or not word.startswith("-"):
            arguments.append(word)
            if command.arguments and command.arguments.are_command_line:
                arguments += rest
        else:
            # Letters may stand together behind one dash.
            for typed in (word,) if word.startswith("--") else (f"-{letter}" for letter in word[1:]):
                if typed in HELP_FLAGS:
                    return None
                flag, equals, text = typed.partition("=")
                option = options.get(flag)
                if option is None:
                    raise UsageError(f"there is no option {flag}: `{PROGRAM} {command.name} --help` lists them")
                following = next(rest, None) if option.metavar and not equals else None
                values[option.name] = _value(option, values[option.name], text if equals else following, is_attached=bool(equals))
    return Parsed(command=command, values=values, arguments=tuple(arguments))


def _value(option: Option, before: Value, text: str | None, *, is_attached: bool) -> Value:
    if option.metavar is None:
        if is_attached:
            raise UsageError(f"{option.flag} takes no value")
        return True
    if text is None:
        raise UsageError(f"{option.flag} needs a value: {option.flag} {option.metavar}")
    return (*before, text) if isinstance(before, tuple) else text
