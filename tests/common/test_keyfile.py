from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id, parse_public_file
from tests.support import identity


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("bare", [False, True])
def test_what_is_made_can_be_read(tmp_path: Path, bare: bool) -> None:
    path = tmp_path / "client.key"
    made = keyfile.create(path, bare=bare)
    assert keyfile.read(path) == made
    assert keyfile.read_credential(path) == Credential(identity=made, bare=bare)


def test_only_the_owner_can_read_what_is_made(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        keyfile.create(tmp_path / "a" / "b" / "client.key")
    finally:
        os.umask(previous)
    assert mode_of(tmp_path / "a" / "b" / "client.key") == 0o600
    assert mode_of(tmp_path / "a" / "b") == mode_of(tmp_path / "a") == 0o700


def test_the_public_half_stands_beside_it(tmp_path: Path) -> None:
    whole = keyfile.create(tmp_path / "whole")
    assert parse_public_file((tmp_path / "whole.pub").read_text()) == whole.public()
    bare = keyfile.create(tmp_path / "bare", bare=True)
    assert (tmp_path / "bare.pub").read_text() == f"{format_id(bare.plain_id())}\n"


@pytest.mark.parametrize("existing", ["client.key", "client.key.pub"])
def test_nothing_is_written_over(tmp_path: Path, existing: str) -> None:
    write(tmp_path / existing, "mine")
    with pytest.raises(KeyTextError, match=f"{existing} exists already"):
        keyfile.create(tmp_path / "client.key")
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "client.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyTextError, match="exists already"):
        keyfile.create(tmp_path / "client.key")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    with pytest.raises(KeyTextError, match=r"file.*: name a path that can be written"):
        keyfile.create(tmp_path / "file" / "client.key")


def test_a_file_that_is_not_there_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(KeyTextError, match=r"coffer-companion keygen .*/none"):
        keyfile.read(tmp_path / "none", program="coffer-companion")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "client.key", identity("web").file_text(), mode)
    with pytest.raises(KeyTextError, match=rf"client\.key: others can read it \(mode 0{mode:o}\): chmod 600"):
        keyfile.read(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "one secret key"), (b"\xff\xfe", "not text"), (b"#" * 70_000, "too large"), (b"COFFER-SECRET-KEY-1AAAA\n", "cut short")],
)
def test_what_is_no_identity_is_refused_by_its_path(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "client.key"
    path.touch(0o600)
    path.write_bytes(data)
    with pytest.raises(KeyTextError, match=rf"client\.key: .*{reason}"):
        keyfile.read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyTextError, match="directory"):
        keyfile.read(tmp_path)


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("bare", [False, True])
def test_a_public_key_file_is_refused_as_what_it_is(tmp_path: Path, mode: int, bare: bool) -> None:
    keyfile.create(tmp_path / "client.key", bare=bare)
    (tmp_path / "client.key.pub").chmod(mode)
    with pytest.raises(KeyTextError, match=r"/client\.key\.pub: this is the public half, .* without \.pub$"):
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
    assert keyfile.read_credential(credential_file, is_systemds=True).identity == identity("web")


@only_root
def test_a_credential_of_a_service_with_its_own_user_shows_the_mask_of_an_acl(credential_file: Path) -> None:
    grant(credential_file, STRANGER, 4)
    assert stat.S_IMODE(credential_file.stat().st_mode) == 0o440
    assert keyfile.read_credential(credential_file, is_systemds=True).identity == identity("web")
    # Elsewhere the bit may well be a group's.
    with pytest.raises(KeyTextError, match="mode 0440"):
        keyfile.read_credential(credential_file)


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o460])
def test_a_credential_that_others_can_use_is_refused(credential_file: Path, mode: int) -> None:
    credential_file.chmod(mode)
    with pytest.raises(KeyTextError, match="others can read it"):
        keyfile.read_credential(credential_file, is_systemds=True)


def test_a_group_that_can_read_a_users_own_file_is_a_group(credential_file: Path) -> None:
    credential_file.chmod(0o440)
    if os.geteuid() == 0:
        os.chown(credential_file, STRANGER, STRANGER)
    with pytest.raises(KeyTextError, match="mode 0440"):
        keyfile.read_credential(credential_file, is_systemds=True)
