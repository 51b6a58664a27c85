"""TOML tables -> items, each under its section and its flat key.

A definition may consist of several files, and of a base and an overlay. The files are gathered into one `Layer`, in which every key may be
set once. An overlay is a second layer over the first one, and may set any key again. The meaning of values does not matter here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coffer_protocol.address import check_name
from coffer_protocol.errors import KeyTextError, ShardError
from coffer_protocol.limits import KEY_BYTES
from coffer_protocol.shard import check_key, check_visible

from .source import Place, Report, Source

# Names that a client cannot have: these top-level tables have meanings of their own, now or later.
RESERVED: Final = frozenset({"clients", "coffer", "env", "include", "operators", "public", "shared"})

# The first key of a table that says from where to take a value.
FROM: Final = "from_"
SOURCES: Final = ("from_file", "from_env", "from_template", "from_value")

_PUBLIC: Final = "public"
_MEMBERS: Final = "clients"
_ID: Final = "id"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """A key, and what tomli has read for it.

    Attributes:
        raw: a TOML value, or a table that says from where to take the value.
        place: the key's place in its file.
        public: whether it is in a table `public`.
        group: the shared group that it belongs to, or None.
        overlay: the environment whose overlay it comes from, or None.
    """

    raw: Any
    place: Place
    public: bool = False
    group: str | None = None
    overlay: str | None = None


@dataclass(slots=True, kw_only=True)
class Section:
    """The items of one client or of one shared group, by flat key in the definition's order."""

    place: Place
    items: dict[str, Item] = field(default_factory=dict)
    members: Item | None = None


@dataclass(slots=True, kw_only=True)
class Layer:
    """The content of a definition's files, or that of an overlay."""

    coffer: dict[str, Item] = field(default_factory=dict)
    clients: dict[str, Item] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    groups: dict[str, Section] = field(default_factory=dict)


def gather(sources: tuple[Source, ...], report: Report) -> Layer:
    """Return the definition without overlays. If no file has `[clients]`, it has the form of the original Coffer."""
    layer = Layer()
    gatherer = _Gatherer(layer, report, overlay=None)
    original = not any("clients" in source.data for source in sources)
    for source in sources:
        gatherer.tables(source.data, Place(source, ()), original=original)
    return layer


def gather_overlay(sources: tuple[Source, ...], name: str, report: Report) -> Layer:
    """Return the overlay `[env.NAME]` of all files together."""
    layer = Layer()
    gatherer = _Gatherer(layer, report, overlay=name)
    known: dict[str, None] = {}
    found = False
    for source in sources:
        place = Place(source, ("env",))
        environments = source.data.get("env", {})
        if not isinstance(environments, dict):
            report.refuse(place, "env holds a table for each environment: write [env.staging.NAME]")
            continue
        known.update(dict.fromkeys(environments))
        if name in environments:
            found = True
            if isinstance(environments[name], dict):
                gatherer.tables(environments[name], place.within(name), original=False)
            else:
                report.refuse(place.within(name), f"an environment holds tables: write [env.{name}.NAME]")
    if not found:
        there = f"the environments are {', '.join(map(repr, known))}" if known else "there are no environments"
        report.refuse(Place(sources[0], ("env",)), f"no environment is called {name!r}; {there}: add [env.{name}.…], or name another")
    return layer


def overlay(base: Layer, over: Layer, report: Report) -> None:
    """Lay `over` over `base`, in place. It changes and adds values, and cannot remove any."""
    base.coffer.update(over.coffer)
    base.clients.update(over.clients)
    for below, above in ((base.sections, over.sections), (base.groups, over.groups)):
        for name, section in above.items():
            if name not in below:
                below[name] = section
                continue
            below[name].members = section.members or below[name].members
            for key, item in section.items.items():
                existing = below[name].items.get(key)
                if existing is not None and existing.public != item.public:
                    report.refuse(item.place, _both_kinds(key, item, existing))
                below[name].items[key] = item


