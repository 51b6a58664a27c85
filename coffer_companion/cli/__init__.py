"""The command line `coffer-companion`: options in, sentences out. What the commands do is in the modules above this package.

Data goes to stdout, everything else to stderr. `exits.py` has the exit codes, `options.py` what the commands share.
"""

from __future__ import annotations

import sys

import typer

from coffer_protocol.errors import CofferError

from .. import import_command
from . import definitions, exits, looking, publishers, setup, status, uploads

app = typer.Typer(
    name="coffer-companion",
    help="Compile a definition of secrets and publish it to a Coffer server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# In the order of the help.
for name, command in (
    ("init", setup.init),
    ("keygen", setup.keygen),
    ("check", definitions.check),
    ("explain", definitions.explain),
    ("import", import_command.import_secrets),
    ("upload", uploads.upload),
    ("diff", uploads.diff),
    ("rollback", uploads.rollback),
    ("address", setup.address),
    ("history", looking.history),
    ("show", looking.show),
    ("verify", looking.verify),
    ("status", status.status),
):
    app.command(name)(command)
app.add_typer(publishers.app)


def run() -> None:
    """The command line, with every expected error as one sentence."""
    try:
        app()
    except CofferError as error:
        sys.exit(exits.report(error))
    except OSError as error:
        sys.exit(exits.report_system(error))
