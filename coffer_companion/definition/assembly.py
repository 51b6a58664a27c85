"""Values, groups and templates -> what each client gets.

Thousands of clients may be in the same few groups. So the result of a combination of groups is computed once, as a `_Bundle`, and all its
clients share its secrets and origins. Only what a client has for itself takes memory of its own.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from coffer_protocol import cbor
from coffer_protocol.errors import ShardError
from coffer_protocol.identity import ClientKey
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.shard import Secret

from .layers import Layer, Section
from .model import Client, Origin
from .source import Place, Report
from .templates import TemplateError
from .values import Value, ValueReader, encoded_size

_EVERYONE: Final = "*"
_LARGEST_SHOWN: Final = 3
_NAMES_SHOWN: Final = 3

# Values by key, in the order of delivery.
_Values = Mapping[str, Value]


@dataclass(slots=True, kw_only=True)
class _Bundle:
    """What the clients of one combination of groups share.

    Attributes:
        values: the values as read. If several groups have a key, the first group's value.
        ready: the same values with templates filled in, as far as that is possible from the bundle alone.
        conflicts: the keys for which two groups differ.
        templated: the keys of its templates, and the keys that they use. A client with a value for one of these needs its own templates.
        secrets: the secrets of `ready`, as a client gets them that has nothing but these groups.
        origins: the origins of `ready`.
        public: the public keys.
        size_bytes: the size of all values in `ready`.
    """

    values: dict[str, Value] = field(default_factory=dict)
    conflicts: dict[str, tuple[Value, Value]] = field(default_factory=dict)
    templated: frozenset[str] = frozenset()
    ready: dict[str, Value] | None = None
    secrets: tuple[Secret, ...] = ()
    origins: dict[str, Origin] = field(default_factory=dict)
    public: frozenset[str] = frozenset()
    size_bytes: int = 0


class Assembler:
    """Assembles the clients. The report gets what is wrong."""

    def __init__(self, layer: Layer, keys: Mapping[str, tuple[ClientKey, ...]], reader: ValueReader, report: Report) -> None:
        self._layer = layer
        self._keys = keys
        self._reader = reader
        self._report = report
        self._bundles: dict[tuple[str, ...], _Bundle] = {}
        self._disputes: dict[tuple[Value, Value], list[str]] = {}

    def clients(self) -> dict[str, Client]:
        """Return all clients by name, in the order of `[clients]`."""
        without_section = [name for name in self._keys if name not in self._layer.sections]
        for name, section in self._layer.sections.items():
            if name not in self._keys:
                self._report.refuse(section.place, self._unlisted(name, without_section))
        groups_of = self._members()
        group_values = {name: self._read(group) for name, group in self._layer.groups.items()}
        clients = {}
        for name, keys in self._keys.items():
            groups = tuple(groups_of[name])
            if groups not in self._bundles:
                self._bundles[groups] = _bundle(group_values[group] for group in groups)
            clients[name] = self._client(name, keys, self._bundles[groups])
        self._report_disputes()
        return clients

    def _unlisted(self, name: str, without_section: Sequence[str]) -> str:
        """Return what is wrong with a section whose client is not in `[clients]`.

        Args:
            name: the section's name.
            without_section: the listed clients without a section. The section may be for one of them, under another name.
        """
        nearest = self._report.nearest(name, self._keys)
        sentence = f"no client is called {name!r}{nearest}: list it in [clients] with its key, or take the section out"
        if without_section:
            sentence += f"; [clients] has {_some(without_section)} without a section, so if that is the client, use one name for both"
        return sentence

    def _read(self, section: Section) -> dict[str, Value]:
        return {key: self._reader.read(key, item) for key, item in section.items.items()}

    def _members(self) -> dict[str, list[str]]:
        """Return the groups of each client, in the definition's order."""
        groups_of: dict[str, list[str]] = {name: [] for name in self._keys}
        for group, section in self._layer.groups.items():
            for name in self._listed(group, section):
                if group in groups_of[name][-1:]:
                    assert section.members is not None
                    self._report.refuse(section.members.place, f"the group lists {name!r} twice: take one out")
                else:
                    groups_of[name].append(group)
        return groups_of

    def _listed(self, group: str, section: Section) -> Iterable[str]:
        if section.members is None:
            self._report.refuse(
                section.place, f'the group does not list its clients: add clients = ["web", "worker"], or ["{_EVERYONE}"] for all'
            )
            return
        place, listed = section.members.place, section.members.raw
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            self._report.refuse(place, f'clients is a list of names: write clients = ["web", "worker"], or ["{_EVERYONE}"] for all')
        elif listed == [_EVERYONE]:
            yield from self._keys
        elif _EVERYONE in listed:
            self._report.refuse(place, f"{_EVERYONE!r} is already every client: take the other names out")
        elif not listed:
            self._report.warn(place, f"the group {group!r} has no clients, so nobody gets its secrets: add clients")
        else:
            for index, name in enumerate(listed):
                if name in self._keys:
                    yield name
                else:
                    self._report.refuse(
                        place.within(index), f"no client is called {name!r}{self._report.nearest(name, self._keys)}: list it in [clients]"
                    )

    def _client(self, name: str, keys: tuple[ClientKey, ...], bundle: _Bundle) -> Client:
        section = self._layer.sections.get(name)
        place = self._layer.clients[name].place if section is None else section.place
        own = {} if section is None else self._read(section)
        for key, dispute in bundle.conflicts.items():
            if key not in own:
                self._disputes.setdefault(dispute, []).append(name)
        if not own and not bundle.values:
            self._report.warn(place, f"client {name!r} has no section and no group, so it gets nothing: add [{name}], or take it out")
        if own.keys().isdisjoint(bundle.templated):
            shared = self._ready(bundle, name)
            own = self._fill(own, shared, name)
        else:
            filled = self._fill({**own, **{key: value for key, value in bundle.values.items() if key not in own}}, {}, name)
            shared = {key: filled[key] for key in bundle.values if key not in own}
            own = {key: filled[key] for key in own}
        if shared is bundle.ready and own.keys().isdisjoint(shared):
            secrets = (*_secrets(own), *bundle.secrets) if own else bundle.secrets
            public = bundle.public | _public(own) if own else bundle.public
            size_bytes = bundle.size_bytes + _size(own)
        else:
            shared = {key: value for key, value in shared.items() if key not in own}
            secrets = (*_secrets(own), *_secrets(shared))
            public = _public(own) | _public(shared)
            size_bytes = _size(own) + _size(shared)
        size_bytes += len(cbor.array_head(len(secrets)))
        if size_bytes > SHARD_BYTES:
            self._too_large(name, place, {**shared, **own}, size_bytes)
        own_origins = {key: _over(value.origin, bundle.values.get(key)) for key, value in own.items()}
        origins = ChainMap(own_origins, bundle.origins) if own_origins else bundle.origins
        return Client(name=name, keys=keys, secrets=secrets, public=public, origins=origins)

    def _ready(self, bundle: _Bundle, name: str) -> dict[str, Value]:
        """Return the bundle's values with templates filled in. They are computed for the first client and kept."""
        if bundle.ready is None:
            bundle.ready = self._fill(bundle.values, {}, name)
            bundle.secrets = _secrets(bundle.ready)
            bundle.public = _public(bundle.ready)
            bundle.size_bytes = _size(bundle.ready)
        return bundle.ready

    def _fill(self, values: dict[str, Value], ready: dict[str, Value], name: str) -> dict[str, Value]:
        """Return `values` with their templates filled in from each other and from `ready`."""
        templates = {key: value.template for key, value in values.items() if value.template is not None}
        if not templates:
            return values
        graph = {key: [used for used in template.references() if used in templates] for key, template in templates.items()}
        try:
            order = tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            # graphlib names each key before the one that uses it. People read a chain the other way round.
            chain = tuple(reversed(error.args[1]))
            value = values[chain[0]]
            self._report.refuse(value.item.place, f"the templates use each other in a circle ({' -> '.join(chain)}): break it")
            return values
        filled = dict(values)
        for key in order:
            filled[key] = self._fill_one(filled[key], ChainMap(filled, ready), name)
        return filled

    def _fill_one(self, value: Value, others: _Values, name: str) -> Value:
        assert value.template is not None
        contents = {}
        for used in value.template.references():
            other = others.get(used)
            if other is None:
                self._report.refuse(
                    value.item.place,
                    f"the template uses {used!r}, and client {name!r} has no such key{self._report.nearest(used, others)}: "
                    "name one of its keys; a brace itself is written twice",
                )
            elif value.item.public and not other.item.public:
                self._report.refuse(
                    value.item.place, f"the template is public and would show the secret {used!r}: move it out of the table public"
                )
            elif other.secret is not None:
                contents[used] = other.secret.value
        if len(contents) < len(value.template.references()):
            # The missing values have already been refused.
            return replace(value, template=None)
        try:
            secret = Secret(key=value.key, value=value.template.fill(contents))
            return replace(value, template=None, secret=secret, size_bytes=encoded_size(secret))
        except (TemplateError, ShardError) as error:
            self._report.refuse(value.item.place, str(error))
            return replace(value, template=None)

    def _too_large(self, name: str, place: Place, values: _Values, size_bytes: int) -> None:
        largest = sorted(values.values(), key=lambda value: -value.size_bytes)[:_LARGEST_SHOWN]
        shown = ", ".join(f"{value.key} ({value.size_bytes} bytes)" for value in largest)
        self._report.refuse(
            place,
            f"client {name!r} would get {size_bytes} bytes, and at most {SHARD_BYTES} can be delivered (its largest keys are {shown}): "
            "keep large files elsewhere, and deliver only the key to them",
        )

    def _report_disputes(self) -> None:
        for (first, second), names in self._disputes.items():
            self._report.refuse(
                second.item.place,
                f"the groups {first.item.group!r} and {second.item.group!r} (at {first.item.place}) differ in {second.key!r} for "
                f"{_some(names)}: make them agree, or give the client a value of its own",
            )


