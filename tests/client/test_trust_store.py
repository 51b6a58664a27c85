from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_client.config.settings import Settings, trust_of
from coffer_client.errors import StateError
from coffer_client.trust_store import Folders, Memory, find_folders
from coffer_protocol import cbor
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import ForkError
from coffer_protocol.release import head as heads
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence
from coffer_protocol.release.trust import Seen, Trust
from tests.support import ROOT, identity

from .fake_server import address_of
from .releases import NOW, PUBLISHER, make_head

HOST = Host(name="coffer.example")
ADDRESS = address_of(HOST)
OTHER = identity("publisher2").publisher_key()
BODY = b"\xff canary"


def memory(folder: Path, address: ServerAddress = ADDRESS, *, cache: bool = True, client: str = "web") -> Memory:
    wanted = Settings(address=address, trust=trust_of(address), credential=Credential(identity=identity(client)))
    return Memory(wanted, Folders(state=str(folder), cache=str(folder) if cache else None), warn=pytest.fail)


def after(
    serial: int, *, sha256: bytes = bytes(32), publishers: tuple[bytes, ...] = ADDRESS.publishers, servers: tuple[bytes, ...] | None = None
) -> Trust:
    return Trust(
        coffer="shop",
        publishers=publishers,
        servers=servers,
        seen=Seen(serial=serial, signed_sha256=sha256, issued=1, signed=b"signed"),
        signer=PUBLISHER.publisher_key(),
    )


def hosts_of(own: Memory) -> tuple[Host, ...]:
    return own.hosts(own.recall())


def remember(own: Memory, trust: Trust, body: bytes = BODY, *, under: Trust | None = None, host: Host = HOST, now: float = NOW) -> bool:
    """Record a release as a fetch does, which has accepted it under what was recalled just now, or under that."""
    return own.record(trust, body, under=own.recall() if under is None else under, host=host, now=now)


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    assert memory(tmp_path).recall() == trust_of(ADDRESS)
    assert memory(tmp_path).cached() is None
    assert os.listdir(tmp_path) == []


def test_what_is_recorded_is_recalled(tmp_path: Path) -> None:
    trust = after(7, publishers=(OTHER,), servers=(OTHER, bytes(32)))
    remember(memory(tmp_path), trust, now=NOW + 0.5)
    assert memory(tmp_path).recall() == trust
    cached = memory(tmp_path).cached()
    assert cached is not None
    assert (cached.body, cached.fetched_at) == (BODY, NOW)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.fixture
def forgetful(tmp_path: Path) -> Memory:
    """A memory whose files fail as long as there is a file where their folder belongs."""
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    (tmp_path / "state").touch()
    folder = str(tmp_path / "state")
    return Memory(wanted, Folders(state=folder, cache=folder), warn=lambda message: None)


def test_what_the_files_have_taken_since_they_failed_is_what_is_known(tmp_path: Path, forgetful: Memory) -> None:
    remember(forgetful, after(5))
    assert forgetful.recall() == after(5)
    (tmp_path / "state").unlink()
    # Before it is written again, what this process knows still counts.
    assert forgetful.recall() == after(5)
    retired = after(7, publishers=(OTHER,))
    remember(forgetful, retired)
    assert forgetful.recall() == retired
    # Another process has gone on.
    remember(memory(tmp_path / "state"), after(9, publishers=(OTHER,)))
    assert forgetful.recall() == after(9, publishers=(OTHER,))


def test_another_process_is_ahead_of_what_could_not_be_written(tmp_path: Path, forgetful: Memory) -> None:
    remember(forgetful, after(5))
    (tmp_path / "state").unlink()
    remember(memory(tmp_path / "state"), after(7, publishers=(OTHER,)))
    assert forgetful.recall() == after(7, publishers=(OTHER,))


def test_where_nothing_can_be_written_it_still_never_goes_back(forgetful: Memory) -> None:
    assert remember(forgetful, after(9))
    assert remember(forgetful, after(8), under=trust_of(ADDRESS))
    assert forgetful.recall() == after(9)
    with pytest.raises(ForkError):
        remember(forgetful, after(9, sha256=b"x" * 32), under=trust_of(ADDRESS))


def test_each_client_coffer_and_server_has_its_own(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7))
    for other in (
        memory(tmp_path, replace(ADDRESS, coffer="other")),
        memory(tmp_path, replace(ADDRESS, server=identity("worker").id())),
        memory(tmp_path, client="worker"),
    ):
        assert other.recall().seen is None
    # Where a server moves to another host, it is the same one.
    assert memory(tmp_path, replace(ADDRESS, hosts=(Host(name="elsewhere"),))).recall() == after(7)


