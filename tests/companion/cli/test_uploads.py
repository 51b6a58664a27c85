from __future__ import annotations

import io
import json
import sys

import pytest

from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto import primitives
from coffer_protocol.identity import Identity, PublicKey
from tests.companion.conftest import Operator

from .command_lines import Run, good, lines


def test_upload_shows_the_plan_and_ends_with_the_address(operator: Operator, run: Run) -> None:
    done = good(run("upload", operator.write('[web]\ndb_url = "canary"', "web")))
    *plan, address = done.out.splitlines()
    assert plan == [f"coffer {operator.coffer}, release 1: 1 added, 0 changed, 0 removed, 0 unchanged", "  + web", "      + db_url"]
    parsed = ServerAddress.from_text(address)
    assert (parsed.coffer, parsed.publishers, parsed.serial) == (operator.coffer, (operator.identity.publisher_key(),), 1)
    assert f"published release 1 of {operator.coffer}" in done.err
    assert "canary" not in done.out + done.err
    assert good(run("address")).out.strip() == address
    again = good(run("upload", operator.home / "definition.toml"))
    assert "nothing to change" in again.err


def test_upload_as_json_keeps_stdout_for_the_plan(operator: Operator, run: Run) -> None:
    done = good(run("upload", "--json", operator.write("[web]\na = 1", "web")))
    assert json.loads(done.out)["clients"] == [{"client": "web", "change": "added", "keys": [{"key": "a", "change": "added"}]}]
    assert "coffer://" in done.err


def test_a_dry_run_changes_nothing(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    assert "  + web" in good(run("upload", "--dry-run", file)).out
    assert run("history", "--coffer", operator.coffer).code == 2


def test_expires(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    good(run("upload", file, "--expires", "never"))
    assert json.loads(good(run("history", "--json")).out)[0]["expires"] is None
    good(run("upload", file, "--expires", "10d"))
    (newest, _) = json.loads(good(run("history", "--json")).out)
    assert newest["expires"] - newest["issued"] == 10 * 86_400
    assert run("upload", file, "--expires", "soon").code == 2


def test_removals_must_be_meant(operator: Operator, run: Run) -> None:
    good(run("upload", operator.write("[web]\na = 1\n[worker]\nb = 1", "web", "worker")))
    file = operator.write("[web]\na = 1", "web")
    done = run("upload", file)
    assert done.code == 1
    assert "1 of 2 clients would be removed: nothing was changed\nhint: if this is intended, add --allow-removals" in done.err
    assert good(run("upload", file, "--allow-removals")).code == 0
    done = run("rollback", "1", "--dry-run")
    assert "  + worker" in done.out


class Terminal(io.StringIO):
    """A terminal on which somebody has typed an answer."""

    def isatty(self) -> bool:
        return True


def test_what_goes_back_must_be_meant(published: Operator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = published.write("[web]\na = 1\n[job]\nc = 1", "web", "job")
    said = "a of web goes back to what it was in release 1"
    assert f"  {said}\n" in good(run("diff", file)).out
    assert json.loads(good(run("upload", "--dry-run", "--json", file)).out)["reverts"] == [
        {"client": "web", "keys": ["a"], "release": 1, "taken_back": False}
    ]
    for flags in ((), ("--yes",)):
        done = run("upload", *flags, file)
        assert done.code == 1
        assert f"{said}: nothing was changed\nhint: if the definition is from an old checkout, update it" in done.err
        assert "add --allow-reverts" in done.err
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert run("upload", "--yes", file).code == 1
    assert len(lines(run("history"))) == 4
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    done = good(run("upload", file))
    assert "Is that intended?" in done.err
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    good(run("rollback", "3"))
    done = run("upload", file)
    assert "a of web goes back to what it was in release 4, which a rollback has taken back: nothing" in done.err
    good(run("upload", "--allow-reverts", file))


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ["  + job", "      + c", "  - worker"]),
        (("2", "3"), ["  + job", "      + c", "  - worker"]),
        (("3", "2"), ["  + worker", "      + b", "  - job"]),
        (("1",), ["  ~ web", "      ~ a", "  + job", "      + c", "  - worker"]),
        (("1", "2"), ["  ~ web", "      ~ a"]),
        (("3", "3"), []),
    ],
)
def test_diff_between_releases(published: Operator, run: Run, arguments: tuple[str, ...], shown: list[str]) -> None:
    header, *rows = lines(run("diff", *arguments))
    assert header.startswith(f"coffer {published.coffer}, release ")
    assert sorted(rows) == sorted(shown)
    assert run("diff", *arguments, "--exit-code").code == (10 if shown else 0)


