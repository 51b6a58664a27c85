"""The command line `coffer-companion`: reads options and prints results. The other packages do what the commands ask for.

Data goes to stdout, everything else to stderr.

Modules:
    setup.py         `init`, `keygen`, `id`, `address`
    definitions.py   `check`, `explain`
    imports.py       `import`
    uploads.py       `upload`, `diff`, `rollback`
    renewal.py       `renew`
    inspecting.py    `history`, `show`, `verify`
    status.py        `status`
    publishers.py    `publishers`
    options.py       the options that commands share
    output.py        how results are printed
    runner.py        runs commands, to an exit code
"""

from __future__ import annotations

from coffer_common.application import Program

from .. import PROGRAM
from ..errors import EXITS
from . import definitions, imports, inspecting, publishers, renewal, runner, setup, status, uploads

app = Program(
    PROGRAM,
    {row.code: row.meaning for row in EXITS},
    report=runner.report,
    help="Compile a definition of secrets and publish it to a Coffer server.",
)

# In the order of the help.
for name, command in (
    ("init", setup.init),
    ("keygen", setup.keygen),
    ("id", setup.show_id),
    ("check", definitions.check),
    ("explain", definitions.explain),
    ("import", imports.import_secrets),
    ("upload", uploads.upload),
    ("diff", uploads.diff),
    ("rollback", uploads.rollback),
    ("renew", renewal.renew),
    ("address", setup.address),
    ("history", inspecting.history),
    ("show", inspecting.show),
    ("verify", inspecting.verify),
    ("status", status.status),
):
    app.command(name)(command)
app.add_typer(publishers.app)
