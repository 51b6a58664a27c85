from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol import cbor
from coffer_protocol.cbor import Tagged
from coffer_protocol.errors import DecodeError
from tests.support import ROOT, public_vectors

scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text() | st.integers(-(2**63), 2**63), children, max_size=4),
    max_leaves=6,
)


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, children), default=0)


@given(values)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    if depth(value) < cbor.MAX_DEPTH:
        decoded = cbor.decode(cbor.encode(value))
        assert decoded == value
        assert cbor.encode(decoded) == cbor.encode(value)


@given(st.binary(max_size=64))
def test_random_bytes_are_refused_or_have_one_encoding(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except DecodeError:
        return
    assert cbor.encode(value) == data


# What appendix A shows and protocol 1 does not use, with the reason; all else there must be read rightly.
REFUSED_ON_PURPOSE = {
    "c249010000000000000000": "bignum",
    "c349010000000000000000": "bignum",
    "f7": "undefined",
    "f0": "simple value",
    "f818": "simple value",
    "f8ff": "simple value",
    "c074323031332d30332d32315432303a30343a30305a": "tag that the caller did not name",
    "c11a514b67b0": "tag",
    "c1fb41d452d9ec200000": "tag",
    "d74401020304": "tag",
    "d818456449455446": "tag",
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d": "tag",
}


def test_rfc_8949_appendix_a_is_read_rightly_or_refused_on_purpose() -> None:
    read = refused = 0
    for vector in public_vectors("cbor_appendix_a"):
        data = bytes.fromhex(vector["hex"])
        is_short_float = data[0] in (0xF9, 0xFA)
        is_indefinite = data[0] & 0x1F == 31 and data[0] >> 5 in (2, 3, 4, 5)
        has_indefinite_inside = data.endswith(b"\xff") and not vector["roundtrip"]
        if vector["hex"] in REFUSED_ON_PURPOSE or is_short_float or is_indefinite or has_indefinite_inside or not vector["roundtrip"]:
            if vector["hex"].startswith("fb"):
                # Doubles that would fit a shorter form: ours are always 64 bits, and NaN has one form.
                assert cbor.encode(cbor.decode(data)) == data
                read += 1
                continue
            with pytest.raises(DecodeError):
                cbor.decode(data)
            refused += 1
            continue
        decoded = cbor.decode(data)
        assert cbor.encode(decoded) == data
        if "decoded" in vector:
            expected = vector["decoded"]
            assert decoded == expected if not isinstance(decoded, dict) else {str(key): item for key, item in decoded.items()} == expected
        read += 1
    assert read + refused == 82
    assert read >= 40


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("nothing", ""),
        ("trailing byte", "0000"),
        ("cut short", "8201"),
        ("long form of a length", "1801"),
        ("indefinite text", "7f616161620aff"),
        ("indefinite map", "bf616101ff"),
        ("duplicate map key", "a2616101616102"),
        ("map keys out of order", "a2616201616102"),
        ("byte string as map key", "a1414100"),
        ("boolean as map key", "a1f500"),
        ("list as map key", "a1810100"),
        ("half float", "f93e00"),
        ("single float", "fa3fc00000"),
        ("another NaN", "fb7ff8000000000001"),
        ("unknown tag", "d82a00"),
        ("bignum", "c24101"),
        ("shared reference", "d81c80"),
        ("regular expression", "d8236161"),
        ("not UTF-8", "62fffe"),
        ("surrogate", "63eda080"),
        ("a huge array that is not there", "9bffffffffffffffff"),
        ("a huge string that is not there", "5bffffffffffffffff"),
        ("too deep", "81" * 40 + "00"),
        ("far too deep", "81" * 100_000 + "00"),
        ("reserved length", "1c"),
        ("break alone", "ff"),
    ],
)
def test_refuses(why: str, data: str) -> None:
    with pytest.raises(DecodeError):
        cbor.decode(bytes.fromhex(data))


def test_floats_are_always_64_bits() -> None:
    assert cbor.encode([1.5, math.inf, -math.inf, math.nan]).hex() == (
        "84fb3ff8000000000000fb7ff0000000000000fbfff0000000000000fb7ff8000000000000"
    )


