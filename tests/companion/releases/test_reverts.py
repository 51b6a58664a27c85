from __future__ import annotations

import trio

from coffer_companion.releases.commit import preview
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_companion.releases.rollback import Rollback
from coffer_companion.target import Target
from coffer_protocol.identity import Identity
from tests.companion.conftest import Operator


def reverts(operator: Operator, text: str, *names: str, target: Target | None = None) -> list[str]:
    """What an upload of a definition would say of what goes back."""
    draft = operator.publication(text, *names).draft
    return [str(revert) for revert in trio.run(lambda: preview(target or operator.target, draft)).reverts]


def test_a_value_that_an_earlier_release_had_goes_back(operator: Operator) -> None:
    for number in (1, 2, 3):
        operator.publish(f"[web]\na = {number}\nb = 1\n[worker]\na = 1", "web", "worker")
    # The newest release that had it is named, and keys that do not change are not.
    assert reverts(operator, "[web]\na = 1\nb = 1\n[worker]\na = 1", "web", "worker") == ["a of web goes back to what it was in release 1"]
    assert reverts(operator, "[web]\na = 2\nb = 1\n[worker]\na = 2", "web", "worker") == ["a of web goes back to what it was in release 2"]
    assert reverts(operator, "[web]\na = 4\nb = 1\n[worker]\na = 1", "web", "worker") == []
    assert reverts(operator, "[web]\na = 3\nb = 1\n[worker]\na = 1", "web", "worker") == []


def test_several_keys_of_one_release_are_one_sentence(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1\nc = 1", "web")
    operator.publish("[web]\na = 1\nb = 1\nc = 2", "web")
    operator.publish("[web]\na = 2\nb = 2\nc = 3", "web")
    assert reverts(operator, "[web]\na = 1\nb = 1\nc = 1", "web") == [
        "c of web goes back to what it was in release 1",
        "a, b of web go back to what they were in release 2",
    ]


def test_a_key_that_was_removed_comes_back(operator: Operator) -> None:
    operator.publish("[web]\na = 1\nb = 1", "web")
    operator.publish("[web]\na = 1", "web")
    assert reverts(operator, "[web]\na = 1\nb = 1", "web") == ["b of web goes back to what it was in release 1"]
    assert reverts(operator, "[web]\na = 1\nb = 2", "web") == []


def test_hosts_of_one_client_say_it_once(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web*3")
    operator.publish("[web]\na = 2", "web*3")
    assert reverts(operator, "[web]\na = 1", "web*3") == ["a of web goes back to what it was in release 1"]


def test_what_a_rollback_took_back_is_said_so(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.make(Rollback(serial=1).draft)
    assert reverts(operator, "[web]\na = 2", "web") == ["a of web goes back to what it was in release 2, which a rollback has taken back"]
    assert reverts(operator, "[web]\na = 3", "web") == []


def test_a_rollback_itself_goes_back_on_purpose(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    assert trio.run(lambda: preview(operator.target, Rollback(serial=1).draft)).reverts == ()


def test_a_public_key_that_was_dropped_comes_back(operator: Operator) -> None:
    web = operator.client("web")
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    operator.publish("[worker]\nb = 1", "worker")
    assert reverts(operator, "[web]\na = 1\n[worker]\nb = 1", "web", "worker") == [
        f"web gets a public key again that it had in release 1: {web.public().fingerprint_text()}"
    ]


def test_a_replaced_public_key_hides_no_value_that_goes_back(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.clients["web"] = Identity.generate()
    assert reverts(operator, "[web]\na = 1", "web") == ["a of web goes back to what it was in release 1"]


def test_the_past_under_an_earlier_note_key_counts(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    operator.replace_publisher(operator.publication("[web]\na = 2", "web"))
    assert reverts(operator, "[web]\na = 1", "web") == ["a of web goes back to what it was in release 1"]


def test_another_publishers_stale_checkout_is_seen(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    operator.publish("[web]\na = 2", "web")
    assert reverts(operator, "[web]\na = 1", "web", target=other) == ["a of web goes back to what it was in release 1"]


def test_a_retirement_that_seals_an_old_definition_says_so(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\na = 2", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="laptop").draft)
    wanted = operator.publication("[web]\na = 1", "web")
    retirement = Retirement(who="laptop", publication=wanted, told=lambda publisher: None)
    plan = trio.run(lambda: preview(operator.target, retirement.draft))
    assert [(revert.keys, revert.serial) for revert in plan.reverts] == [(("a",), 1)]


def test_many_clients_are_asked_about_in_several_questions(operator: Operator) -> None:
    names = [f"c{number}" for number in range(40)]
    for value in (1, 2):
        operator.publish("\n".join(f"[{name}]\na = {value}" for name in names), *names)
    said = reverts(operator, "\n".join(f"[{name}]\na = 1" for name in names), *names)
    assert said == [f"a of {name} goes back to what it was in release 1" for name in names]


def test_before_the_first_release_nothing_goes_back(operator: Operator) -> None:
    assert reverts(operator, "[web]\na = 1", "web") == []
    operator.publish("[web]\na = 1", "web")
    assert reverts(operator, "[web]\na = 1\n[new]\nb = 1", "web", "new") == []
