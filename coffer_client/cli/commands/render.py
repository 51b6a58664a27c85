"""`render`: fill a template with secrets, on stdout or in a file; with `--watch`, again for each release."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from coffer_common.command_line import Parsed
from coffer_common.program import with_extra
from coffer_protocol.errors import CofferError

from ...coffer import Coffer
from ...conversation.watching import Watcher
from ...delivery.placed_file import Access, place
from ...errors import CommandFailedError, ConfigurationError, TemplateError, UsageError
from ...io.blocking import iterate
from ...process import command as run
from .common import fetch, source, tell, warn, write
from .following import releases, run_shell

if TYPE_CHECKING:
    from ...delivery.template import Template

_STDIO: Final = "-"
# The options about a file, and about what happens when it changes.
_FOR_A_FILE: Final = ("mode", "owner", "exec", "watch")
# What the extra `template` installs, by the names under which it is imported.
_EXTRA: Final = frozenset({"jinja2", "markupsafe"})


def main(parsed: Parsed) -> None:
    """Print the filled template, or write it to a file."""
    path = parsed.text("output")
    if path is not None and path != _STDIO:
        _fill(path, parsed)
        return
    if any(parsed.values[name] for name in _FOR_A_FILE):
        raise UsageError("--mode, --owner, --exec and --watch need -o FILE")
    template = _load(parsed.arguments[0])
    write(template.render(fetch(source(parsed))))


def _fill(path: str, parsed: Parsed) -> None:
    """Write the file. With --watch, write it again for each release, and never return."""
    access = Access.from_text(mode=parsed.text("mode"), owner=parsed.text("owner"))
    template = _load(parsed.arguments[0], result=path)
    if access.is_everybodys:
        warn(f"--mode {access.mode:04o} lets every user of this machine read or change {path}")
    command = parsed.text("exec")

    origin = source(parsed)
    # If the server cannot be watched, nothing is begun.
    watcher = Watcher(origin) if parsed.switch("watch") else None
    # Whether the command has worked that the last change of the file was to run.
    is_in_use = True

    def bring(coffer: Coffer) -> None:
        nonlocal is_in_use
        if place(path, template.render(coffer), access) and command is not None:
            is_in_use = False
            run_shell(command, run.command_environment({}, os.environb))
            is_in_use = True
        if watcher is not None and is_in_use:
            watcher.use(coffer.release)

    coffer = fetch(origin)
    try:
        bring(coffer)
    except CommandFailedError as error:
        if watcher is None:
            raise
        _tell_of(coffer, error)
    if watcher is not None:
        _follow(watcher, bring, path)


def _follow(watcher: Watcher, bring: Callable[[Coffer], None], path: str) -> None:
    for coffer in releases(iterate(watcher.events()), has_begun=True, meanwhile=f"{path} stays as it is; trying again"):
        try:
            bring(coffer)
        except CommandFailedError as error:
            _tell_of(coffer, error)
        except CofferError as error:
            _tell_of(coffer, f"{error} ({path} stays as it is)")


def _tell_of(coffer: Coffer, what: object) -> None:
    tell(f"release {coffer.release.serial}: {what}")


def _load(name: str, *, result: str | None = None) -> Template:
    """Return the template of that name. `result` is the file to write, which must be another one."""
    try:
        from ...delivery.template import Template
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise ConfigurationError(f"render needs {missing}, which is not installed", hint=with_extra("template")) from None
    try:
        if name == _STDIO:
            return Template(sys.stdin.buffer.read().decode(), name="stdin")
        if result is not None and os.path.exists(result) and os.path.samefile(name, result):
            raise UsageError(f"{result} is the template itself, and the result would replace it: name another file")
        with open(name, "rb") as file:
            return Template(file.read().decode(), name=name)
    except OSError as error:
        raise TemplateError(f"{name}: the template cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{name}: the template is not text in UTF-8, from byte {error.start} on") from None