@pytest.mark.parametrize("value", [object(), {1, 2}, 2**64, -(2**64) - 1, [object()]])
def test_what_protocol_1_does_not_have_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError, match="protocol 1"):
        cbor.encode(value)


def test_the_number_of_items_is_bounded() -> None:
    assert cbor.decode(cbor.encode([0] * 9), max_items=10) == [0] * 9
    with pytest.raises(DecodeError, match="too many items"):
        cbor.decode(cbor.encode([0] * 10), max_items=10)
    with pytest.raises(DecodeError, match="too many items"):
        list(cbor.iter_items(cbor.encode([0] * 10), 1, max_items=10))


def test_a_tag_is_read_only_where_it_is_named() -> None:
    data = cbor.encode(Tagged(1004, "2026-01-31"))
    assert cbor.decode(data, tags=(1004,)) == Tagged(1004, "2026-01-31")
    with pytest.raises(DecodeError):
        cbor.decode(data, tags=(0,))


def test_items_are_decoded_one_by_one() -> None:
    items = cbor.iter_items(cbor.encode(1) + cbor.encode("two") + b"\xff", 3)
    assert next(items) == 1
    assert next(items) == "two"
    with pytest.raises(DecodeError):
        next(items)


@pytest.mark.parametrize(("data", "count"), [("0102", 1), ("01", 2), ("1801", 1)])
def test_items_with_bytes_left_missing_or_in_long_form_are_refused(data: str, count: int) -> None:
    with pytest.raises(DecodeError):
        list(cbor.iter_items(bytes.fromhex(data), count))


@given(st.integers(0, 2**64 - 1))
def test_an_arrays_head_both_ways(length: int) -> None:
    assert cbor.split_array(cbor.array_head(length) + b"rest") == (length, b"rest")


@pytest.mark.parametrize("data", ["", "40", "9801", "990001", "9f", "9c", "98"])
def test_refuses_an_arrays_head(data: str) -> None:
    with pytest.raises(DecodeError):
        cbor.split_array(bytes.fromhex(data))


def test_the_first_of_several() -> None:
    assert cbor.split_first(cbor.encode(b"signed") + b"rest") == (b"signed", b"rest")
    with pytest.raises(DecodeError):
        cbor.split_first(bytes.fromhex("1801ff"))


# --------------------------------------------------------------------------------------------------------- cbor2's core
# In processes of their own: what this one has loaded, it cannot load again.


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys\n{program}"], cwd=ROOT, check=True)


def test_the_core_is_cbor2s_own_in_whatever_order_they_come() -> None:
    same = "from cbor2 import dumps\nassert dumps is cbor.cbor2.dumps is cbor.load_core().dumps"
    run(f"from coffer_protocol import cbor\nassert 'cbor2' not in sys.modules\n{same}")
    run(f"import cbor2\nfrom coffer_protocol import cbor\n{same}")


def test_threads_that_want_the_core_at_the_same_time_get_the_same() -> None:
    run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from importlib import import_module\n"
        "from threading import Barrier\n"
        "sys.setswitchinterval(1e-6)\n"
        "barrier = Barrier(8)\n"
        "def load(number):\n"
        "    barrier.wait()\n"
        "    if number % 2:\n"
        "        return import_module('cbor2').dumps\n"
        "    return import_module('coffer_protocol.cbor').load_core().dumps\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    assert len(set(pool.map(load, range(8)))) == 1\n"
    )


def test_the_standard_library_stays_as_it_was() -> None:
    run(
        # As in a start in which no application and no finder of editable packages has loaded them.
        "for name in ('collections', 'collections.abc'):\n"
        "    sys.modules.pop(name, None)\n"
        "from coffer_protocol import cbor\n"
        "assert not {'collections', 'collections.abc'} & sys.modules.keys()\n"
        "import collections.abc\n"
        "assert collections.OrderedDict and collections.abc.Mapping\n"
        "assert cbor.encode({'b': [1], 'a': cbor.Tagged(0, 'x')}) == bytes.fromhex('a26161c06178616281 01')\n"
    )