def test_an_older_release_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(8))
    # It was good under what was known when it was asked for: there is nothing more to do.
    assert remember(memory(tmp_path), after(7), b"old", under=trust_of(ADDRESS), now=NOW + 1000)
    assert memory(tmp_path).recall() == after(8)
    cached = memory(tmp_path).cached()
    assert cached is not None
    assert cached.body == BODY


def test_two_releases_at_one_serial_are_a_fork_also_where_they_came_at_once(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7))
    with pytest.raises(ForkError, match="7"):
        remember(memory(tmp_path), after(7, sha256=bytes([1]) * 32), b"other", under=trust_of(ADDRESS))
    assert memory(tmp_path).recall() == after(7)


def test_a_fetch_of_the_same_release_makes_the_cache_younger_but_is_not_written_each_time(tmp_path: Path) -> None:
    def fetched_at() -> int:
        cached = memory(tmp_path).cached()
        assert cached is not None
        return cached.fetched_at

    remember(memory(tmp_path), after(7))
    remember(memory(tmp_path), after(7), now=NOW + 59)
    assert fetched_at() == NOW
    remember(memory(tmp_path), after(7), now=NOW + 60)
    assert fetched_at() == NOW + 60
    # A clock that is set back is set right, as far as anybody knows.
    remember(memory(tmp_path), after(7))
    assert fetched_at() == NOW


def test_an_address_with_other_publishers_is_the_operators_word(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7, publishers=(bytes(32),), servers=(bytes(32),)))
    address = replace(ADDRESS, publishers=(OTHER, *ADDRESS.publishers))
    found = memory(tmp_path, address).recall()
    assert (found.publishers, found.servers, found.seen) == (address.publishers, None, after(7).seen)


@pytest.mark.parametrize("serial", [0, 6, 7, 8])
def test_what_a_key_has_signed_that_the_address_no_longer_names_is_forgotten(tmp_path: Path, serial: int) -> None:
    # A thief may have signed any serial, and any time.
    remember(memory(tmp_path), replace(after(7), latest=NOW + 86400))
    address = replace(ADDRESS, publishers=(OTHER,), serial=serial)
    assert memory(tmp_path, address).recall() == trust_of(address)
    # What the address allows is remembered again, and never goes back.
    trust = replace(after(3, publishers=(OTHER,)), signer=OTHER, lowest=serial)
    assert remember(memory(tmp_path, address), trust)
    assert memory(tmp_path, address).recall() == trust


def test_the_order_of_the_publishers_in_an_address_says_nothing(tmp_path: Path) -> None:
    both = (*ADDRESS.publishers, OTHER)
    trust = after(7, publishers=(PUBLISHER.publisher_key(),))
    remember(memory(tmp_path, replace(ADDRESS, publishers=both)), trust)
    assert memory(tmp_path, replace(ADDRESS, publishers=both[::-1])).recall() == trust


@pytest.mark.parametrize("serial", [6, 7, 8])
def test_another_serial_in_the_address_leaves_what_was_seen_if_that_is_not_below_it(tmp_path: Path, serial: int) -> None:
    remember(memory(tmp_path), after(7))
    known = replace(after(7), lowest=serial) if serial <= 7 else trust_of(replace(ADDRESS, serial=serial))
    assert memory(tmp_path, replace(ADDRESS, serial=serial)).recall() == known


def test_other_publishers_as_of_a_release_that_was_not_seen_are_a_beginning(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7, servers=(OTHER,)))
    address = replace(ADDRESS, publishers=(OTHER,), serial=9)
    assert memory(tmp_path, address).recall() == trust_of(address)
    assert remember(memory(tmp_path, address), after(9, publishers=(OTHER,)))
    assert memory(tmp_path, address).recall() == replace(after(9, publishers=(OTHER,)), lowest=9)


# --------------------------------------------------------------------------------------------------- what it was accepted under


@pytest.mark.parametrize("under", [trust_of(ADDRESS), trust_of(replace(ADDRESS, serial=7)), after(5)])
@pytest.mark.parametrize("serial", [7, 8])
def test_what_was_accepted_before_another_process_went_on_is_to_be_accepted_again(tmp_path: Path, under: Trust, serial: int) -> None:
    retired = after(7, publishers=(OTHER,))
    assert remember(memory(tmp_path), retired)
    late = memory(tmp_path)
    assert not remember(late, after(serial), b"late", under=under)
    assert late.recall() == retired
    cached = late.cached()
    assert cached is not None
    assert cached.body == BODY
    assert remember(late, after(serial, publishers=(OTHER,)), under=retired)
    assert late.recall() == after(serial, publishers=(OTHER,))


