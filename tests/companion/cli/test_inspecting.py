from __future__ import annotations

import json
import re

from coffer_protocol.identity import format_id
from coffer_server.state import StateFolder
from coffer_server.store.base import Retention
from tests.companion.conftest import Operator

from .command_lines import Run, good, lines


def test_history(published: Operator, run: Run) -> None:
    header, *rows = lines(run("history"))
    assert header.split() == ["release", "issued", "by", "expires", "clients"]
    assert [re.split(r"  +", row)[-1] for row in rows] == ["+1 job; -1 worker", "~1 web", "+2 web, worker"]
    assert all("Z (in 399d)" in row or "Z (in 400d)" in row for row in rows)
    assert len(lines(run("history", "--limit", "2"))) == 3
    first = json.loads(good(run("history", "--json")).out)[-1]
    assert (first["serial"], first["added"], first["changed"], first["held"]) == (1, ["web", "worker"], [], True)
    assert first["publisher"] == format_id(published.identity.publisher_key())


def test_history_of_what_is_not_held(published: Operator, run: Run) -> None:
    store = StateFolder(published.server.state_dir).store()
    store.prune(Retention(releases=1, age_s=1), now=1 << 33)
    store.close()
    rows = lines(run("history"))[1:]
    assert len(rows) == 3
    assert all(row.endswith("the server does not hold its changes any more") for row in rows)
    for command in (("rollback", "1"), ("diff", "1"), ("show", "1")):
        done = run(*command)
        assert done.code == 1
        assert "the server has deleted the contents of release 1" in done.err
        assert "keep_releases" in done.err


def test_show(published: Operator, run: Run) -> None:
    head, header, *rows = lines(run("show"))
    assert head.startswith(f"coffer {published.coffer}, release 3, issued ")
    assert header.split() == ["client", "id", "suite", "since", "keys"]
    assert [row.split() for row in rows] == [
        ["job", format_id(published.client("job").id()), "1", "3", "c"],
        ["web", format_id(published.client("web").id()), "1", "2", "a"],
    ]
    old = json.loads(good(run("show", "1", "--json")).out)
    assert [(client["client"], client["keys"], client["since"]) for client in old["clients"]] == [("web", ["a"], 1), ("worker", ["b"], 1)]
    assert run("show", "4").code == 2


def test_verify(published: Operator, run: Run) -> None:
    done = good(run("verify"))
    assert "releases 1 to 3 are one chain" in done.out
    assert "the keys of 2 clients and 1 publishers are exactly those that were signed" in done.out
    assert json.loads(good(run("verify", "--json")).out)["clients"] == 2
