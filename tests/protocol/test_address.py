from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol.address import DEFAULT_PORT, Host, ServerAddress, check_name
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id
from tests.support import identity, vectors

ID = format_id(identity("server").id())
KEY = format_id(identity("publisher").publisher_key())
KEY2 = format_id(identity("publisher2").publisher_key())


VECTORS = vectors("addresses")


@pytest.mark.parametrize("entry", VECTORS["accept"], ids=lambda entry: entry["text"][70:100])
def test_addresses_of_the_vectors_are_read_and_written_again(entry: Any) -> None:
    address = ServerAddress.from_text(entry["text"])
    assert format_id(address.server) == entry["server"]
    assert [[host.name, host.port] for host in address.hosts] == entry["hosts"]
    assert address.coffer == entry["coffer"]
    assert [format_id(key) for key in address.publishers] == entry["publishers"]
    assert address.serial == (entry["serial"] or 0)
    assert [format_id(server) for server in address.servers] == entry["servers"]
    assert (None if address.invite is None else address.invite.hex()) == entry["invite"]
    assert ServerAddress.from_text(address.text_with_invite()) == address
    # Nothing but the case of the digits of a key is another.
    assert address.text_with_invite().lower() == entry["text"].lower()


@pytest.mark.parametrize("entry", VECTORS["refuse"], ids=lambda entry: entry["why"])
def test_addresses_of_the_vectors_are_refused(entry: Any) -> None:
    with pytest.raises(KeyTextError):
        ServerAddress.from_text(entry["text"])


def test_an_invite_is_shown_only_to_the_publisher_that_made_it() -> None:
    address = ServerAddress.from_text(f"coffer://{ID}@host/shop?invite=kxkj6y3grl4mikjdjyszfkpuaq")
    assert address.invite is not None
    assert "kxkj6y3grl4mikjdjyszfkpuaq" not in f"{address} {address!r}"
    assert address.invite.hex() not in repr(address)
    assert address.text_with_invite().endswith("/shop?invite=kxkj6y3grl4mikjdjyszfkpuaq")


def test_every_part() -> None:
    text = f"coffer://{ID}@one.example,10.0.0.2:7000,[::1],[fe80::1]:99/shop?publisher={KEY}&publisher={KEY2}&serial=7"
    address = ServerAddress.from_text(text)
    assert address.server == identity("server").id()
    assert address.hosts == (
        Host(name="one.example", port=DEFAULT_PORT),
        Host(name="10.0.0.2", port=7000),
        Host(name="::1"),
        Host(name="fe80::1", port=99),
    )
    assert address.coffer == "shop"
    assert address.publishers == (identity("publisher").publisher_key(), identity("publisher2").publisher_key())
    assert address.serial == 7
    assert str(address) == text


def test_the_least() -> None:
    address = ServerAddress.from_text(f" coffer://{ID.lower()}@host ")
    assert (address.coffer, address.publishers, address.serial) == (None, (), 0)
    assert str(address) == f"coffer://{ID}@host"


hosts = st.builds(Host, name=st.sampled_from(["a", "host.example", "192.0.2.1", "::1", "2001:db8::7"]), port=st.integers(1, 65535))
addresses = st.builds(
    ServerAddress,
    server=st.just(identity("server").id()),
    hosts=st.lists(hosts, min_size=1, max_size=3).map(tuple),
    coffer=st.none() | st.from_regex(r"[a-z0-9\-_.]{1,64}", fullmatch=True),
    publishers=st.sampled_from([(), (identity("publisher").publisher_key(),)]),
    serial=st.integers(0, 2**63 - 1),
)


@given(addresses)
def test_what_is_written_is_read(address: ServerAddress) -> None:
    assert ServerAddress.from_text(str(address)) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://host", "form"),
        (f"coffer://{ID}", "@"),
        (f"coffer://{ID}@", "host"),
        (f"coffer://{ID}@a,,b", "host"),
        (f"coffer://{ID}@ho st", "host"),
        (f"coffer://{ID}@host:", "port"),
        (f"coffer://{ID}@host:x", "port"),
        (f"coffer://{ID}@host:65536", "port"),
        (f"coffer://{ID}@host:0", "port 0"),
        (f"coffer://{ID}@host:٣", "port"),
        (f"coffer://{ID}@::1", "brackets"),
        (f"coffer://{ID}@[::1", "IPv6"),
        (f"coffer://{ID}@[host]", "IPv6"),
        (f"coffer://{ID}@[::1]7", "IPv6"),
        ("coffer://abc@host", "64 hex"),
        (f"coffer://{'0' * 64}@host", "low order"),
        (f"coffer://{ID}@host/Shop", "name"),
        (f"coffer://{ID}@host/a/b", "name"),
        (f"coffer://{ID}@host/{'a' * 65}", "name"),
        (f"coffer://{ID}@host/shop?publisher=12", "64 hex"),
        (f"coffer://{ID}@host/shop?publisher={'0' * 64}", "publisher key"),
        (f"coffer://{ID}@host/shop?serial=0", "serial"),
        (f"coffer://{ID}@host/shop?serial=-1", "serial"),
        (f"coffer://{ID}@host/shop?serial={2**63}", "serial"),
        (f"coffer://{ID}@host/shop?token=1", "token"),
        (f"coffer://{ID}@host/shop?server=12", "64 hex"),
        (f"coffer://{ID}@host/shop?invite=kxkj6y3grl4mikjdjyszfkpuaq&invite=kxkj6y3grl4mikjdjyszfkpuaq", "two invites"),
        (f"coffer://{ID}@host/shop?serial=9&serial=1", "two serials"),
        (f"coffer://{ID}@host/shop?", "''"),
    ],
)
def test_refuses_and_says_which_part(text: str, says: str) -> None:
    with pytest.raises(KeyTextError, match=says):
        ServerAddress.from_text(text)


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "ä", "a" * 65, "a@b"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(KeyTextError, match="coffer"):
        check_name(name, "coffer")