def test_an_address_with_a_serial_overrules_what_another_process_has_learnt_below_it(tmp_path: Path) -> None:
    address = replace(ADDRESS, serial=9)
    under = memory(tmp_path, address).recall()
    remember(memory(tmp_path), after(7, publishers=(OTHER,)))
    assert remember(memory(tmp_path, address), after(9), under=under)


def test_what_was_forgotten_meanwhile_hinders_nothing(tmp_path: Path) -> None:
    address = replace(ADDRESS, serial=8)
    remember(memory(tmp_path), after(7))
    memory(tmp_path).forget()
    assert remember(memory(tmp_path, address), after(8), under=after(7))


def test_where_nothing_can_be_written_what_it_was_accepted_under_counts_too(forgetful: Memory) -> None:
    assert remember(forgetful, after(7, publishers=(OTHER,)))
    assert not remember(forgetful, after(8), under=trust_of(ADDRESS))
    assert forgetful.recall() == after(7, publishers=(OTHER,))


def test_files_that_can_be_read_and_not_written_are_not_forgotten(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(5))
    remember(memory(tmp_path), after(7, publishers=(OTHER,)))
    (lock,) = tmp_path.glob("*.lock")
    lock.unlink()
    # What is a folder can be opened for writing by nobody, not by root either.
    lock.mkdir()
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=str(tmp_path), cache=None), warn=lambda _: None)
    assert not remember(own, after(8), under=after(5))
    assert own.recall() == after(7, publishers=(OTHER,))
    assert remember(own, after(8, publishers=(OTHER,)))
    assert own.recall() == after(8, publishers=(OTHER,))


def test_forgetting_is_thorough_and_tells_whether_there_was_anything(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert not memory(folder).forget()
    assert not folder.exists()
    remember(memory(folder), after(7))
    assert memory(folder).forget()
    assert memory(folder).recall() == trust_of(ADDRESS)
    assert memory(folder).cached() is None


@pytest.mark.parametrize("damage", [b"", b"\x80", b"\xa1\x61v\x02", "cut", "longer"])
def test_a_damaged_trust_is_not_taken_for_none(tmp_path: Path, damage: bytes | str) -> None:
    remember(memory(tmp_path), after(7))
    (path,) = tmp_path.glob("*.trust")
    data = path.read_bytes()
    path.write_bytes(damage if isinstance(damage, bytes) else data[:-1] if damage == "cut" else data + b"\x00")
    with pytest.raises(StateError, match=r"damaged\nhint: .*coffer-client trust reset") as caught:
        memory(tmp_path).recall()
    assert str(path) in str(caught.value)
    with pytest.raises(StateError):
        remember(memory(tmp_path), after(8), under=after(7))
    assert memory(tmp_path).forget()


@pytest.mark.parametrize("damage", [b"", b"\x80", b"\xa0"])
def test_a_damaged_cache_is_none(tmp_path: Path, damage: bytes) -> None:
    remember(memory(tmp_path), after(7))
    (path,) = tmp_path.glob("*.cache")
    path.write_bytes(damage)
    assert memory(tmp_path).cached() is None
    remember(memory(tmp_path), after(7))
    assert memory(tmp_path).cached() is not None


def test_where_no_cache_is_wanted_there_is_none(tmp_path: Path) -> None:
    remember(memory(tmp_path, cache=False), after(7))
    assert memory(tmp_path, cache=False).cached() is None
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".lock", ".trust"]


@pytest.mark.parametrize("what", ["a file", "nowhere"])
def test_where_nothing_can_be_written_the_process_remembers_for_itself(tmp_path: Path, what: str) -> None:
    warnings: list[str] = []
    (tmp_path / "file").touch()
    # Below a file nothing can be made, whoever asks; a test that runs as root is refused little else.
    folder = str(tmp_path / "file" / "folder") if what == "a file" else None
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=folder, cache=folder), warn=warnings.append)
    assert own.recall() == trust_of(ADDRESS)
    remember(own, after(7))
    assert own.recall() == after(7)
    assert own.cached() is None
    remember(own, after(8))
    assert "will not notice" in warnings[0]
    assert "there is no cache" in warnings[-1]
    assert all("--state DIR" in warning for warning in warnings)
    # Two facts about two files, each of them once.
    assert len(warnings) == (2 if folder else 1)


