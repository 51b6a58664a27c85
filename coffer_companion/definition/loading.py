"""From a path to a `Definition`: files, layers, keys, values and clients, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from coffer_common import durations
from coffer_common.errors import UsageError
from coffer_protocol.address import ServerAddress, check_name
from coffer_protocol.errors import KeyTextError

from .assembly import Assembler
from .clients import KeyReader
from .layers import Item, Layer, gather, gather_overlay
from .layers import overlay as lay_over
from .model import Definition
from .source import Folder, Place, Report, Source, read_sources
from .values import ValueReader

_SETTINGS: Final = ("name", "server", "plain_server", "expires")


def load(
    path: Path,
    *,
    overlay: str | None = None,
    environ: Mapping[str, str],
    allow_outside: bool = False,
    today: date,
) -> Definition:
    """Read a definition and check all of it.

    Args:
        path: the definition's file. Names in a file are relative to that file.
        overlay: the environment whose `[env.NAME]` is laid over the rest, or None.
        environ: the variables for `from_env`.
        allow_outside: whether the definition may name files outside its folder.
        today: the day to compare `expires` with.

    Raises:
        DefinitionError: something cannot be delivered exactly as it is written. The error has every such problem that one run can find.
        UnavailableError: this machine's libraries have no ML-KEM-768, so they cannot read public key texts.
    """
    report = Report()
    folder = Folder(path.parent, allow_outside=allow_outside)
    sources = read_sources(path, folder, report)
    # A file that could not be read would be missed in many places.
    report.stop_if_refused()
    layer = gather(sources, report)
    clear_files = _clear_files(layer, sources)
    if overlay is not None:
        lay_over(layer, gather_overlay(sources, overlay, report), report)
    if not layer.clients:
        report.refuse(Place(sources[0], ()), 'there are no clients: add [clients] with NAME = "…", the key that `coffer-client id` prints')
    settings = _settings(layer, report)
    key_reader = KeyReader(folder, report)
    keys = {name: key_reader.read(name, item) for name, item in layer.clients.items()}
    values = ValueReader(folder=folder, environ=environ, today=today, report=report)
    clients = Assembler(layer, keys, values, report).clients()
    report.stop_if_refused()
    return Definition(
        path=path,
        name=settings.get("name"),
        server=settings.get("server"),
        plain_server=settings.get("plain_server"),
        expires=settings.get("expires"),
        clients=clients,
        warnings=report.warnings,
        clear_files=clear_files,
        secret_files=tuple(dict.fromkeys((*values.secret_files, *_with_unused_overlays(sources)))),
    )


def _settings(layer: Layer, report: Report) -> dict[str, str]:
    """Return the valid settings in `[coffer]`."""
    settings = {}
    for key, item in layer.coffer.items():
        if key not in _SETTINGS:
            report.refuse(
                item.place, f"[coffer] has no {key!r}{report.nearest(key, _SETTINGS)}; it has {', '.join(_SETTINGS)}: take it out"
            )
        elif not isinstance(item.raw, str):
            report.refuse(item.place, f"{key} is a text: write it in quotes")
        elif fault := _fault(key, item):
            report.refuse(item.place, f"{fault}: correct it")
        else:
            settings[key] = item.raw
    return settings


def _fault(key: str, item: Item) -> str | None:
    try:
        match key:
            case "name":
                check_name(item.raw, "the coffer's name")
            case "expires":
                durations.parse_lifetime(item.raw, key)
            case _:
                ServerAddress.from_text(item.raw)
    except (KeyTextError, UsageError) as error:
        return str(error)
    return None


def _clear_files(layer: Layer, sources: tuple[Source, ...]) -> tuple[Path, ...]:
    """Return the files that have secret values in the clear, in the definition itself or in an overlay, whether or not it is used."""
    environments = [source.data.get("env") for source in sources]
    names = dict.fromkeys(name for tables in environments if isinstance(tables, dict) for name in tables)
    # If a value is wrong in an overlay that is not used, nobody needs to know.
    layers = (layer, *(gather_overlay(sources, name, Report()) for name in names))
    sections = (section for each in layers for section in (*each.sections.values(), *each.groups.values()))
    items = (item for section in sections for item in section.items.values())
    return tuple(dict.fromkeys(item.place.source.path for item in items if not item.public and _is_clear(item.raw)))


def _is_clear(raw: Any) -> bool:
    return not isinstance(raw, dict) or "from_value" in raw


def _with_unused_overlays(sources: tuple[Source, ...]) -> tuple[Path, ...]:
    """Return the files with overlays: an overlay that is not used also holds secrets in the clear."""
    return tuple(source.path for source in sources if source.data.get("env"))