def _some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


def _bundle(groups: Iterable[_Values]) -> _Bundle:
    bundle = _Bundle()
    for values in groups:
        for key, value in values.items():
            first = bundle.values.setdefault(key, value)
            if first is not value and not _same(first, value):
                bundle.conflicts.setdefault(key, (first, value))
    templates = {key: value.template for key, value in bundle.values.items() if value.template is not None}
    bundle.templated = frozenset(templates).union(*(template.references() for template in templates.values()))
    bundle.origins = {key: value.origin for key, value in bundle.values.items()}
    return bundle


def _same(first: Value, second: Value) -> bool:
    """Return whether two values are the same for a client. A refused value counts as the same: one error is enough."""
    if first.item.public != second.item.public:
        return False
    if first.template is not None or second.template is not None:
        return first.template == second.template
    if first.secret is None or second.secret is None:
        return True
    # Compare type and text: 1, 1.0 and true are equal in Python, and "not a number" does not equal itself.
    return (type(first.secret.value), repr(first.secret.value)) == (type(second.secret.value), repr(second.secret.value))


def _over(origin: Origin, shared: Value | None) -> Origin:
    if shared is None:
        return origin
    return replace(origin, how=f"{origin.how} (over shared group {shared.item.group!r})")


def _secrets(values: _Values) -> tuple[Secret, ...]:
    return tuple(value.secret for value in values.values() if value.secret is not None)


def _public(values: _Values) -> frozenset[str]:
    return frozenset(key for key, value in values.items() if value.item.public)


def _size(values: _Values) -> int:
    return sum(value.size_bytes for value in values.values())
