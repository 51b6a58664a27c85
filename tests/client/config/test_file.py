from __future__ import annotations

import os
import stat
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_client.config import file as configfile
from coffer_client.config.names import KINDS, key_of
from coffer_client.errors import ConfigurationError, OutputError

# Somebody else than the one who runs the tests, whom only root can give a file to.
STRANGER = 65_534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "client.toml"


def put(path: Path, text: str | bytes, mode: int = 0o644) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def refusal(path: Path, *, is_named: bool = False) -> str:
    with pytest.raises(ConfigurationError) as caught:
        configfile.read(str(path), is_named=is_named)
    return "\nhint: ".join(text for text in (str(caught.value), caught.value.hint) if text)


# -------------------------------------------------------------------------------------------------------------------- read


def test_every_setting_can_stand_in_a_file_and_is_as_in_its_variable(path: Path) -> None:
    text = """
        server = "coffer://x"
        identity = "keys/client.key"
        bare = true
        state = "/var/lib/app"
        no_cache = false
        max_stale = "12h"
        timeout = 2.5
    """
    values = configfile.read(put(path, text))
    assert values == {
        "server": "coffer://x",
        "identity": f"{path.parent}/keys/client.key",
        "bare": "1",
        "state": "/var/lib/app",
        "no_cache": "0",
        "max_stale": "12h",
        "timeout": "2.5",
    }
    assert list(values) == [key_of(name) for name in KINDS]


def test_a_home_is_a_home(path: Path, home: Path) -> None:
    assert configfile.read(put(path, 'identity = "~/client.key"'))["identity"] == f"{home}/client.key"


def test_a_home_that_does_not_exist_is_refused(path: Path) -> None:
    put(path, 'state = "~nosuchuser/x"')
    assert refusal(path).startswith(f"{path}, line 1: state: ~nosuchuser/x: there is no home folder ~nosuchuser")


def test_a_byte_order_mark_is_skipped(path: Path) -> None:
    put(path, "\ufefftimeout = 3\n")
    assert configfile.read(str(path)) == {"timeout": "3"}
    configfile.write(str(path), {"server": "coffer://x"})
    assert configfile.read(str(path)) == {"server": "coffer://x", "timeout": "3"}


