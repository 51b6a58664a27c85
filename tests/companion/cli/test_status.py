from __future__ import annotations

import json
import re

from coffer_protocol.identity import format_id
from tests.companion.conftest import Operator

from .command_lines import Run, good, lines


def test_status(published: Operator, run: Run) -> None:
    published.fetch("web")
    done = good(run("status"))
    head, header, *rows = done.out.splitlines()
    assert head.endswith(": 1 of 2 behind")
    assert header.split() == ["client", "keys", "fetched", "at", "state"]
    assert re.fullmatch(r"job +1 +never +- +behind: changed in 3", rows[0])
    assert re.fullmatch(r"web +1 +3 +\S+ +up to date", rows[1])
    assert "the server's word" in done.err
    assert run("status", "--require-adopted").code == 1
    told = json.loads(good(run("status", "--json")).out)
    assert (told["behind"], [client["current"] for client in told["clients"]]) == (1, [False, True])
    published.fetch("job")
    assert run("status", "--require-adopted").code == 0
    assert run("status", "--require-adopted", "--wait", "10m").code == 0


def test_status_waits_no_longer_than_it_may(published: Operator, run: Run) -> None:
    done = run("status", "--require-adopted", "--wait", "0s")
    assert done.code == 1
    assert run("status", "--wait", "soon").code == 2


def test_hosts_of_one_client_are_told_apart(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web*2")))
    rows = lines(run("status"))[2:]
    ids = sorted(format_id(operator.client(host).id())[:8] for host in ("web", "web-2"))
    assert [row.split()[:2] for row in rows] == [["web", f"({client_id})"] for client_id in ids]
