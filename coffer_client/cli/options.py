"""The table of commands and their options. Command lines are read by it, and `help`, `completion` and docs/manuals print it.

`coffer-client get` loads this module at each start, so it imports no typing, enum or dataclasses at run time (docs/decisions/).
"""

from __future__ import annotations

from coffer_common.command_line import GENERAL, Arguments, Command, Option
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

PROGRAM: Final = "coffer-client"
SUMMARY: Final = "Fetch this machine's secrets, sealed to its key and signed by their publisher."

# The groups of options, as the help titles them.
SECRETS: Final = "Which secrets"
SERVER: Final = "Which server"
CACHE: Final = "Cache"
OUTPUT: Final = "Output"
CHANGES: Final = "Changes"
GROUPS: Final = (SECRETS, SERVER, CACHE, OUTPUT, CHANGES, GENERAL)

_SERVER: Final = Option(
    name="server",
    metavar="ADDRESS",
    group=SERVER,
    help="Ask the server with this address, which `coffer-companion address` prints. Default: COFFER_SERVER.",
)
_IDENTITY: Final = Option(
    name="identity",
    metavar="PATH",
    group=SERVER,
    help="Use this identity file. Default: COFFER_IDENTITY (a path), COFFER_IDENTITY_TEXT (the secret text itself), systemd's credential "
    "coffer-identity, or $XDG_CONFIG_HOME/coffer/client.key, in this order.",
)
_BARE: Final = Option(
    name="bare",
    group=SERVER,
    help="Use the identity's bare NaCl key (suite 0). A file that `keygen --bare` made does not need this. Default: COFFER_BARE, which is "
    "1 or 0.",
)
_TIMEOUT: Final = Option(
    name="timeout",
    metavar="SECONDS",
    group=SERVER,
    help="Wait at most this long for the server, in all. Default: COFFER_TIMEOUT, or 10.",
)
_CONFIG: Final = Option(
    name="config",
    metavar="PATH",
    group=SERVER,
    help="Read this configuration file, for what no option and no variable sets. Default: COFFER_CONFIG. If neither is given: "
    "./coffer.toml, $XDG_CONFIG_HOME/coffer/client.toml and /etc/coffer/client.toml, each for what those before it leave open.",
)
_STATE: Final = Option(
    name="state",
    metavar="DIR",
    group=CACHE,
    help="Remember the newest release, and keep the sealed cache, in this folder. Default: COFFER_STATE, or $XDG_STATE_HOME/coffer and "
    "$XDG_CACHE_HOME/coffer.",
)
_NO_CACHE: Final = Option(name="no-cache", group=CACHE, help="Keep no cache, and use none. Default: COFFER_NO_CACHE, which is 1 or 0.")
_MAX_STALE: Final = Option(
    name="max-stale",
    metavar="TIME",
    group=CACHE,
    help="If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never. Default: "
    "COFFER_MAX_STALE, or 7d.",
)
_JSON: Final = Option(name="json", group=OUTPUT, help="Print one JSON object.")
# The server, the credential, and what is remembered about the server.
_SOURCE: Final = (_SERVER, _IDENTITY, _BARE, _CONFIG, _STATE)
_FORMAT: Final = Option(
    name="format",
    metavar="FORMAT",
    choices=("raw", "shell", "dotenv", "json", "toml", "docker", "compose", "systemd", "gitlab", "github", "null"),
    group=OUTPUT,
    help="Print in this format. raw (the default): one value, exactly, with a newline on a terminal only. shell: export lines for eval; "
    "a failure prints `(exit N)`. dotenv: a .env file, exact for python-dotenv. json: one object. toml: one document. docker: a "
    "file for docker run --env-file. compose: a file for Docker Compose's env_file. systemd: an EnvironmentFile. gitlab: a report "
    "for artifacts:reports:dotenv. github: lines for $GITHUB_ENV; the commands that mask the secrets in the log go to stderr. "
    "null: NAME=VALUE, each ended by a NUL, as env -0 prints. Dates are written as in TOML, and bytes in base64, except in raw. In "
    "all formats but json and toml, dots and dashes in keys become underscores. A key whose value a format cannot hold is refused "
    "by name.",
)
_OUTPUT_FILE: Final = Option(
    name="output",
    letter="o",
    metavar="FILE",
    group=OUTPUT,
    help="Write to FILE, with mode 0600, in place of stdout. FILE is replaced as a whole, and not touched if nothing changes.",
)
_NO_NEWLINE: Final = Option(name="no-newline", letter="n", group=OUTPUT, help="With raw: add no newline, not even on a terminal.")
_TO_DIR: Final = Option(
    name="to-dir",
    metavar="DIR",
    group=OUTPUT,
    help="Write each value to a file of its key's name in DIR, and print nothing. The files have mode 0400 and the folder 0700; bytes are "
    "written as they are, and no newline is added. DIR becomes a link to a folder next to it, so that all files change at once. The "
    "files of the last time stay in .DIR.coffer until the next time; `rm -r DIR .DIR.coffer` removes all. DIR is best on a tmpfs: "
    "$XDG_RUNTIME_DIR, /run, /dev/shm.",
)
_ONLY: Final = Option(
    name="only",
    metavar="PATTERN",
    group=SECRETS,
    help="Take only the secrets whose keys match PATTERN (* any text, ? one character, [ab] one of these). May be given several times.",
    is_repeatable=True,
)
_EXCEPT: Final = Option(
    name="except",
    metavar="PATTERN",
    group=SECRETS,
    help="Leave out the secrets whose keys match PATTERN. May be given several times.",
    is_repeatable=True,
)
_PREFIX: Final = Option(name="prefix", metavar="TEXT", group=SECRETS, help="Begin each name with TEXT.", may_be_empty=True)
_UPPER: Final = Option(name="upper", group=SECRETS, help="Write names in upper case, with their prefix.")
# Which secrets, and under which names: `common.naming` reads them.
NAMING: Final = (_ONLY, _EXCEPT, _PREFIX, _UPPER)
# The exit codes of a command that asks a server.
_ASKING: Final = (0, 1, 2, 3, 4, 5)

