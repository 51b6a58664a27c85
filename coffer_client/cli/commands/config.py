"""`config`: show each setting, and its source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from coffer_common import durations
from coffer_common.command_line import Parsed

from ...config import settings
from ...config.lookup import CREDENTIAL, DEFAULT, FLAG, Configuration, Found
from ...config.names import KINDS, key_of
from ...conversation.retrieval import DEFAULT_MAX_STALE_S, DEFAULT_TIMEOUT_S
from .common import write

# What is in force if nothing is set. The server has no default.
_DEFAULTS: Final = {
    "bare": "0",
    "no-cache": "0",
    "max-stale": durations.show(timedelta(seconds=DEFAULT_MAX_STALE_S)),
    "timeout": f"{DEFAULT_TIMEOUT_S:g}",
}
_NOT_SHOWN: Final = "(a secret, which is not shown)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting as it is shown.

    Attributes:
        key: its name in a file.
        value: None if it is not set, or if it is a secret.
        origin, place: as in `Found`.
    """

    key: str
    value: str | None
    origin: str
    place: str

    def where(self) -> str:
        """Return its source, for people."""
        if self.origin == CREDENTIAL:
            return f"systemd's, by ${self.place}"
        return self.place or self.origin

    def shown(self) -> str:
        """Return the value, for people."""
        if self.value is not None:
            return self.value
        return "(not set)" if self.origin == DEFAULT else _NOT_SHOWN


def rows(parsed: Parsed, configured: Configuration) -> Iterator[Row]:
    """Yield each setting.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    for name in KINDS:
        found = _found(parsed, configured, name)
        if found is None:
            yield Row(key=key_of(name), value=_DEFAULTS.get(name), origin=DEFAULT, place="")
        else:
            yield Row(key=key_of(name), value=found.text or None, origin=found.origin, place=found.place)


def _found(parsed: Parsed, configured: Configuration, name: str) -> Found | None:
    flag = f"--{name}"
    typed = ("1" if parsed.switch(name) else None) if KINDS[name] == "switch" else parsed.text(name)
    if typed:
        return Found(typed, FLAG, flag, flag)
    # An identity has more places than the others.
    return settings.find_identity(configured) if name == "identity" else configured.find(name)


def main(parsed: Parsed) -> None:
    """Print the settings and the files that were looked for."""
    configured = settings.configuration_of(os.environ, parsed.text("config"))
    shown = list(rows(parsed, configured))
    looked_at = configured.looked_at()
    if parsed.switch("json"):
        values = {row.key: {"value": row.value, "from": row.origin, "place": row.place} for row in shown}
        files = [{"path": path, "found": found} for path, found in looked_at.items()]
        write(json.dumps({"settings": values, "files": files}, indent=2).encode() + b"\n")
        return
    widths = [max(map(len, column)) for column in ([row.key for row in shown], [row.where() for row in shown])]
    lines = [f"{row.key:{widths[0]}}  {row.where():{widths[1]}}  {row.shown()}" for row in shown]
    lines += [f"{path}: {'read' if found else 'not there'}" for path, found in looked_at.items()]
    # To the system a path is bytes, which need not be UTF-8.
    write("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