def test_sealing_again_is_no_difference(published: Operator, run: Run) -> None:
    file = published.home / "definition.toml"
    done = good(run("upload", "--reseal", file))
    assert done.out.startswith(f"coffer {published.coffer}, release 4: 0 added, 0 changed, 0 removed, 2 unchanged (2 sealed again)\n")
    assert good(run("diff", "--exit-code")).out.endswith("0 added, 0 changed, 0 removed, 2 unchanged\n")
    assert good(run("diff", "3", file, "--exit-code")).code == 0


def test_a_rollback_that_changes_the_keys_of_an_id_is_asked_about(published: Operator, run: Run) -> None:
    web, other = published.client("web"), Identity.generate()
    body = web.public().body[:32] + other.public().body[32:]
    mixed = PublicKey.from_body(body)
    owner = primitives.ed25519_sign(other.sign_seed(), b"coffer/1 owner" + body)
    file = published.home / "definition.toml"
    file.write_text(file.read_text().replace(web.public_text(), mixed.text(owner)))
    good(run("upload", "--yes", file))
    done = run("rollback", "3")
    assert done.code == 1
    assert f"its keys change: {mixed.fingerprint_text()} becomes {web.public().fingerprint_text()}" in done.out
    assert "add --yes" in done.err
    good(run("rollback", "3", "--yes"))


def test_diff_with_a_definition(published: Operator, run: Run) -> None:
    file = published.write('[web]\na = 2\n[job]\nc = 2\n[job.public]\nurl = "https://job.example"', "web", "job")
    assert lines(run("diff", file))[1:] == ["  ~ job", "      ~ c", "      + url = https://job.example"]
    assert lines(run("diff", "2", file))[1:] == [
        "  + job",
        "      + c",
        "      + url = https://job.example",
        "  - worker",
    ]
    assert run("diff", file, "--exit-code").code == 10
    assert json.loads(good(run("diff", file, "--json")).out)["serial"] == 4


@pytest.mark.parametrize("arguments", [("a.toml", "b.toml"), ("a.toml", "1")])
def test_diff_of_what_cannot_be_compared(operator: Operator, run: Run, arguments: tuple[str, ...]) -> None:
    done = run("diff", *arguments)
    assert done.code == 2
    assert "diff [A] FILE" in done.err


def test_rollback(published: Operator, run: Run) -> None:
    done = run("rollback", "1")
    assert done.code == 1
    assert "--allow-removals" not in good(run("rollback", "1", "--dry-run")).err
    done = good(run("rollback", "1", "--allow-removals"))
    assert "published release 4" in done.err
    assert "The definition did not change" in done.err
    assert dict(published.fetch("worker")) == {"b": 1}
    assert run("rollback", "4").code == 2
    assert json.loads(good(run("rollback", "3", "--json", "--allow-removals", "--expires", "never")).out)["serial"] == 5
    assert json.loads(good(run("history", "--json")).out)[0]["expires"] is None


def test_a_definition_that_other_users_can_read_is_refused(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    file.chmod(0o644)
    done = run("upload", file)
    assert done.code == 2
    assert f"{file} holds secrets in the clear, and other users can read it (mode 0644)" in done.err
    assert f"hint: chmod 600 {file}" in done.err
    assert run("history", "--coffer", operator.coffer).code == 2
    # What the hint says, typed.
    file.chmod(0o600)
    good(run("upload", file))
    file.chmod(0o644)
    assert "other users can read it" in good(run("upload", "--allow-readable", file)).err
