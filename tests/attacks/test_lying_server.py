"""Attacks of a lying server that worked once, each against the real programs."""

from __future__ import annotations

import json
import time

from coffer_protocol import cbor, shard
from coffer_protocol.crypto import primitives
from coffer_protocol.identity import Identity, PublicKey
from coffer_protocol.message import Held
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.head import Head, claimed_untrusted
from coffer_protocol.release.listing import leaf_of
from coffer_protocol.release.notes import Note, NoteKeys
from coffer_server.store.base import Receipt

from .conftest import Team, ok


def test_the_team_works(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    ok(team.upload("one", {"web": "second"}))
    assert ok(team.get("web")) == "second"


def test_1_a_kept_mark(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.refuses = True
    refused = team.upload("one", {"web": "second"})
    assert refused.returncode != 0
    # The mark of the value that was never released stands beside the blob of the one that was.
    team.server.lies.refuses = False
    web = team.identity("web").id()
    team.server.lies.marks[web] = team.server.lies.kept_put(web).mark
    shown = team.companion("one", "diff", "secrets.toml", "--exit-code")
    assert shown.returncode == 10, shown.stdout + shown.stderr
    done = team.upload("one", {"web": "second"})
    assert "nothing to change" not in ok(done) + done.stderr
    assert ok(team.get("web")) == "second"


def test_1_a_kept_note(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.refuses = True
    team.upload("one", {"web": "second"})
    team.server.lies.refuses = False
    web = team.identity("web").id()
    team.server.lies.notes[web] = team.server.lies.kept_put(web).note
    done = team.upload("one", {"web": "third"})
    # A note that does not open ends it, and nothing is signed.
    assert done.returncode != 0
    assert "--reseal" in done.stderr
    assert ok(team.get("web")) == "first"
    ok(team.companion("one", "upload", "secrets.toml", "--reseal"))
    assert ok(team.get("web")) == "third"


def text_of(box: Identity, others: Identity) -> str:
    """Return a public key text with one identity's id and another's other keys, which that other one has signed."""
    body = box.public().body[:32] + others.public().body[32:]
    owner = primitives.ed25519_sign(others.sign_seed(), b"coffer/1 owner" + body)
    return PublicKey.from_body(body).text(owner)


def test_2_the_same_id_with_corrected_keys(team: Team) -> None:
    web = team.identity("web")
    wrong = text_of(web, Identity.generate())
    team.define("one", {"web": "first"}, clients={"web": wrong})
    ok(team.companion("one", "upload", "secrets.toml"))
    assert team.get("web").returncode == 5
    # The definition is corrected, and nothing else in it changes.
    done = team.upload("one", {"web": "first"}, "--yes")
    assert "nothing to change" not in ok(done) + done.stderr
    assert web.public().fingerprint_text() in done.stdout + done.stderr
    assert ok(team.get("web")) == "first"


def test_3_a_wrong_mark_drops_no_publisher(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    team.server.lies.marks[team.identity("two").id()] = bytes(16)
    done = team.upload("one", {"web": "second"})
    assert "@two" not in ok(done) + done.stderr
    team.server.lies.marks.clear()
    # It still has the note key: it can publish.
    ok(team.upload("two", {"web": "third"}, trusts=("one", "two")))
    assert ok(team.get("web", trusts=("one", "two"))) == "third"


def newest(team: Team) -> Head:
    """Return the head that the server holds as the newest."""
    signed = team.server.store.state()[team.coffer].signed
    return claimed_untrusted(signed)


def test_4_an_error_after_the_commit(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    before = team.server.store.state()
    team.server.lies.keeps_and_refuses = True
    refused = team.upload("one", {"web": "second"})
    assert refused.returncode != 0
    assert "release 2" in refused.stderr
    # It stands, and a client gets it.
    assert ok(team.get("web")) == "second"
    team.server.lies.keeps_and_refuses = False
    after = team.server.store.state()
    # The server hides it again. The publisher does not sign a second release 2.
    team.server.store.put_back(before)
    done = team.upload("one", {"web": "third"})
    assert newest(team).serial == 3, done.stderr
    # The client that holds the first 2 sees that 3 does not follow it, and goes on with what it has verified.
    shown = team.get("web")
    assert (shown.stdout, shown.returncode) == ("second", 0), shown.stderr
    assert "does not follow release 2" in shown.stderr
    # Once the hidden one turns up, the publisher has evidence.
    team.server.store.put_back(after)
    assert team.upload("one", {"web": "fourth"}).returncode == 5


def test_4_a_release_that_stands_after_an_error_is_found(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.keeps_and_refuses = True
    assert team.upload("one", {"web": "second"}).returncode != 0
    team.server.lies.keeps_and_refuses = False
    # The next plain upload finds what became of it.
    done = team.upload("one", {"web": "second"})
    assert done.returncode == 0, done.stderr
    assert newest(team).serial == 2
    ok(team.upload("one", {"web": "third"}))
    assert newest(team).serial == 3
    assert ok(team.get("web")) == "third"


def test_5_a_hole_in_the_chain(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    ok(team.upload("two", {"web": "third"}, trusts=("one", "two")))
    ok(team.upload("two", {"web": "fourth"}, trusts=("one", "two")))
    assert newest(team).serial == 4
    team.server.lies.hides = {2, 3}
    done = team.upload("one", {"web": "fifth"})
    assert done.returncode == 5, done.stderr
    assert newest(team).serial == 4
    team.server.lies.hides = set()
    ok(team.upload("one", {"web": "fifth"}))
    assert newest(team).serial == 5


def test_5_invented_changes_are_not_built_upon(team: Team) -> None:
    """They do not give the root that was signed. So the whole list is asked for, which does."""
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    ok(team.upload("two", {"web": "third", "worker": "third"}, trusts=("one", "two")))
    team.server.lies.invents_changes = True
    ok(team.upload("one", {"web": "third", "worker": "fourth"}))
    assert ok(team.get("web", trusts=("one", "two"))) == "third"
    assert ok(team.get("worker", trusts=("one", "two"))) == "fourth"


def test_6_another_release_takes_the_serial_of_one_that_may_stand(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    team.server.lies.refuses = True
    assert team.upload("one", {"web": "never"}).returncode != 0
    team.server.lies.refuses = False
    ok(team.upload("two", {"web": "third"}, trusts=("one", "two")))
    done = team.upload("one", {"web": "fourth"})
    assert "release 3, which was signed here" in done.stdout + done.stderr
    assert done.returncode == 0
    assert newest(team).serial == 4


def test_6_a_pending_serial_is_not_signed_a_second_time_after_a_lost_database(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.refuses = True
    assert team.upload("one", {"web": "second"}).returncode != 0
    team.server.lies.refuses = False
    team.server.store.put_back({})
    lost = team.upload("one", {"web": "second"})
    assert lost.returncode == 5
    assert "--restore" in lost.stderr
    ok(team.upload("one", {"web": "second"}, "--restore"))
    assert newest(team).serial >= 1002
    assert newest(team).restart
    assert ok(team.get("web")) == "second"


def test_7_a_text_with_a_victims_publisher_key(team: Team) -> None:
    victim, attacker = team.identity("two"), Identity.generate()
    body = attacker.public().body[:32] + victim.publisher_key() + attacker.public().body[64:]
    owner = primitives.ed25519_sign(attacker.sign_seed(), b"coffer/1 owner" + body)
    mixed = PublicKey.from_body(body).text(owner)
    ok(team.upload("one", {"web": "first"}))
    done = team.companion("one", "publishers", "add", mixed, "--name", "two")
    assert done.returncode == 2
    assert newest(team).serial == 1


def test_7_a_clients_id_beside_other_keys_has_another_fingerprint(team: Team) -> None:
    web = team.identity("web")
    ok(team.upload("one", {"web": "first"}))
    mixed = text_of(web, Identity.generate())
    team.define("one", {"web": "second"}, clients={"web": mixed})
    done = team.companion("one", "upload", "secrets.toml")
    told = done.stdout + done.stderr
    assert web.public().fingerprint_text() in told
    assert done.returncode != 0
    assert newest(team).serial == 1
    # What the machine itself shows is the one that people compare.
    assert web.public().fingerprint_text() in team.run("web", "client", "id", "--identity", "own.key").stderr


class ForgedNote(Note):
    """A note that another program has made: nothing in it is checked."""

    def __init__(self, **fields: object) -> None:
        object.__setattr__(self, "_fields", fields)

    def encode(self) -> bytes:
        return cbor.encode(self._fields)  # type: ignore[attr-defined]


def note_keys(team: Team, who: str) -> NoteKeys:
    """Return the note keys that a publisher was handed."""
    history = team.server.store.state()[team.coffer]
    entry = history.members[team.identity(who).id()]
    put = next(put for key, put in history.blobs.items() if key.client == entry.id and key.since == entry.since)
    opened = blobs.open_blob(team.identity(who), alg=entry.alg, coffer=team.coffer, since=entry.since, blob=put.blob)
    return NoteKeys.from_secrets(shard.decode(opened))


# The character that begins an escape sequence, one that turns the text after it around, and one that nobody can see.
UNSEEN = ("\x1b", "\u202e", "\u200b")


def test_8_the_text_of_a_note_on_a_terminal(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    ok(team.upload("two", {"web": "third"}, trusts=("one", "two")))
    # The other publisher makes its notes with a program of its own.
    keys, web, two = note_keys(team, "two"), team.identity("web"), team.identity("two")
    kept = {"sign": web.publisher_key(), "fingerprint": web.public().fingerprint()}

    def forge(client: bytes, note: Note) -> None:
        entry = team.server.store.state()[team.coffer].members[client]
        team.server.lies.notes = {client: keys.current.seal(note, leaf_of(team.coffer, entry))}

    def look(*words: str) -> None:
        done = team.companion("one", *words)
        assert not set(UNSEEN) & set(done.stdout + done.stderr), words
        assert "no one" not in done.stdout, words

    commands = ["show"], ["diff"], ["status"], ["history"]
    for unseen in UNSEEN:
        for name, key in ((f"web{unseen}[2K{unseen}[1Ano one", "a"), ("web", f"a{unseen}bno one")):
            forge(web.id(), ForgedNote(client=name, role=0, keys=[[key, bytes(16)]], **kept))
            for words in commands:
                look(*words)
        forge(two.id(), ForgedNote(client=f"two{unseen}[1Ano one", role=1, keys=[], body=two.public().body))
        for words in (["history"], ["publishers", "list"]):
            look(*words)
    # What is for programs is shown on terminals too.
    forge(web.id(), ForgedNote(client="web", role=0, keys=[["".join(UNSEEN) + "no one", bytes(16)]], **kept))
    for words in (["show", "--json"], ["diff", "--json"], ["history", "--json"], ["verify"], ["rollback", "1", "--dry-run"]):
        look(*words)


def test_8_a_public_value_is_shown_escaped(team: Team) -> None:
    """Whoever may change the definition writes it, and the operator sees it in the plan."""
    team.define("one", {"web": "first"})
    path = team.home("one") / "secrets.toml"
    path.write_text(path.read_text(encoding="utf-8") + '[web.public]\nurl = "https://\\u202e\\u200b\\u001b[2Kexample"\n', encoding="utf-8")
    for words in (["diff", "secrets.toml"], ["diff", "secrets.toml", "--json"], ["upload", "secrets.toml"]):
        done = team.companion("one", *words)
        assert "example" in ok(done)
        assert not set(UNSEEN) & set(done.stdout + done.stderr), words


def test_9_a_hidden_retirement(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    assert ok(team.get("web")) == "first"
    before = team.server.store.state()
    # Its key is stolen, and it is retired.
    team.server.store.remove_publisher(coffer=team.coffer, publisher=team.identity("two").id(), now=int(time.time()))
    retired = team.companion("one", "publishers", "retire", "two", "secrets.toml", "--stolen")
    (address,) = [line for line in ok(retired).splitlines() if line.startswith("coffer://")]
    assert "has signed for release 2" in retired.stderr
    assert newest(team).serial == 3
    after = team.server.store.state()
    # The server hides that, and lets the thief publish. What the client has seen allows it, and the client follows.
    team.server.store.put_back(before)
    team.let_in("two")
    ok(team.upload("two", {"web": "stolen"}, trusts=("one", "two")))
    ok(team.upload("two", {"web": "stolen again"}, trusts=("one", "two")))
    assert newest(team).serial == 4
    assert ok(team.get("web")) == "stolen again"
    # The thief sees what the client has signed.
    told = json.loads(team.companion("two", "status", "--json", trusts=("one", "two")).stdout)
    (signed,) = told["clients"][0]["receipts"]
    # The new address ends it at once, also for what the client keeps: the thief's serial is even higher than that of the retirement.
    held = team.run("web", "client", "get", "a", "--server", address, "--identity", "own.key")
    assert (held.stdout, held.returncode) == ("", 5), held.stderr
    assert "is not trusted" in held.stderr
    team.server.store.put_back(after)
    free = team.run("web", "client", "get", "a", "--server", address, "--identity", "own.key")
    assert ok(free) == "first"
    assert "held" in ok(team.companion("one", "status", "--require-adopted"))
    # Should the server ever show what the client has signed under the thief, that is evidence.
    held_4 = Held(serial=signed["serial"], sha256=bytes.fromhex(signed["sha256"]), use=0, receipt=bytes.fromhex(signed["receipt"]))
    team.server.store.record_adoption([], [Receipt(coffer=team.coffer, client=team.identity("web").id(), held=held_4)])
    shown = team.companion("one", "status")
    assert shown.returncode == 5
    assert "web" in shown.stderr
    assert "for a release 4" in shown.stderr


def test_9_a_server_that_refuses_the_retirement(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    ok(team.upload("two", {"web": "stolen"}, trusts=("one", "two")))
    assert ok(team.get("web")) == "stolen"
    team.server.lies.refuses = True
    # The retirement takes back what the thief has published.
    refused = team.companion("one", "publishers", "retire", "two", "secrets.toml", "--stolen", "--allow-reverts")
    assert refused.returncode == 4
    (address,) = [line for line in refused.stdout.splitlines() if line.startswith("coffer://")]
    # The server still gives the thief's release, and the client does not take it, nor what it has kept.
    held = team.run("web", "client", "get", "a", "--server", address, "--identity", "own.key")
    assert (held.stdout, held.returncode) == ("", 5), held.stderr
    assert "is not trusted" in held.stderr


def test_9_what_the_server_alone_can_hide_ends_with_the_expiry(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    ok(team.companion("one", "renew", "--expires", "1d"))
    assert ok(team.get("web")) == "first"
    before = team.server.store.state()
    ok(team.upload("one", {"web": "second"}))
    team.server.store.put_back(before)
    # A newer release is hidden, and the client cannot know.
    assert ok(team.get("web", "--max-stale", "0")) == "first"
    team.clocks_ahead_s["web"] = 86400.0
    late = team.get("web", "--max-stale", "0")
    assert (late.stdout, late.returncode) == ("", 5)
    assert "expired" in late.stderr