def test_a_cache_that_cannot_be_written_leaves_the_trust(tmp_path: Path) -> None:
    warnings: list[str] = []
    (tmp_path / "file").touch()
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=str(tmp_path / "state"), cache=str(tmp_path / "file" / "folder")), warn=warnings.append)
    remember(own, after(7))
    assert memory(tmp_path / "state").recall() == after(7)
    assert len(warnings) == 1
    assert "there is no cache if" in warnings[0]


@pytest.mark.parametrize("room", ["for nothing", "for the trust"])
def test_on_a_full_disk_each_file_is_named_and_the_trust_comes_first(tmp_path: Path, room: str) -> None:
    warnings: list[str] = []
    remember(memory(tmp_path), after(5), b"old")
    (trust,), (cache,) = tmp_path.glob("*.trust"), tmp_path.glob("*.cache")
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=str(tmp_path), cache=str(tmp_path)), warn=warnings.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 if room == "for nothing" else trust.stat().st_size + 100, before[1]))
    try:
        for _ in range(2):
            assert remember(own, after(7), bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    # This process goes on from what it knows, and another one from what could be written.
    assert own.recall() == after(7)
    assert memory(tmp_path).recall() == after(5 if room == "for nothing" else 7)
    lost = [
        (trust, "this client will not notice if the server goes back to an old release"),
        (cache, "there is no cache if no server answers"),
    ]
    assert warnings == [
        f"{path} cannot be written (File too large), so {loss}: name a folder that can be written with --state DIR"
        for path, loss in (lost if room == "for nothing" else lost[1:])
    ]
    # What was there is whole, and nothing is left over.
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".cache", ".lock", ".trust"]
    # Once there is room again, all is written.
    assert remember(own, after(7), bytes(10_000))
    assert memory(tmp_path).recall() == after(7)
    assert len(warnings) == (2 if room == "for nothing" else 1)


SMALL_DISK = f"""if 1:
    import os, sys
    from pathlib import Path
    sys.path.insert(0, {str(ROOT)!r})
    from coffer_client.config.credential import Credential
    from coffer_client.config.settings import Settings, trust_of
    from coffer_client.trust_store import Folders, Memory
    from tests.client.test_trust_store import ADDRESS, after, piece, remember, HOST, NOW, RESTART
    from tests.support import identity

    blocks = int(sys.argv[1])
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state="state", cache="state"), warn=lambda text: print(text.partition(" cannot")[0].rpartition(".")[2]))
    remember(own, after(5))
    disk = os.statvfs(".")
    with open("full", "wb") as file:
        file.write(bytes((disk.f_bavail - blocks) * disk.f_frsize))
    own.record(after(7), bytes(5000), under=own.recall(), host=HOST, now=NOW, restarts=(piece(1, kind=RESTART),))
    fresh = Memory(wanted, Folders(state="state", cache="state"), warn=print)
    print(fresh.recall().seen.serial, len(fresh.evidence()), len(fresh.cached().body))
"""


@pytest.mark.parametrize(
    ("blocks", "told"),
    [(0, "trust evidence cache 5 0 8"), (1, "evidence cache 7 0 8"), (2, "cache 7 1 8"), (3, "cache 7 1 8"), (4, "7 1 5000")],
)
def test_on_a_disk_that_is_nearly_full_what_keeps_a_client_safe_is_written_first(tmp_path: Path, blocks: int, told: str) -> None:
    line = f'mount -t tmpfs -o size=256k none "{tmp_path}" || exit 77; cd "{tmp_path}" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", line, "sh", sys.executable, "-c", SMALL_DISK, str(blocks)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if ran.returncode == 77 or ran.stderr.startswith("unshare"):
        pytest.skip("only root can mount a small disk")
    assert (ran.stdout.split(), ran.stderr) == (told.split(), "")


# ---------------------------------------------------------------------------------------------------------------- evidence


def piece(number: int, *, kind: str = FORK) -> Evidence:
    known, shown = (heads.sign(make_head(serial=7, root=bytes([each]) * 32), PUBLISHER) for each in (0, number))
    return Evidence(kind=kind, known=known, shown=shown)


