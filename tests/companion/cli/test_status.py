from __future__ import annotations

import dataclasses
import json
import re

import coffer_client
from coffer_companion.releases.adoption import look
from coffer_protocol.identity import format_id
from tests.companion.conftest import Operator
from tests.companion.releases.test_adoption import receipt_of, sign

from .command_lines import Run, good, lines


def test_status(published: Operator, run: Run) -> None:
    published.fetch("web")
    done = good(run("status"))
    head, header, *rows = done.out.splitlines()
    assert head.endswith(": 1 of 2 behind")
    assert re.split("  +", header) == ["client", "keys", "fetched", "at", "held", "signed by", "state"]
    fingerprint = published.client("web").public().fingerprint_text()
    assert re.fullmatch(r"job +1 +never +- +- +- +never fetched", rows[0])
    assert re.fullmatch(rf"web +1 +3 +\S+ +3 +{fingerprint} +held", rows[1])
    assert "the server's word" in done.err
    assert run("status", "--require-adopted").code == 1
    told = json.loads(good(run("status", "--json")).out)
    assert (told["behind"], [client["state"] for client in told["clients"]]) == (1, ["never fetched", "held"])
    assert told["clients"][1]["fingerprint"] == fingerprint
    assert [(held["serial"], held["in_use"]) for held in told["clients"][1]["receipts"]] == [(3, False)]
    published.fetch("job")
    assert run("status", "--require-adopted").code == 0
    assert run("status", "--require-adopted", "--wait", "10m").code == 0


def test_a_client_that_cannot_sign_needs_a_word_about_it(operator: Operator, run: Run) -> None:
    bare, whole = operator.client("old"), operator.client("web")
    path = operator.write("[old]\na = 1\n[web]\na = 1", "web")
    path.write_text(path.read_text().replace("[clients]", f'[clients]\nold = "{format_id(bare.plain_id())}"'))
    good(run("upload", path))
    operator.fetch("web")
    assert run("status", "--require-adopted", "--accept-fetched").code == 1
    address = dataclasses.replace(operator.server.plain_address, coffer=operator.coffer, publishers=(operator.identity.publisher_key(),))
    coffer_client.fetch(server=address, identity=bare, bare=True)
    rows = lines(run("status"))[2:]
    assert re.fullmatch(r"old +1 +1 +\S+ +- +- +fetched; it cannot sign", rows[0])
    assert whole.public().fingerprint_text() in rows[1]
    # However long one waits, it proves nothing.
    done = run("status", "--require-adopted", "--wait", "10m")
    assert done.code == 1
    assert "old cannot sign" in done.err
    assert "--accept-fetched" in done.err
    assert "web" not in done.err
    assert run("status", "--require-adopted", "--accept-fetched").code == 0
    assert run("status", "--accept-fetched").code == 2


def test_what_another_has_signed_is_told_and_does_not_count(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web", "job")))
    sha256 = operator.look(look).release.sha256
    sign(operator, "web", receipt_of(operator, "web", serial=1, sha256=sha256, by="job"))
    done = run("status", "--require-adopted")
    assert done.code == 1
    assert "warning: the server shows a receipt for release 1 of web" in done.err
    assert "it does not count" in done.err


def test_a_receipt_for_an_unknown_release_ends_it(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web")))
    sign(operator, "web", receipt_of(operator, "web", serial=1, sha256=bytes(32)))
    for words in (["status"], ["status", "--require-adopted", "--wait", "10m"]):
        done = run(*words)
        assert done.code == 5
        assert f"for a release 1 ({bytes(32).hex()})" in done.err
        assert "has signed for a release that is not known here" in done.out
    told = run("status", "--json")
    assert told.code == 5
    (client,) = json.loads(told.out)["clients"]
    assert (client["state"], client["unknown"][0]["sha256"]) == ("split view", bytes(32).hex())


def test_status_waits_no_longer_than_it_may(published: Operator, run: Run) -> None:
    done = run("status", "--require-adopted", "--wait", "0s")
    assert done.code == 1
    assert run("status", "--wait", "soon").code == 2


def test_hosts_of_one_client_are_told_apart(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1", "web*2")))
    rows = lines(run("status"))[2:]
    ids = sorted(format_id(operator.client(host).id())[:8] for host in ("web", "web-2"))
    assert [row.split()[:2] for row in rows] == [["web", f"({client_id})"] for client_id in ids]
