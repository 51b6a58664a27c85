"""docs/protocol.md says what the code does: its tables are compared with the code's."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from coffer_protocol import cbor, identity, limits, message, question
from coffer_protocol.message import RULES, Direction, MessageType
from coffer_protocol.release import blob, coffer, head
from coffer_protocol.suite import HELLO_BYTES, box, noise
from tests.support import ROOT

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
# The table of messages in the specification itself, where it lies beside the checkout.
SPECIFICATION = ROOT.parent / "shared" / "PROTOCOL.md"


def table(first_column: str, text: str = TEXT) -> list[dict[str, str]]:
    """The rows of the table whose first column is called so."""
    lines = text.splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    columns = [cell.strip() for cell in lines[start].strip("|").split("|")]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(columns, (cell.strip() for cell in line.strip("|").split("|")), strict=True)))
    return rows


def type_named(name: str) -> MessageType:
    return MessageType[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()]


def check_messages(rows: list[dict[str, str]]) -> None:
    assert [int(row["ordinal"], 16) for row in rows] == sorted(MessageType)
    for row in rows:
        kind = type_named(row["type"])
        rule = RULES[kind]
        assert kind == int(row["ordinal"], 16)
        direction = {"C→S": Direction.CLIENT_TO_SERVER, "S→C": Direction.SERVER_TO_CLIENT, "both": None}[row["direction"]]
        assert rule.sender is direction
        assert rule.suites == {int(suite) for suite in row["suites"].split()}
        following = row["may be followed by"]
        if following == "as Put":
            assert rule.followers == RULES[MessageType.PUT].followers
        elif following in ("the end", "•", "as its message", "as before it"):
            assert not rule.followers
        else:
            assert rule.followers == {type_named(name) for name in following.split(", ")}


def test_messages() -> None:
    check_messages(table("ordinal"))


def test_messages_in_the_specification() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("the specification does not lie beside this checkout")
    check_messages(table("ordinal", SPECIFICATION.read_text(encoding="utf-8")))


def test_error_codes() -> None:
    assert {row["code"].strip("`") for row in table("code")} == message.ERROR_CODES


def test_identity_secrets() -> None:
    names = [row["info"].strip("`") for row in table("info")]
    assert names == [identity._INFO + name for name in ("box", "sign", "seal", "plain")]


def test_limits() -> None:
    documented = {row["limit"].strip("`"): float(row["value"]) for row in table("limit")}
    assert documented == {name: float(value) for name, value in vars(limits).items() if name.isupper() and name != "TYPE_CHECKING"}


def test_shard_tags() -> None:
    tags = [int(row["CBOR tag"]) for row in table("TOML")]
    assert tags == [cbor.TAG_OFFSET_DATETIME, cbor.TAG_LOCAL_DATE, cbor.TAG_LOCAL_DATETIME, cbor.TAG_LOCAL_TIME]


def test_algs() -> None:
    assert [int(row["alg"]) for row in table("alg")] == [blob.ALG_SEALED_BOX, blob.ALG_HPKE]


def test_head_keys() -> None:
    rows = table("key")
    assert {row["key"].strip("`") for row in rows if row["there"] == "always"} == head._REQUIRED
    assert {row["key"].strip("`") for row in rows if row["there"] != "always"} == head._OPTIONAL


def test_questions() -> None:
    names = {row["name"].strip("`") for row in table("name")}
    assert names == {kind.name for kind in get_args(question.Question)}


def test_labels_and_numbers_in_the_text() -> None:
    labels = [noise.PROTOCOL_NAME, noise.PROLOGUE, box._FIRST, box._BASIC, box._NONCE, head._EXTERNAL]
    for label in [*(item.decode() for item in labels), identity.PUBLIC_PREFIX, identity.SECRET_PREFIX]:
        assert f"`{label}`" in TEXT
    for number in (*HELLO_BYTES, coffer.TAG, blob.PAD_MULTIPLE_BYTES):
        assert str(number) in TEXT