def test_evidence_is_kept_until_it_is_cleared(tmp_path: Path) -> None:
    own = memory(tmp_path / "state")
    assert own.evidence() == ()
    assert not own.clear_evidence()
    own.keep_evidence(piece(1), host=HOST, now=NOW + 0.5)
    # It is the same evidence, whoever shows it again.
    own.keep_evidence(piece(1), host=Host(name="two.example"), now=NOW + 10)
    own.keep_evidence(piece(2, kind=BROKEN_CHAIN), host=HOST, now=NOW + 20)
    (path,) = (tmp_path / "state").glob("*.evidence")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = memory(tmp_path / "state").evidence()
    assert [(each.evidence, each.seen_at, each.host) for each in kept] == [
        (piece(1), NOW, HOST),
        (piece(2, kind=BROKEN_CHAIN), NOW + 20, HOST),
    ]
    # To forget what is trusted is not to have looked at the evidence.
    remember(own, after(7))
    assert own.forget()
    assert own.evidence() == kept
    assert own.clear_evidence()
    assert (own.evidence(), memory(tmp_path / "state").evidence()) == ((), ())


def test_a_restart_is_kept_with_the_release_that_is_accepted(tmp_path: Path) -> None:
    own = memory(tmp_path)
    restart = piece(1, kind=RESTART)
    assert own.record(after(7), BODY, under=own.recall(), host=HOST, now=NOW, restarts=(restart,))
    assert [each.evidence for each in memory(tmp_path).evidence()] == [restart]
    assert memory(tmp_path).recall() == after(7)


def test_evidence_that_cannot_be_written_is_kept_by_this_process_until_it_can(tmp_path: Path) -> None:
    warnings: list[str] = []
    (tmp_path / "state").touch()
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=str(tmp_path / "state"), cache=None), warn=warnings.append)
    for _ in range(2):
        own.keep_evidence(piece(1), host=HOST, now=NOW)
    assert [each.evidence for each in own.evidence()] == [piece(1)]
    assert [warning for warning in warnings if "nobody will hear of it after this run" in warning and ".evidence cannot be" in warning]
    (tmp_path / "state").unlink()
    # It is written with whatever is written next.
    assert remember(own, after(7))
    assert [each.evidence for each in memory(tmp_path / "state").evidence()] == [piece(1)]


def test_evidence_without_a_home_is_kept_by_this_process() -> None:
    wanted = Settings(address=ADDRESS, trust=trust_of(ADDRESS), credential=Credential(identity=identity("web")))
    own = Memory(wanted, Folders(state=None, cache=None), warn=lambda _: None)
    own.keep_evidence(piece(1), host=HOST, now=NOW)
    assert [each.evidence for each in own.evidence()] == [piece(1)]
    assert own.clear_evidence()
    assert own.evidence() == ()


# ------------------------------------------------------------------------------------------------------------------- hosts

HOSTS = (HOST, Host(name="two.example", port=4711), Host(name="2001:db8::1"))
SEVERAL = replace(ADDRESS, hosts=HOSTS)


def test_hosts_stand_in_the_order_of_the_address_and_the_one_that_served_last_is_the_first(tmp_path: Path) -> None:
    assert hosts_of(memory(tmp_path, SEVERAL)) == HOSTS
    for last, order in ((1, (1, 0, 2)), (2, (2, 0, 1)), (0, (0, 1, 2))):
        remember(memory(tmp_path, SEVERAL), after(7), host=HOSTS[last])
        assert hosts_of(memory(tmp_path, SEVERAL)) == tuple(HOSTS[number] for number in order)


def test_the_last_host_is_written_only_where_it_is_another(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7))
    remember(memory(tmp_path, SEVERAL), after(7))
    assert list(tmp_path.glob("*.host")) == []
    remember(memory(tmp_path, SEVERAL), after(7), host=HOSTS[1])
    (path,) = tmp_path.glob("*.host")
    assert path.read_text() == "two.example:4711\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = path.stat().st_ino
    remember(memory(tmp_path, SEVERAL), after(7), host=HOSTS[1])
    assert path.stat().st_ino == written


@pytest.mark.parametrize("content", [b"gone.example\n", b"", b"\xff" * 5000, b"two.example\n"])
def test_what_is_no_host_of_the_address_changes_nothing(tmp_path: Path, content: bytes) -> None:
    remember(memory(tmp_path, SEVERAL), after(7), host=HOSTS[1])
    (path,) = tmp_path.glob("*.host")
    path.write_bytes(content)
    assert hosts_of(memory(tmp_path, SEVERAL)) == HOSTS


