from __future__ import annotations

from coffer_companion.releases.commit import Base
from coffer_companion.releases.contents import Contents, contents
from coffer_protocol.identity import format_id
from tests.companion.conftest import Operator


def shown(operator: Operator, serial: int | None = None) -> Contents:
    async def question(base: Base) -> Contents:
        return await contents(base, serial)

    return operator.look(question)


def test_clients_and_their_keys_by_name(operator: Operator) -> None:
    operator.publish("[web]\nb = 1\na = 1", "web")
    bare = format_id(operator.client("bare").plain_id())
    operator.publish(f'bare = "{bare}"\n[web]\nb = 1\na = 1\n[bare]\nc = 1', "web")
    newest = shown(operator)
    assert newest.release.head.serial == 2
    assert [(client.name, client.suite, client.since, client.keys) for client in newest.clients] == [
        ("bare", 0, 2, ("c",)),
        ("web", 1, 1, ("b", "a")),
    ]
    assert newest.clients[1].id == operator.client("web").id()


def test_an_old_release_is_shown_as_it_was(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    operator.publish("[web]\nb = 1\n[worker]\nc = 1", "web", "worker")
    assert [(client.name, client.keys) for client in shown(operator, 1).clients] == [("web", ("a",))]
    assert shown(operator, 2) == shown(operator)
