from __future__ import annotations

from coffer_protocol.release.evidence import RESTART, Evidence
from coffer_protocol.release.head import Head, SignedHead, sign
from coffer_protocol.release.trust import Demand, Seen, Trust
from tests.support import identity

PUBLISHER = identity("publisher")
KEY, OTHER_KEY = PUBLISHER.publisher_key(), identity("publisher2").publisher_key()
SERVERS = (identity("server").id(),)
NEW = Trust(coffer="shop", publishers=(KEY,))


def release(
    serial: int,
    *,
    issued: int = 1000,
    restart: bool = False,
    publishers: tuple[bytes, ...] | None = None,
    servers: tuple[bytes, ...] | None = None,
    hosts: tuple[str, ...] | None = None,
) -> SignedHead:
    head = Head(
        coffer="shop",
        serial=serial,
        root=bytes(32),
        count=0,
        issued=issued,
        publisher=KEY,
        publishers=(KEY,) if restart else publishers,
        servers=servers,
        hosts=hosts,
        restart=restart,
    )
    return SignedHead(head=head, signed=sign(head, PUBLISHER))


FIFTH = release(5)


def test_only_the_very_bytes_are_seen() -> None:
    trust = NEW.after(FIFTH)
    assert trust.is_seen(FIFTH.signed)
    assert not trust.is_seen(release(6).signed)
    assert not NEW.is_seen(FIFTH.signed)


def test_what_follows_from_a_release() -> None:
    assert NEW.after(FIFTH) == Trust(coffer="shop", publishers=(KEY,), seen=Seen.of(FIFTH), signer=KEY, latest=1000)


def test_a_release_that_names_publishers_and_servers_replaces_them() -> None:
    trust = NEW.after(release(5, publishers=(OTHER_KEY,), servers=SERVERS))
    assert (trust.publishers, trust.servers) == ((OTHER_KEY,), SERVERS)
    later = trust.after(release(6))
    assert (later.publishers, later.servers) == ((OTHER_KEY,), SERVERS)


def test_hosts_stay_until_a_head_names_others() -> None:
    trust = NEW.after(release(1, hosts=("one.example",)))
    assert trust.after(release(2)).hosts == ("one.example",)
    assert trust.after(release(2, hosts=("two.example", "[::1]:7000"))).hosts == ("two.example", "[::1]:7000")


def test_a_new_reader_demands_a_publisher_and_any_serial() -> None:
    assert NEW.demand(FIFTH.signed) == Demand(coffer="shop", publishers=(KEY,))


def test_a_signer_who_retires_with_a_release_is_good_for_that_one_alone() -> None:
    last = release(5, publishers=(OTHER_KEY,))
    trust = NEW.after(last)
    assert KEY in trust.demand(last.signed).publishers
    assert KEY not in trust.demand(release(6).signed).publishers


def test_the_latest_time_never_goes_back() -> None:
    trust = NEW.after(release(1, issued=2000)).after(release(1001, issued=1500, restart=True))
    assert trust.latest == 2000
    assert trust.seen is not None
    assert trust.seen.issued == 1500


def test_a_restart_is_told_with_both_heads() -> None:
    first, restart = release(1), release(1001, restart=True)
    trust = NEW.after(first)
    assert trust.restart_in(restart) == Evidence(kind=RESTART, known=first.signed, shown=restart.signed)
    # The first release that a reader sees has nothing before it, and one that it has seen was told before.
    assert NEW.restart_in(restart) is None
    assert trust.after(restart).restart_in(restart) is None
    assert trust.restart_in(release(2)) is None