GET: Final = Command(
    line=f"{PROGRAM} get",
    help="Print secrets, or write them to files.",
    options=(*NAMING, *_SOURCE, _TIMEOUT, _NO_CACHE, _MAX_STALE, _FORMAT, _NO_NEWLINE, _OUTPUT_FILE, _TO_DIR),
    arguments=(Arguments(metavar="KEY", help="The secrets to take, in this order; without a KEY, all of them. raw takes exactly one."),),
    examples=(
        "coffer-client get db.url",
        'eval "$(coffer-client get --format shell)"',
        "coffer-client get --format json smtp.host smtp.port",
        "coffer-client get --format systemd -o /run/shop.env",
        "coffer-client get --to-dir /run/shop/secrets --only 'smtp.*'",
    ),
    exits=(*_ASKING, 6),
)
KEYS: Final = Command(
    line=f"{PROGRAM} keys",
    help="Print the names of all secrets, one on each line, and no value.",
    options=(
        *_SOURCE,
        _TIMEOUT,
        Option(
            name="cached",
            group=CACHE,
            help="Ask no server, but read the sealed cache, however old it is. Shells complete KEY with it.",
        ),
        _NO_CACHE,
        _MAX_STALE,
    ),
    examples=("coffer-client keys", "coffer-client keys --cached | grep '^db[.]'"),
    exits=_ASKING,
)
RUN: Final = Command(
    line=f"{PROGRAM} run",
    help="Run a command with the secrets in its environment.",
    options=(
        *NAMING,
        Option(
            name="pristine",
            group=SECRETS,
            help="Give the command only the secrets, and nothing else of the environment, not even PATH. CMD itself is found by PATH.",
        ),
        *_SOURCE,
        _TIMEOUT,
        _NO_CACHE,
        _MAX_STALE,
        Option(
            name="redact",
            group=OUTPUT,
            help="Write `<secret NAME>` in place of each secret that the command writes to stdout or stderr; both are pipes for it. Texts "
            "shorter than 6 bytes, and encoded ones, are not replaced. coffer-client keeps running; signals and exit status are still the "
            "command's.",
        ),
        Option(
            name="watch",
            group=CHANGES,
            help="Keep running, and act when the secrets change. Signals and exit status are still the command's.",
        ),
        Option(
            name="on-change",
            metavar="restart|signal:HUP|exec:CMD",
            group=CHANGES,
            help="With --watch: start the command again (the default), send it a signal, or let a shell run CMD with the new secrets.",
        ),
        Option(
            name="splay",
            metavar="TIME",
            group=CHANGES,
            help="With --watch: delay that by a random time, at most this long: 30s. Default: 0.",
        ),
    ),
    arguments=(
        Arguments(
            metavar="-- CMD",
            help="The command and its arguments. It takes the place of this process, so signals and exit status are its own. A secret "
            "replaces a variable of the same name; COFFER_IDENTITY_TEXT is removed. Core dumps are off, unless the command turns them on.",
            least=1,
            are_command_line=True,
        ),
    ),
    examples=(
        "coffer-client run -- ./manage.py runserver",
        "coffer-client run --pristine --redact -- ./nightly-report",
        "coffer-client run --watch --on-change signal:HUP -- nginx -g 'daemon off;'",
    ),
    exits=(*_ASKING, 6, 126, 127),
)
WATCH: Final = Command(
    line=f"{PROGRAM} watch",
    help="Print a line for the current release, and for each new one when it comes.",
    options=(
        *NAMING,
        *_SOURCE,
        _NO_CACHE,
        Option(
            name="exec",
            metavar="CMD",
            group=CHANGES,
            help="Run CMD in a shell, with the secrets in its environment. The line (the time of signing, and the serial) is not printed.",
        ),
    ),
    examples=("coffer-client watch", "coffer-client watch --exec 'systemctl reload shop'"),
    exits=(*_ASKING, 6),
)
RENDER: Final = Command(
    line=f"{PROGRAM} render",
    help="Fill a template with secrets.",
    options=(
        *_SOURCE,
        _TIMEOUT,
        _NO_CACHE,
        _MAX_STALE,
        Option(
            name="output",
            letter="o",
            metavar="FILE",
            group=OUTPUT,
            help="Write the result to FILE, not to stdout. FILE is replaced at once, and only if the text, the mode or the owner differs. "
            "A symbolic link is refused.",
        ),
        Option(name="mode", metavar="MODE", group=OUTPUT, help="Give the file this mode, in octal. Default: 0600."),
        Option(
            name="owner",
            metavar="USER[:GROUP]",
            group=OUTPUT,
            help="Give the file this owner, by names or numbers; this needs root. Default: the user who runs this.",
        ),
        Option(
            name="exec",
            metavar="CMD",
            group=CHANGES,
            help="Run CMD in a shell after the file was written. CMD gets no secrets in its environment.",
        ),
        Option(
            name="watch",
            group=CHANGES,
            help="Keep running, and write the file for each new release. If that fails, the file stays as it is.",
        ),
    ),
    arguments=(
        Arguments(
            metavar="TEMPLATE",
            help="A file in Jinja's language, in UTF-8; - is stdin. {{db.url}} is the secret db.url, and so is {{secrets['db.url']}}. "
            "In addition to Jinja's own filters there are quote (one word for a shell), b64 and tojson. A key that does not exist is an "
            "error.",
            least=1,
            most=1,
        ),
    ),
    examples=(
        "coffer-client render app.ini.template -o /run/shop/app.ini",
        "coffer-client render app.ini.template -o /run/shop/app.ini --watch --exec 'systemctl reload shop'",
    ),
    exits=(*_ASKING, 6),
)
TRUST: Final = Command(
    line=f"{PROGRAM} trust",
    help="Show what this client remembers and trusts, and the evidence that it has kept; with `clear` or `reset`, delete one of the two.",
    options=(
        *_SOURCE,
        Option(
            name="json",
            group=OUTPUT,
            help="Print one JSON object. It has each signed head of the evidence in hex, for somebody else to verify.",
        ),
        Option(name="yes", help="Answer yes to the question whether everything that is remembered shall be deleted."),
    ),
    arguments=(
        Arguments(
            metavar="clear|reset",
            help="clear: remove the evidence (two heads of one serial, a head that does not follow, a history that was begun again), of "
            "which this client warns at each use until then. Do this when somebody has looked at it. reset: delete what is remembered, "
            "and begin again with what the address says; the evidence stays. Do this only if the operator has confirmed that the server "
            "is right.",
            most=1,
        ),
    ),
    examples=(
        "coffer-client trust",
        "coffer-client trust --json > evidence.json",
        "coffer-client trust clear",
        "coffer-client trust reset --yes",
    ),
)
KEYGEN: Final = Command(
    line=f"{PROGRAM} keygen",
    help="Make this client's identity, and print the line for the operator.",
    options=(Option(name="bare", help="Make an identity that the server knows by a bare NaCl key of 64 hex digits (suite 0)."),),
    arguments=(Arguments(metavar="PATH", help="The file to make. Default: $XDG_CONFIG_HOME/coffer/client.key.", most=1),),
    examples=("coffer-client keygen", "coffer-client keygen --bare /etc/shop/coffer.key"),
)
ID: Final = Command(
    line=f"{PROGRAM} id",
    help="Print this client's public key, for the operator.",
    options=(_IDENTITY, Option(name="bare", group=SERVER, help="Print the bare NaCl key, 64 hex digits."), _CONFIG),
    examples=("coffer-client id",),
)
INIT: Final = Command(
    line=f"{PROGRAM} init",
    help="Make this client's identity and configuration, and try the server.",
    options=(
        Option(name="bare", help="Make an identity that the server knows by a bare NaCl key of 64 hex digits (suite 0)."),
        Option(
            name="identity",
            metavar="PATH",
            help="Use this identity file; if it does not exist, make it. Default: $XDG_CONFIG_HOME/coffer/client.key.",
        ),
        Option(
            name="config",
            metavar="PATH",
            help="Write this configuration file; /etc/coffer/client.toml is the whole machine's. Default: COFFER_CONFIG, or "
            "$XDG_CONFIG_HOME/coffer/client.toml.",
        ),
        Option(name="name", metavar="NAME", help="Name the client like this in the line for the operator. Default: the machine's name."),
        Option(name="force", help="Write the address even if the file names another one."),
        _TIMEOUT,
    ),
    arguments=(Arguments(metavar="ADDRESS", help="The address that `coffer-companion address` prints.", least=1, most=1),),
    examples=(
        'coffer-client init "$ADDRESS"',
        'coffer-client init --name web "$ADDRESS"',
        'coffer-client init --config /etc/coffer/client.toml --identity /etc/coffer/client.key "$ADDRESS"',
    ),
    exits=_ASKING,
)
CONFIG: Final = Command(
    line=f"{PROGRAM} config",
    help="Show each setting that is in force, and its source.",
    options=(*_SOURCE, _TIMEOUT, _NO_CACHE, _MAX_STALE, _JSON),
    examples=("coffer-client config", "coffer-client config --json | jq -r .settings.server.value"),
)
DOCTOR: Final = Command(
    line=f"{PROGRAM} doctor",
    help="Try everything that a fetch needs, step by step, and say how to repair what fails.",
    options=(*_SOURCE, _TIMEOUT, _NO_CACHE, _MAX_STALE, _JSON),
    examples=("coffer-client doctor", "coffer-client doctor --json | jq -r '.steps[] | select(.state == \"fail\") | .mend'"),
    exits=_ASKING,
)
COMPLETION: Final = Command(
    line=f"{PROGRAM} completion",
    help="Print the script with which a shell completes commands, options, and KEYs.",
    options=(),
    arguments=(Arguments(metavar="bash|zsh|fish", help="The shell.", least=1, most=1),),
    examples=(
        "source <(coffer-client completion bash)",
        "coffer-client completion zsh > /usr/local/share/zsh/site-functions/_coffer-client",
        "coffer-client completion fish > ~/.config/fish/completions/coffer-client.fish",
    ),
)
# In the order of the help.
COMMANDS: Final = (INIT, GET, KEYS, RUN, WATCH, RENDER, TRUST, KEYGEN, ID, CONFIG, DOCTOR, COMPLETION)