def test_a_timeout_may_have_a_unit(path: Path) -> None:
    assert configfile.read(put(path, "timeout = '2m'")) == {"timeout": "2m"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('servr = "x"', "the key 'servr' is unknown; the keys are server, identity, bare, state, no_cache, max_stale, timeout"),
        ("max-stale = '7d'", "the key 'max-stale' is unknown"),
        ("[server]", "server: expected a text"),
        ("server.a = 1", "server: expected a text"),
        ("server = ''", "server: expected a text that is not empty"),
        ("identity = ['a']", "identity: expected a path"),
        ("state = ''", "state: expected a path, as a text that is not empty"),
        ("bare = 'yes'", "bare: expected true or false"),
        ("no_cache = 1", "no_cache: expected true or false"),
        ("max_stale = 7", "max_stale: expected a time, as a text"),
        ("timeout = ''", "timeout: expected a number of seconds above 0, or a time"),
        ("timeout = true", "timeout: expected a number"),
        ("timeout = 0", "timeout: expected a number"),
        ("timeout = nan", "timeout: expected a number"),
        ("timeout = inf", "timeout: expected a number"),
        (f"timeout = 0x{'f' * 5000}", "timeout: expected a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(path: Path, line: str, reason: str) -> None:
    # The text above looks like the line, and is none.
    put(
        path,
        f'# {line}\n\n"server" = """\n{line}\n"""\n{line}\n'
        if not line.startswith(("server", "[server]"))
        else f"\n# {line}\n\n\n\n{line}",
    )
    assert refusal(path).startswith(f"{path}, line 6: {reason}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("server coffer", r", line 1, column 8: this is not TOML"),
        (b"\xff", ", line 1, column 1: the file is not text in UTF-8"),
        (b"#" * (1 << 17), ": the file is larger than"),
    ],
)
def test_what_is_no_configuration_is_refused(path: Path, text: str | bytes, reason: str) -> None:
    put(path, text)
    with pytest.raises(ConfigurationError, match=f"^{path}{reason}"):
        configfile.read(str(path))


@pytest.mark.parametrize("key", ["server", "identity", "state", "max_stale"])
def test_no_text_has_a_nul(path: Path, key: str) -> None:
    put(path, rf'{key} = "a\u0000"')
    assert refusal(path).startswith(f"{path}, line 1: {key}: ")


@pytest.mark.parametrize("text", [f"timeout = {'9' * 5000}", f"state = {'[' * 3000}", f"\nstate = {'[' * 60_000}"])
def test_what_python_does_not_read_is_refused(path: Path, text: str) -> None:
    put(path, text)
    assert refusal(path).startswith(str(path))
    with pytest.raises(ConfigurationError, match=f"^{path}"):
        configfile.write(str(path), {"server": "x"})
    # Where another key is the one that is wrong, too.
    put(path, f"sever = 1\n{text}")
    assert refusal(path).startswith(str(path))
    assert path.read_text() == f"sever = 1\n{text}"


def test_a_long_file_is_read_once_for_the_line_of_what_is_wrong(path: Path) -> None:
    # Once for each line would take minutes.
    put(path, "#\n" * 30_000 + "zz = 1\n")
    assert refusal(path).startswith(f"{path}, line 30001: ")


def test_the_line_of_what_is_wrong_is_not_looked_for_below_a_value_that_is_none_of_a_setting(path: Path) -> None:
    put(path, 'server = """\n' + "\n" * 30_000 + '"""\nzz = 1\n')
    assert refusal(path).startswith(f"{path}: the key 'zz' is unknown")


def test_lines_may_end_as_those_of_windows_do(path: Path) -> None:
    put(path, b'server = """\r\na"""\r\n\r\nbare = 1\r\n# end\r\n')
    assert refusal(path).startswith(f"{path}, line 4: bare: ")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: the file cannot be read (Is a directory): name a file that this user can read"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
@pytest.mark.parametrize("is_named", [False, True])
def test_what_others_can_write_is_refused(path: Path, mode: int, is_named: bool) -> None:
    put(path, "", mode)
    assert (
        refusal(path, is_named=is_named)
        == f"{path}: other users can write it (mode {mode:04o})\nhint: check it; if it is right: chmod go-w {path}"
    )
    path.chmod(mode & ~0o022)
    assert configfile.read(str(path)) == {}


@only_root
def test_what_belongs_to_somebody_else_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    local = tmp_path / "coffer.toml"
    os.chown(put(local, "timeout = 1"), STRANGER, STRANGER)
    assert f"belongs to another user ({STRANGER})" in refusal(local)
    assert refusal(local).endswith("start from another folder")
    assert configfile.read(str(local), is_named=True) == {"timeout": "1"}


@only_root
def test_a_link_of_somebody_elses_is_refused_too(tmp_path: Path, path: Path) -> None:
    put(path, "timeout = 1")
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert configfile.read(str(link)) == {"timeout": "1"}
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    assert "belongs to another user" in refusal(link)


@only_root
def test_somebody_elses_pipe_does_not_keep_it_waiting(path: Path) -> None:
    os.mkfifo(path)
    os.chown(path, STRANGER, STRANGER)
    assert "belongs to another user" in refusal(path)


# ------------------------------------------------------------------------------------------------------------------- write


def test_a_new_file_is_for_all_to_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "client.toml"
    configfile.write(str(path), {"server": "coffer://x", "bare": True})
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert tomllib.loads(path.read_text()) == {"server": "coffer://x", "bare": True}
    assert path.read_text().startswith("# ")
    assert os.listdir(path.parent) == ["client.toml"]


def test_other_lines_stay_as_they_are(path: Path) -> None:
    put(path, '# mine\ntimeout   = 3 # s\nserver = "coffer://old" # gone\n\n# end')
    configfile.write(str(path), {"server": "coffer://new", "bare": True})
    assert path.read_text() == '# mine\nbare = true\ntimeout   = 3 # s\nserver = "coffer://new"\n\n# end'


def test_what_is_there_already_is_not_written_again(path: Path) -> None:
    put(path, "server='coffer://x'#", 0o600)
    before = path.stat()
    configfile.write(str(path), {"server": "coffer://x"})
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)
    configfile.write(str(path), {"server": "coffer://y"})
    assert path.stat().st_mode == before.st_mode


@pytest.mark.parametrize("text", ['server = """\nold"""', 'state = "/x"\nserver = """a\n\nb"""'])
def test_what_cannot_be_changed_by_a_line_stays(path: Path, text: str) -> None:
    put(path, text)
    with pytest.raises(ConfigurationError, match="edit it by hand"):
        configfile.write(str(path), {"server": "coffer://new"})
    assert path.read_text() == text


def test_a_place_that_cannot_be_written_is_told(path: Path) -> None:
    put(path, "")
    with pytest.raises(OutputError, match=f"{path} cannot be made"):
        configfile.write(str(path / "client.toml"), {"server": "x"})


def test_a_pipe_is_not_replaced(path: Path) -> None:
    os.mkfifo(path, 0o600)
    writer = threading.Thread(target=lambda: path.write_text("timeout = 1\n"))
    writer.start()
    with pytest.raises(OutputError, match="not a regular file"):
        configfile.write(str(path), {"server": "x"})
    writer.join()
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_link_stays_one(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    configfile.write(str(link), {"server": "x"})
    assert link.is_symlink()
    assert configfile.read(str(path)) == {"server": "x"}


@given(text=st.text(st.characters(exclude_categories=["Cs"])), old=st.sampled_from(["", "timeout = 1", "server = 'x'\ntimeout = 1\n"]))
def test_any_text_is_written_so_that_toml_reads_it(tmp_path_factory: pytest.TempPathFactory, text: str, old: str) -> None:
    path = tmp_path_factory.mktemp("any") / "client.toml"
    put(path, old)
    configfile.write(str(path), {"server": text})
    assert tomllib.loads(path.read_text()) == tomllib.loads(old) | {"server": text}
