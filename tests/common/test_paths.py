from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coffer_client.delivery.folder import Folder
from coffer_client.trust_store import find_folders
from coffer_common import paths
from coffer_common.errors import ConfigurationError
from tests.support import ROOT

BASES = [(paths.CONFIG, ".config"), (paths.STATE, ".local/state"), (paths.CACHE, ".cache")]
# A user that no system has in its list.
NOBODY = 4_000_000_000
root_alone = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that does not exist")


@pytest.mark.parametrize(("base", "below"), BASES)
def test_each_kind_has_its_folder(base: paths.Base, below: str) -> None:
    assert paths.find(base, {"HOME": "/h"}) == f"/h/{below}/coffer"
    assert paths.find(base, {"HOME": "/h", base[0]: "/x"}) == "/x/coffer"
    assert paths.require(base, {"HOME": "/h", base[0]: "/x"}, otherwise="") == "/x/coffer"


@pytest.mark.parametrize("text", ["", "relative", "./x", "~/x"])
def test_a_variable_that_is_empty_or_relative_is_ignored(text: str) -> None:
    assert paths.find(paths.CONFIG, {"HOME": "/h", "XDG_CONFIG_HOME": text}) == "/h/.config/coffer"


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "~"}, {"HOME": "here"}])
def test_without_a_home_in_its_variable_the_list_of_users_has_it(environment: dict[str, str]) -> None:
    import pwd

    assert paths.home(environment) == pwd.getpwuid(os.getuid()).pw_dir


HOMELESS = f"""if 1:
    import os, sys
    sys.path.insert(0, {str(ROOT)!r})
    os.setuid({NOBODY})
    from coffer_common import paths
    from coffer_common.errors import ConfigurationError
    environment = {{"HOME": sys.argv[1]}}
    print(paths.home(environment), [paths.find(base, environment) for base in (paths.CONFIG, paths.STATE, paths.CACHE)])
    print(paths.find(paths.CONFIG, {{"XDG_CONFIG_HOME": "/x"}}))
    for attempt in (
        lambda: paths.require(paths.CONFIG, environment, otherwise="name the file with --identity PATH"),
        lambda: paths.expand("~/x", environment),
        lambda: paths.absolute("~", environment),
    ):
        try:
            attempt()
        except ConfigurationError as error:
            print(error)
"""


@root_alone
@pytest.mark.parametrize("home", ["", "~", "relative"])
def test_a_user_without_a_home_is_told_each_way_out(home: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", HOMELESS, home], cwd="/", capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "None [None, None, None]",
        "/x/coffer",
        "this user has no home folder: set HOME or XDG_CONFIG_HOME, or name the file with --identity PATH",
        "~/x: there is no home folder ~: write the whole path, or ./~/x if that is the file's name",
        "~: there is no home folder ~: write the whole path, or ./~ if that is the file's name",
    ]


@pytest.mark.parametrize(
    ("path", "expanded"), [("~", "/h"), ("~/a/b", "/h/a/b"), ("~/", "/h"), ("./~", "./~"), ("a~", "a~"), ("a/~/b", "a/~/b"), ("/x", "/x")]
)
def test_a_home_at_the_beginning_is_expanded(path: str, expanded: str) -> None:
    assert paths.expand(path, {"HOME": "/h"}) == expanded


def test_the_home_of_another_user_is_expanded() -> None:
    assert paths.expand("~root/x", {}) == f"{os.path.expanduser('~root')}/x"
    with pytest.raises(ConfigurationError, match=r"^~nosuchuser/x: there is no home folder ~nosuchuser: write the whole path"):
        paths.expand("~nosuchuser/x", {"HOME": "/h"})


def test_a_path_becomes_absolute_if_there_is_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert paths.absolute("app") == f"{gone}/app"
    assert paths.absolute("~/app", {"HOME": "/h"}) == "/h/app"
    gone.rmdir()
    assert paths.absolute("/app") == "/app"
    for attempt in (paths.absolute, Folder, lambda path: find_folders(state=path, cache=True, environment={})):
        with pytest.raises(ConfigurationError, match=r"^app: the working directory was deleted: write an absolute path"):
            attempt("app")
