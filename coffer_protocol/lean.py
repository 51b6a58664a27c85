"""The parts of `dataclasses`, `enum` and `collections.abc` that Coffer uses, without the cost of importing them.

A shell script waits for `coffer-client get` to start. Importing `dataclasses` and making the values of protocol 1 with it took longer than
the whole rest of such a fetch (bench/README.md, "The client's start-up"). So the modules that a fetch loads take these names from here. A
type checker sees dataclasses (PEP 681) and the standard library's own names. At run time they are the few lines below, which behave the
same in what Coffer uses: frozen, slotted values with defaults, and integers with names.
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "IntEnum", "Mapping", "Record"]

# Type checkers take this for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field
    from enum import IntEnum
    from typing import Any, ClassVar, dataclass_transform

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    class Record:
        """A frozen, slotted dataclass of the fields that its body annotates, by the decorator's rules.

        Args:
            kw_only: whether the fields are given only by name.
        """

        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

        def __init_subclass__(cls, *, kw_only: bool = True) -> None: ...
else:
    # This module is `collections.abc`. Python starts with it, but not with the package around that name.
    from _collections_abc import Mapping

    class _Fields:
        """The attribute for which `dataclasses.replace`, `fields` and `is_dataclass` look. It is made when they do."""

        def __get__(self, value, kind):
            import dataclasses

            made = [
                (name, kind.__annotations__[name], dataclasses.field(default=kind._defaults.get(name, dataclasses.MISSING)))
                for name in kind._fields
            ]
            return dataclasses.make_dataclass(kind.__name__, made, kw_only=True).__dataclass_fields__

    class _Recording(type):
        """A metaclass that makes the annotated fields of a class its slots."""

        def __new__(cls, name, bases, space, *, kw_only=True):
            # The standard library's dataclasses allow these, and Coffer does not need them. They must not go wrong in silence.
            assert not bases or bases == (Record,)
            assert not {"__reduce__", "__getstate__"} & space.keys()
            fields = tuple([name for name, kind in space.get("__annotations__", {}).items() if not kind.startswith("ClassVar")])
            space["_defaults"] = {name: space.pop(name) for name in fields if name in space}
            assert not any(isinstance(value, list | dict | set) for value in space["_defaults"].values())
            space["__slots__"] = space["_fields"] = fields
            space["__match_args__"] = () if kw_only else fields
            return super().__new__(cls, name, bases, space)

    class Record(metaclass=_Recording):
        """The base of all records, with what a dataclass's decorator would generate."""

        __dataclass_fields__ = _Fields()

        def __init__(self, *given, **values):
            if given:
                count = len(given) + len(values)
                values.update(zip(self.__match_args__, given, strict=False))
                # There is one value too many, or one is given twice.
                if len(values) < count:
                    raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._fields)}")
            if self._defaults:
                values = self._defaults | values
            try:
                for name in self._fields:
                    object.__setattr__(self, name, values[name])
            except KeyError:
                raise TypeError(f"{type(self).__name__} lacks {name}") from None
            if len(values) > len(self._fields):
                raise TypeError(f"{type(self).__name__} has no {', '.join(values.keys() - set(self._fields))}")
            self.__post_init__()

        def __post_init__(self):
            """Check the values. A class overrides this with its own checks."""

        def _values(self):
            return tuple([getattr(self, name) for name in self._fields])

        def __repr__(self):
            return f"{type(self).__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in self._fields])})"

        def __eq__(self, other):
            return self._values() == other._values() if type(other) is type(self) else NotImplemented

        def __hash__(self):
            return hash(self._values())

        def __setattr__(self, name, value):
            raise AttributeError(f"a {type(self).__name__} cannot be changed: {name}")

        def __delattr__(self, name):
            raise AttributeError(f"a {type(self).__name__} cannot be changed: {name}")

        def __reduce_ex__(self, protocol):
            return _again, (type(self), self._values())

    def _again(kind, values):
        return kind(**dict(zip(kind._fields, values, strict=True)))

    class _Named(type):
        """A metaclass that makes the integers in a class's body the members of the class, and its only instances."""

        def __new__(cls, name, bases, space):
            # Python 3.13 and later also put the number of the first line into the body.
            numbers = {key: value for key, value in space.items() if type(value) is int and not key.startswith("__")}
            made = super().__new__(cls, name, bases, {key: value for key, value in space.items() if key not in numbers})
            made._members = {}
            for key, number in numbers.items():
                member = int.__new__(made, number)
                member.name, member.value = key, number
                made._members[number] = member
                setattr(made, key, member)
            return made

        def __call__(cls, value):
            try:
                return cls._members[value]
            except KeyError:
                raise ValueError(f"{value!r} is not a valid {cls.__name__}") from None

        def __getitem__(cls, name):
            return {member.name: member for member in cls}[name]

        def __iter__(cls):
            return iter(cls._members.values())

        def __len__(cls):
            return len(cls._members)

    class IntEnum(int, metaclass=_Named):
        """Integers with names, like `enum.IntEnum`."""

        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value}>"

        def __str__(self):
            return int.__repr__(self)

        def __reduce_ex__(self, protocol):
            return type(self), (self.value,)
