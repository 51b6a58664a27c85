from __future__ import annotations

from functools import partial

import pytest

from coffer_companion.importers.dotenv.lines import Assignment, Fault, UnsetError, assigned, line_of, lookup, shown


@pytest.mark.parametrize("name", ["A", "_a.b-c", "DB_URL2"])
def test_names_that_errors_repeat(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize("name", ["", "1A", "a+b", "a/b", "a b", "é", "a=", "-a"])
def test_names_that_they_do_not(name: str) -> None:
    assert shown(name) is None
    fault = assigned(3, name, partial(str, "canary"))
    assert isinstance(fault, Fault)
    assert fault.line == 3
    assert not name or name not in fault.text.replace("a name for a variable", "")


def test_a_value_that_needs_another() -> None:
    assert assigned(1, "A", partial(lookup, {"B": "1"}, "B")) == Assignment(line=1, name="A", value="1")
    with pytest.raises(UnsetError, match="refers to B, which the file does not set before"):
        lookup({}, "B")
    with pytest.raises(UnsetError, match="refers to a variable, which"):
        lookup({}, "c a n a r y")
    fault = assigned(1, "A", partial(lookup, {}, "B"))
    assert isinstance(fault, Fault)
    assert fault.text.startswith("A refers to B, which the file does not set before: write the whole text")


def test_lines_are_counted_from_one() -> None:
    assert [line_of("a\nb\n", offset) for offset in (0, 1, 2, 4)] == [1, 1, 2, 3]