class _Gatherer:
    def __init__(self, layer: Layer, report: Report, *, overlay: str | None) -> None:
        self._layer = layer
        self._report = report
        self._overlay = overlay

    def tables(self, tables: Mapping[str, Any], place: Place, *, original: bool) -> None:
        """Gather all tables of one file, or of one file's part of an overlay."""
        for name, raw in tables.items():
            here = place.within(name)
            match name:
                case "include" | "env" if self._overlay is None:
                    # `read_sources` and `gather_overlay` read these.
                    pass
                case "include" | "env":
                    self._report.refuse(here, f"an overlay cannot have {name!r}: move it to the top of the file")
                case "operators" | "public":
                    self._report.refuse(here, f"the name {name!r} is reserved: call the client something else")
                case _ if not isinstance(raw, dict):
                    self._report.refuse(here, "the top of a definition has only tables and include: move this into a client's table")
                case "coffer":
                    for key, value in raw.items():
                        self._put(self._layer.coffer, key, Item(raw=value, place=here.within(key), overlay=self._overlay))
                case "clients":
                    for client, key in raw.items():
                        self._client(client, key, here.within(client))
                case "shared":
                    for group, table in raw.items():
                        self._group(group, table, here.within(group))
                case _ if original:
                    self._original(name, raw, here)
                case _:
                    self._section(name, raw, here)

    def _client(self, name: str, raw: Any, place: Place) -> None:
        if name in RESERVED:
            self._report.refuse(place, f"the name {name!r} is reserved: call the client something else")
        elif self._is_name(name, "the client", place):
            self._put(self._layer.clients, name, Item(raw=raw, place=place, overlay=self._overlay))

    def _section(self, name: str, table: Mapping[str, Any], place: Place) -> None:
        section = self._layer.sections.setdefault(name, Section(place=place))
        self._fill(section, table, place, group=None)

    def _group(self, name: str, table: Any, place: Place) -> None:
        if not isinstance(table, dict):
            self._report.refuse(place, f"a shared group is a table: write [shared.{name}]")
        elif self._is_name(name, "the group", place):
            section = self._layer.groups.setdefault(name, Section(place=place))
            if _MEMBERS in table:
                members = {} if section.members is None else {_MEMBERS: section.members}
                self._put(members, _MEMBERS, Item(raw=table[_MEMBERS], place=place.within(_MEMBERS), overlay=self._overlay))
                section.members = members[_MEMBERS]
            self._fill(section, {key: raw for key, raw in table.items() if key != _MEMBERS}, place, group=name)

    def _original(self, name: str, table: Mapping[str, Any], place: Place) -> None:
        """Gather a table in the form of the original Coffer: a client if it has an id, otherwise a group of such tables."""
        if _ID in table and not isinstance(table[_ID], dict):
            self._client(name, table[_ID], place.within(_ID))
            self._section(name, {key: raw for key, raw in table.items() if key != _ID}, place)
            return
        for key, raw in table.items():
            if isinstance(raw, dict):
                self._original(f"{name}.{key}", raw, place.within(key))
            else:
                self._report.refuse(
                    place.within(key),
                    f'no client is listed for {name!r}: add [clients] with {name} = "…", the key that `coffer-client id` prints '
                    f"(or, in the form of the original Coffer, an id to this table)",
                )

    def _fill(self, section: Section, table: Mapping[str, Any], place: Place, *, group: str | None, public: bool = False) -> None:
        """Put the table of a client or a group, or its table `public`, into its section."""
        for key, raw in table.items():
            here = place.within(key)
            if key in SOURCES:
                self._report.refuse(here, f"this is a whole section, not one value: write KEY = {{ {key} = … }} inside it")
            elif key != _PUBLIC or public:
                self._flatten(section, key, raw, here, group=group, public=public)
            elif not isinstance(raw, dict):
                self._report.refuse(here, "the name 'public' is reserved for the table of what is not secret: call the key something else")
            else:
                self._fill(section, raw, here, group=group, public=True)

    def _flatten(self, section: Section, key: str, raw: Any, place: Place, *, group: str | None, public: bool) -> None:
        """Put a value, or all values of a table, under dotted keys."""
        # Each nested table makes the key longer, so the limit bounds the recursion too.
        if len(key.encode()) > KEY_BYTES:
            self._report.refuse(place, f"the key has {len(key.encode())} bytes, and a key has at most {KEY_BYTES}: shorten it")
            return
        if not place.path[-1]:
            self._report.refuse(place, "a key is empty: give it a name")
            return
        try:
            check_key(key)
        except ShardError as error:
            self._report.refuse(place, f"{error}: take them out")
            return
        try:
            check_visible(key, "the key")
        except ShardError as error:
            self._report.refuse(place, str(error))
            return
        if isinstance(raw, dict) and not any(inner.startswith(FROM) for inner in raw):
            for inner, value in raw.items():
                self._flatten(section, f"{key}.{inner}", value, place.within(inner), group=group, public=public)
            return
        self._put(section.items, key, Item(raw=raw, place=place, public=public, group=group, overlay=self._overlay))

    def _put(self, items: dict[str, Item], key: str, item: Item) -> None:
        existing = items.setdefault(key, item)
        if existing is item:
            return
        if existing.public != item.public:
            self._report.refuse(item.place, _both_kinds(key, item, existing))
        else:
            self._report.refuse(item.place, f"{key} is set twice, here and at {existing.place}: keep one of them")

    def _is_name(self, name: str, what: str, place: Place) -> bool:
        try:
            check_name(name, what)
        except KeyTextError as error:
            self._report.refuse(place, f"{error}: rename it")
            return False
        return True


def _both_kinds(key: str, item: Item, existing: Item) -> str:
    here, there = ("public", "secret") if item.public else ("secret", "public")
    return f"{key} is {here} here and {there} at {existing.place}: keep one of them, or rename it"