def test_where_the_last_host_cannot_be_written_the_process_remembers_for_itself(tmp_path: Path) -> None:
    own = Memory(
        Settings(address=SEVERAL, trust=trust_of(SEVERAL), credential=Credential(identity=identity("web"))),
        Folders(state=None, cache=None),
        warn=lambda _: None,
    )
    remember(own, after(7), host=HOSTS[2])
    assert hosts_of(own) == (HOSTS[2], HOSTS[0], HOSTS[1])


def test_an_older_release_tells_who_has_served_all_the_same(tmp_path: Path) -> None:
    remember(memory(tmp_path, SEVERAL), after(8), host=HOSTS[0])
    remember(memory(tmp_path, SEVERAL), after(7), under=trust_of(ADDRESS), host=HOSTS[1])
    assert hosts_of(memory(tmp_path, SEVERAL))[0] == HOSTS[1]


# ----------------------------------------------------------------------------------------------------------------- folders


def test_the_folders_are_those_of_the_specification(tmp_path: Path) -> None:
    home = {"HOME": "/home/web"}
    assert find_folders(state=None, cache=True, environment=home) == Folders(
        state="/home/web/.local/state/coffer/client", cache="/home/web/.cache/coffer/client"
    )
    assert find_folders(state="~/s", cache=True, environment=home) == Folders(state="/home/web/s", cache="/home/web/s")
    environment = {"XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}
    assert find_folders(state=None, cache=True, environment=environment) == Folders(state="/s/coffer/client", cache="/c/coffer/client")
    assert find_folders(state=None, cache=False, environment=environment).cache is None
    assert find_folders(state=tmp_path, cache=True, environment=environment) == Folders(state=str(tmp_path), cache=str(tmp_path))


# ------------------------------------------------------------------------------------------------ many processes, and kill -9

WRITER = """if 1:
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from tests.client.test_trust_store import BODY, after, memory, remember
    own = memory(Path(sys.argv[2]))
    serial = 0
    print("begun", flush=True)
    while True:
        # Each reads what the others wrote, and goes one further; a state that went back would be seen here.
        known = own.recall()
        seen = known.seen
        assert seen is None or seen.serial >= serial, (seen, serial)
        serial = (seen.serial if seen else 0) + 1
        remember(own, after(serial), BODY + bytes(serial), under=known)
"""


def test_processes_that_are_killed_while_they_write_leave_what_was_there_or_what_comes(tmp_path: Path, home: Path) -> None:
    root = os.environ["PYTHONPATH"]
    highest = 0
    for _ in range(4):
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, root, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(4)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"begun\n"
        # They have all begun; wherever each of them is, it ends here.
        for writer in writers:
            writer.kill()
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.close()
            assert writer.wait() == -signal.SIGKILL
        seen = memory(tmp_path).recall().seen
        # A whole trust, and never one behind what there was.
        assert seen is None or seen.serial >= highest
        highest = seen.serial if seen else 0
        cached = memory(tmp_path).cached()
        assert cached is None or len(cached.body) >= len(BODY) + highest


# --------------------------------------------------------------------------------------------------- what heads have named


def test_hosts_that_heads_have_named_come_before_those_of_the_address(tmp_path: Path) -> None:
    trust = replace(after(7), hosts=("new.example", "[::1]:7000"))
    own = memory(tmp_path)
    remember(own, trust, host=Host(name="new.example"))
    assert memory(tmp_path).recall() == trust
    assert hosts_of(memory(tmp_path)) == (Host(name="new.example"), Host(name="::1", port=7000), HOST)


def test_another_address_forgets_what_heads_have_said(tmp_path: Path) -> None:
    remember(memory(tmp_path), replace(after(7, publishers=(OTHER,), servers=(OTHER,)), hosts=("new.example",), latest=5))
    for address in (replace(ADDRESS, serial=7), replace(ADDRESS, publishers=(*ADDRESS.publishers, OTHER))):
        known = memory(tmp_path, address).recall()
        assert (known.publishers, known.servers, known.hosts) == (address.publishers, None, None)
        assert (known.seen, known.latest) == (after(7).seen, 5)


def test_trust_from_before_the_protocol_was_revised_is_refused_with_what_to_type(tmp_path: Path) -> None:
    remember(memory(tmp_path), after(7))
    (path,) = tmp_path.glob("*.trust")
    path.write_bytes(cbor.encode({"v": 1, "coffer": "shop"}))
    with pytest.raises(StateError, match="before Coffer's protocol was revised") as caught:
        memory(tmp_path).recall()
    assert "coffer-client trust reset" in str(caught.value.hint)
