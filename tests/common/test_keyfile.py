from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity, format_id, parse_public_file
from tests.support import ROOT, identity


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def create_bare(path: Path) -> Credential:
    made = Credential(identity=Identity.generate(), bare=True)
    keyfile.write(path, made.file_text(), made.public_text())
    return made


# ------------------------------------------------------------------------------------------------------------------ writing


def test_what_is_made_can_be_read(tmp_path: Path) -> None:
    made = keyfile.create(tmp_path / "client.key")
    assert keyfile.read(tmp_path / "client.key") == made
    bare = create_bare(tmp_path / "bare.key")
    assert keyfile.read_as(Credential.from_text, tmp_path / "bare.key") == bare
    assert keyfile.read_as(Credential.from_text, tmp_path / "client.key") == Credential(identity=made)


def test_only_the_owner_can_read_what_is_made(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        keyfile.create(tmp_path / "a" / "b" / "client.key")
    finally:
        os.umask(previous)
    assert mode_of(tmp_path / "a" / "b" / "client.key") == 0o600
    assert mode_of(tmp_path / "a" / "b") == mode_of(tmp_path / "a") == 0o700


def test_the_public_key_is_in_a_file_that_all_can_read(tmp_path: Path) -> None:
    whole = keyfile.create(tmp_path / "whole")
    assert parse_public_file((tmp_path / "whole.pub").read_text()) == whole.public()
    assert mode_of(tmp_path / "whole.pub") == 0o644
    bare = create_bare(tmp_path / "bare")
    assert (tmp_path / "bare.pub").read_text() == f"{format_id(bare.identity.plain_id())}\n"


@pytest.mark.parametrize("existing", ["client.key", "client.key.pub"])
def test_nothing_is_overwritten(tmp_path: Path, existing: str) -> None:
    write(tmp_path / existing, "mine")
    with pytest.raises(KeyTextError, match=f"{existing} exists already and stays as it is: name another path"):
        keyfile.create(tmp_path / "client.key")
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "client.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyTextError, match="exists already"):
        keyfile.create(tmp_path / "client.key")
    assert os.listdir(tmp_path) == ["client.key"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    with pytest.raises(KeyTextError, match=r"/file/client\.key cannot be written \(Not a directory\): name a path that can be written"):
        keyfile.create(tmp_path / "file" / "client.key")


@pytest.mark.parametrize(("limit_bytes", "name"), [(100, "client.key"), (2500, "client.key.pub")])
def test_on_a_full_disk_neither_file_is_left(tmp_path: Path, limit_bytes: int, name: str) -> None:
    """By the kernel's limit on the size of a file: the second limit lets the identity through, and not the longer public text."""
    path = tmp_path / "client.key"
    program = f"""if 1:
        import resource, signal
        from coffer_common import keyfile
        from coffer_protocol.errors import KeyTextError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
        try:
            keyfile.write({str(path)!r}, "secret" * 400, "public" * 500)
        except KeyTextError as error:
            print(error)
    """
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{tmp_path / name} cannot be written (File too large): name a path that can be written\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_process_that_is_killed_leaves_whole_files_only(tmp_path: Path, number: int) -> None:
    """Killed as the first file gets its name, or the second: the identity is there as a whole or not at all, and both can be made."""
    path = tmp_path / "client.key"
    program = f"""if 1:
        import os, signal, sys
        from coffer_common import keyfile
        links = []
        def look(event, _):
            if event == "os.link":
                links.append(event)
                if len(links) == {number}:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(look)
        keyfile.create({str(path)!r})
    """
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -9
    assert not (tmp_path / "client.key.pub").exists()
    if number == 1:
        assert not path.exists()
        keyfile.create(path)
    else:
        assert keyfile.ensure_public(path, keyfile.read(path).public_text())
    assert parse_public_file((tmp_path / "client.key.pub").read_text()) == keyfile.read(path).public()


def test_a_public_key_that_is_missing_is_made_again_and_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "client.key"
    text = keyfile.create(path).public_text()
    assert not keyfile.ensure_public(path, "other")
    (tmp_path / "client.key.pub").unlink()
    assert keyfile.ensure_public(path, text)
    assert (tmp_path / "client.key.pub").read_text() == f"{text}\n"
    # The identity may be in a folder that cannot be written.
    assert not keyfile.ensure_public(tmp_path / "none" / "client.key", text)


def test_a_home_in_the_path_is_expanded(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    made = keyfile.create("~/keys/client.key")
    assert keyfile.read(home / "keys" / "client.key") == keyfile.read("~/keys/client.key") == made
    (home / "keys" / "client.key.pub").unlink()
    assert keyfile.ensure_public("~/keys/client.key", made.public_text())
    assert os.listdir(tmp_path / "work") == []


# ------------------------------------------------------------------------------------------------------------------ reading


def test_a_file_that_does_not_exist_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyTextError, match=r"^there is no identity at .*/none: check its name$"):
        keyfile.read(tmp_path / "none")
    with pytest.raises(KeyTextError, match=r"^there is no identity at .*/none: restore it from a backup$"):
        keyfile.read(tmp_path / "none", missing="restore it from a backup")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o700 | 0o001])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "my client.key", identity("web").file_text(), mode)
    with pytest.raises(KeyTextError, match=rf"/my client\.key: other users can access it \(mode 0{mode:o}\)") as caught:
        keyfile.read(path)
    assert caught.value.hint == f"chmod 600 '{path}'"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "one secret key"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"#" * 70_000, "larger than 65536 bytes"),
        (b"COFFER-SECRET-KEY-1AAAA\n", "cut short"),
    ],
)
def test_what_is_no_identity_is_refused_by_its_path(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "client.key"
    path.touch(0o600)
    path.write_bytes(data)
    with pytest.raises(KeyTextError, match=rf"client\.key.*: .*{reason}") as caught:
        keyfile.read(path)
    # The mode is as it should be.
    assert caught.value.hint is None


def test_damage_repeats_nothing_of_the_secret(tmp_path: Path) -> None:
    secret = identity("web").secret_text()
    for text in (secret[:-1], f"{secret}\n{secret}", f"{secret}\n", secret):
        path = write(tmp_path / "client.key", text, 0o600 if text == secret[:-1] or text.count(secret) == 2 else 0o644)
        with pytest.raises(KeyTextError) as caught:
            keyfile.read(path)
        assert secret[20:40] not in str(caught.value)


@pytest.mark.parametrize(
    "change", [lambda text: f"\ufeff{text}", lambda text: text.replace("\n", "\r\n"), lambda text: f"\n\n{text.strip()}"]
)
def test_a_byte_order_mark_and_other_line_ends_are_no_flaw(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write(tmp_path / "client.key", "")
    bare = Credential(identity=identity("web"), bare=True)
    for made in (bare, Credential(identity=identity("web"))):
        path.write_bytes(change(made.file_text()).encode())
        assert keyfile.read(path) == identity("web")
        assert keyfile.read_as(Credential.from_text, path) == made


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyTextError, match="directory"):
        keyfile.read(tmp_path)


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("bare", [False, True])
def test_a_public_key_file_is_refused_as_what_it_is(tmp_path: Path, mode: int, bare: bool) -> None:
    (create_bare if bare else keyfile.create)(tmp_path / "client.key")
    (tmp_path / "client.key.pub").chmod(mode)
    with pytest.raises(
        KeyTextError, match=r"/client\.key\.pub: this file holds the public key: name the identity file, which has no \.pub$"
    ):
        keyfile.read(tmp_path / "client.key.pub")


def test_an_identity_may_come_through_a_pipe(home: Path) -> None:
    path = write(home / "client.key", identity("web").file_text())
    program = "import sys; from coffer_common import keyfile; print(keyfile.read(sys.argv[1]).id().hex())"
    line = f'"{sys.executable}" -c "{program}" <(cat "{path}")'
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == identity("web").id().hex()


# ------------------------------------------------------------------------------------------------------ systemd's credentials

# Somebody else than the one who runs the tests, whom only root can give anything to.
STRANGER = 65_534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files as systemd does")


def grant(path: Path, user: int, permissions: int) -> None:
    """An ACL that lets one more user read, and nobody else, as systemd makes it: its mask stands where the group's bits are shown."""
    nobody = 0xFFFF_FFFF
    # Each entry is its tag, its permissions and its user: the owner, the user, the group, the mask, the others.
    entries = [(0x01, permissions, nobody), (0x02, permissions, user), (0x04, 0, nobody), (0x10, permissions, nobody), (0x20, 0, nobody)]
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    except OSError as error:
        pytest.skip(f"no ACLs here: {error.strerror}")


@pytest.fixture
def credential_file(tmp_path: Path) -> Path:
    """As systemd makes it for a service without a user of its own."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    path = folder / "coffer-identity"
    path.write_text(identity("web").file_text())
    path.chmod(0o400)
    folder.chmod(0o500)
    return path


def test_a_credential_is_its_users_alone(credential_file: Path) -> None:
    assert keyfile.read_as(Credential.from_text, credential_file, is_systemds=True).identity == identity("web")


@only_root
def test_a_credential_of_a_service_with_its_own_user_shows_the_mask_of_an_acl(credential_file: Path) -> None:
    grant(credential_file, STRANGER, 4)
    assert stat.S_IMODE(credential_file.stat().st_mode) == 0o440
    assert keyfile.read_as(Credential.from_text, credential_file, is_systemds=True).identity == identity("web")
    # Elsewhere the bit may well be a group's.
    with pytest.raises(KeyTextError, match="mode 0440"):
        keyfile.read_as(Credential.from_text, credential_file)


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o460])
def test_a_credential_that_others_can_use_is_refused(credential_file: Path, mode: int) -> None:
    credential_file.chmod(mode)
    with pytest.raises(KeyTextError, match="other users can access it"):
        keyfile.read_as(Credential.from_text, credential_file, is_systemds=True)


def test_a_group_that_can_read_a_users_own_file_is_a_group(credential_file: Path) -> None:
    credential_file.chmod(0o440)
    if os.geteuid() == 0:
        os.chown(credential_file, STRANGER, STRANGER)
    with pytest.raises(KeyTextError, match="mode 0440"):
        keyfile.read_as(Credential.from_text, credential_file, is_systemds=True)
