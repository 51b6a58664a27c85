from __future__ import annotations

import pytest

from coffer_common.errors import UsageError
from coffer_companion.errors import NoReleaseError
from coffer_companion.releases.adoption import State, look
from coffer_companion.releases.renewal import Renewal
from coffer_protocol.release.head import DEFAULT_LIFETIME_S
from tests.companion.conftest import NOW, Operator

DAY_S = 86400


def renew(operator: Operator, *, lifetime_s: int | None = None, days: float = 0) -> int | None:
    """Renew so many days from now, and return for how long the release then made is good."""
    made = operator.make(Renewal(lifetime_s=lifetime_s).draft, now=NOW + days * DAY_S)
    return None if made is None or made.head.expires is None else made.head.expires - int(NOW + days * DAY_S)


def test_a_release_is_made_that_changes_nothing_else(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    before = operator.look(look).release
    operator.fetch("web")
    assert renew(operator, lifetime_s=7 * DAY_S) == 7 * DAY_S
    adoption = operator.look(look)
    head = adoption.release.head
    assert (head.serial, head.root, head.count, head.prev, head.publishers) == (2, before.head.root, 2, before.sha256, None)
    # Clients have nothing to do.
    assert [client.state for client in adoption.clients] == [State.HELD]
    assert dict(operator.fetch("web")) == {"a": 1}


def test_it_is_made_in_the_second_half_of_its_life_and_if_it_lives_too_long(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    # What a release is good for is what the one before it was.
    assert renew(operator) is None
    # 400 days are more than 7, and 7 days are less than half of 15.
    assert renew(operator, lifetime_s=7 * DAY_S) == 7 * DAY_S
    assert renew(operator, lifetime_s=7 * DAY_S) is None
    assert renew(operator) is None
    assert renew(operator, lifetime_s=15 * DAY_S) is not None
    assert operator.look(look).release.head.serial == 3


def test_what_is_due_follows_the_clock(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    assert renew(operator, lifetime_s=2 * 3600) == 2 * 3600
    assert renew(operator, days=1 / 24 - 0.001) is None
    assert renew(operator, days=1 / 24 + 0.001) == 2 * 3600


def test_a_release_that_never_expires_is_given_a_life(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    object.__setattr__(wanted, "lifetime_s", None)
    assert operator.make(wanted.draft) is not None
    with pytest.raises(UsageError, match="never expires"):
        renew(operator)
    assert renew(operator, lifetime_s=DEFAULT_LIFETIME_S) == DEFAULT_LIFETIME_S


def test_before_a_release_there_is_nothing_to_renew(operator: Operator) -> None:
    with pytest.raises(NoReleaseError):
        renew(operator)
