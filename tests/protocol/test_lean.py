"""`lean` is held to what it stands in for: the same classes are made with the standard library's, and must do the same."""

from __future__ import annotations

import copy
import dataclasses
import enum
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from coffer_protocol import lean
from coffer_protocol.errors import KeyTextError
from coffer_protocol.frame import Header
from coffer_protocol.identity import Identity
from coffer_protocol.message import Direction, MessageType


class LeanNamed(lean.Record):
    kind: ClassVar[str] = "named"
    first: int
    second: tuple[int, ...] = (7,)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("below 0")


class LeanPlaced(lean.Record, kw_only=False):
    first: int
    second: str = "two"

    def __repr__(self) -> str:
        return "hidden"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandardNamed:
    kind: ClassVar[str] = "named"
    first: int
    second: tuple[int, ...] = (7,)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("below 0")


@dataclasses.dataclass(frozen=True, slots=True)
class StandardPlaced:
    first: int
    second: str = "two"

    def __repr__(self) -> str:
        return "hidden"


# A class by name alone, with a default, a check and a class variable; and one that takes its fields in their order.
BOTH = pytest.mark.parametrize(("named", "placed"), [(LeanNamed, LeanPlaced), (StandardNamed, StandardPlaced)], ids=["lean", "dataclasses"])


@BOTH
def test_values_are_made_compared_and_shown(named: Any, placed: Any) -> None:
    value = named(first=1)
    assert (value.first, value.second, value.kind) == (1, (7,), "named")
    assert value == named(second=(7,), first=1)
    assert hash(value) == hash(named(first=1))
    assert value != named(first=2)
    assert value != placed(1)
    assert repr(value).endswith("Named(first=1, second=(7,))")
    assert repr(placed(1)) == "hidden"
    assert placed(1, "x") == placed(first=1, second="x") != placed(1)


@BOTH
def test_values_are_checked_and_stay_as_they_are(named: Any, placed: Any) -> None:
    with pytest.raises(ValueError, match="below 0"):
        named(first=-1)
    value = named(first=1)
    with pytest.raises(AttributeError):
        value.first = 2
    with pytest.raises(AttributeError):
        del value.first
    # The standard library's slotted classes answer a name that is no field with a TypeError in some versions.
    with pytest.raises((AttributeError, TypeError)):
        value.third = 3
    assert not hasattr(value, "__dict__")
    assert value == named(first=1)


@BOTH
@pytest.mark.parametrize(
    "make",
    [
        lambda named, placed: named(),
        lambda named, placed: named(1),
        lambda named, placed: named(first=1, third=3),
        lambda named, placed: placed(),
        lambda named, placed: placed(1, "2", 3),
        lambda named, placed: placed(1, first=1),
    ],
)
def test_what_no_class_takes_is_refused(named: Any, placed: Any, make: Callable[[Any, Any], object]) -> None:
    with pytest.raises(TypeError):
        make(named, placed)


@BOTH
def test_values_match_by_name_and_in_their_order(named: Any, placed: Any) -> None:
    match named(first=1):
        case named(first=1, second=(seven,)):
            assert seven == 7
        case _:
            pytest.fail("not matched by name")
    match placed(1):
        case placed(1, "two"):
            pass
        case _:
            pytest.fail("not matched in order")
    assert named.__match_args__ == ()


@BOTH
def test_the_standard_librarys_functions_take_them(named: Any, placed: Any) -> None:
    value: Any = named(first=1)
    answer: object = dataclasses.is_dataclass(value)
    assert answer is True
    assert dataclasses.replace(value, second=()) == named(first=1, second=())
    assert [field.name for field in dataclasses.fields(value)] == ["first", "second"]
    assert dataclasses.asdict(value) == {"first": 1, "second": (7,)}
    with pytest.raises(ValueError, match="below 0"):
        dataclasses.replace(value, first=-1)
    assert copy.copy(value) == copy.deepcopy(value) == value


class Standard(enum.IntEnum):
    ONE = 1
    TEN = 10


class Lean(lean.IntEnum):
    ONE = 1
    TEN = 10


@pytest.mark.parametrize("numbers", [Standard, Lean])
def test_integers_have_names(numbers: Any) -> None:
    assert numbers(10) is numbers.TEN
    assert (numbers.TEN.name, numbers.TEN.value, numbers.TEN + 1, f"{numbers.TEN}", str(numbers.ONE)) == ("TEN", 10, 11, "10", "1")
    assert list(numbers) == [1, 10]
    assert numbers["TEN"] is numbers.TEN
    assert len(numbers) == 2
    assert {numbers.ONE: "one"}[1] == "one"
    assert repr(numbers.ONE) == f"<{numbers.__name__}.ONE: 1>"
    assert isinstance(numbers.ONE, int)
    with pytest.raises(ValueError, match="3 is not a valid"):
        numbers(3)


def test_equal_fields_make_no_equals_of_two_classes() -> None:
    class Twin(lean.Record):
        first: int
        second: tuple[int, ...] = (7,)

    other: object = LeanNamed(first=1)
    assert Twin(first=1) != other
    assert Twin(first=1) == Twin(first=1)
    assert len({hash(LeanNamed(first=number)) for number in range(9)}) > 1


def test_a_value_from_a_pickle_is_checked_again() -> None:
    header = Header(kind=1, length_bytes=2)
    assert pickle.loads(pickle.dumps(header)) == header
    reduced: Any = Identity(seed=bytes(32)).__reduce_ex__(2)
    remade, (kind, values) = reduced
    assert remade(kind, values) == Identity(seed=bytes(32))
    with pytest.raises(KeyTextError):
        remade(kind, (b"short",))


@pytest.mark.parametrize(
    "body",
    [
        "class Child(Header):\n    third: int",
        "class Changeable(Record):\n    items: list[int] = []",
        "class Own(Record):\n    first: int\n    def __reduce__(self): return 'own'",
    ],
)
def test_what_would_go_wrong_in_silence_is_refused_when_a_class_is_made(body: str) -> None:
    with pytest.raises(AssertionError):
        exec(f"from __future__ import annotations\n{body}", {"Header": Header, "Record": lean.Record, "__name__": __name__})


def test_values_and_members_survive_a_pickle() -> None:
    for value in (MessageType.OK_GET, Direction.CLIENT_TO_SERVER):
        assert pickle.loads(pickle.dumps(value)) is value
        assert copy.deepcopy(value) is value
