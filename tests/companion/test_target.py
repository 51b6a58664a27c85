from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from coffer_companion import settings
from coffer_companion.settings import PublisherState
from coffer_companion.target import Target
from coffer_protocol.address import ServerAddress
from tests.support import identity

ADDRESS = ServerAddress.from_text(
    f"coffer://{identity('server').id().hex()}@host.example?publisher={identity('publisher2').publisher_key().hex()}"
)
OWN, OTHER = identity("publisher"), identity("publisher2")


def test_what_is_trusted_before_a_release_says(home: Path) -> None:
    assert Target.at(ADDRESS, "shop", OWN).roots() == {OWN.publisher_key(), OTHER.publisher_key()}


def test_clients_are_told_all_publishers_and_the_serial(home: Path) -> None:
    target = Target.at(ADDRESS, "shop", OWN)
    told = target.client_address(frozenset({OTHER.publisher_key(), OWN.publisher_key()}), 7)
    assert (told.server, told.hosts, told.coffer, told.serial) == (ADDRESS.server, ADDRESS.hosts, "shop", 7)
    assert told.publishers == (OWN.publisher_key(), OTHER.publisher_key())
    assert ServerAddress.from_text(str(told)) == told


def test_the_coffers_that_were_published_from_here(home: Path) -> None:
    where = {"server": ADDRESS.server, "publisher": OWN.id()}
    assert settings.known_coffers(**where) == ()
    for name in ("shop", "ci.a"):
        PublisherState.update(Target.at(ADDRESS, name, OWN).state_file, lambda state: replace(state, latest=1))
    PublisherState.update(Target.at(ADDRESS, "others", OTHER).state_file, lambda state: replace(state, latest=1))
    assert settings.known_coffers(**where) == ("ci.a", "shop")
