"""The script `coffer-client`: which interpreter and which packages it finds in each kind of installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import ROOT

SCRIPT: Final = ROOT / "coffer_client" / "coffer-client"
VERSION: Final = f"python3.{sys.version_info.minor}"
LIBRARIES: Final = Path("lib", VERSION, "site-packages")
# In place of the program: what it was started with, and where it found a module that it imports late.
PROBE: Final = """
def main():
    import json, sys
    try:
        import late
    except ModuleNotFoundError:
        late = None
    print(json.dumps({
        "argv": sys.argv, "executable": sys.executable, "path": sys.path, "modules": [*sys.modules], "file": __file__,
        "isolated": sys.flags.isolated, "late": late and late.__file__,
    }))
"""


def put_script(folder: Path) -> Path:
    """Copy the script as an installation does."""
    folder.mkdir(parents=True, exist_ok=True)
    script = Path(shutil.copyfile(SCRIPT, folder / "coffer-client"))
    script.chmod(0o755)
    return script


def put_packages(folder: Path) -> None:
    """Put a package of the client's name, and the folder by which an installation is known."""
    (folder / "coffer_client" / "cli").mkdir(parents=True)
    (folder / "coffer_client" / "__init__.py").touch()
    (folder / "coffer_client" / "cli" / "__init__.py").touch()
    (folder / "coffer_client" / "cli" / "main.py").write_text(PROBE)
    (folder / "coffer_secrets-0.1.0.dist-info").mkdir()


def put_late(folder: Path) -> Path:
    """Put the module that is imported late."""
    path = folder / "late.py"
    path.touch()
    return path


def put_environment(folder: Path, *, system: bool = False) -> Path:
    """Make a virtual environment that has the client, and return its script."""
    venv.create(folder, symlinks=True, system_site_packages=system)
    put_packages(folder / LIBRARIES)
    return put_script(folder / "bin")


def put_interpreter(folder: Path, name: str) -> Path:
    """Put the interpreter of these tests, without its environment."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.symlink_to(Path(sys.executable).resolve())
    return path


def put_decoy(folder: Path, name: str) -> None:
    """Put an interpreter that must not be used."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\necho 'the wrong interpreter' >&2\nexit 1\n")
    (folder / name).chmod(0o755)


def run(*command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Any:
    """Run the script, and return what the probe saw."""
    ran = subprocess.run(command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    put_environment(tmp_path / "env")
    return tmp_path / "env"


def test_an_environment_starts_without_site_and_with_its_own_packages_only(environment: Path) -> None:
    put_late(environment / LIBRARIES)
    seen = run(environment / "bin" / "coffer-client", "get", "a b", "--", "$HOME", "")
    assert seen["argv"] == [str(environment / "bin" / "coffer-client"), "get", "a b", "--", "$HOME", ""]
    assert seen["executable"] == str(environment / "bin" / "python3")
    # This is how pip wrote the paths into compiled modules.
    assert seen["file"] == str(environment / LIBRARIES / "coffer_client" / "cli" / "main.py")
    assert seen["late"] == str(environment / LIBRARIES / "late.py")
    assert "site" not in seen["modules"]
    assert [path for path in seen["path"] if path.endswith("-packages")] == [str(environment / LIBRARIES)]


@pytest.mark.parametrize(
    "name",
    ["my projects", "quotes \" and ' and $HOME and `id`", "-x", "/".join(["long" * 20] * 8)],
    ids=["space", "quotes", "dash", "long"],
)
def test_it_starts_below_any_path(name: str, tmp_path: Path) -> None:
    script = put_environment(tmp_path / name)
    assert run(script)["executable"] == str(tmp_path / name / "bin" / "python3")
    assert run("./coffer-client", cwd=script.parent)["isolated"]
    # A shell that is given a name looks for it in the current folder.
    assert run("sh", "coffer-client", cwd=script.parent)["isolated"]


def test_it_is_found_by_name(environment: Path) -> None:
    seen = run("coffer-client", environment={"PATH": f"{environment / 'bin'}:{os.environ['PATH']}"})
    assert seen["executable"] == str(environment / "bin" / "python3")


def test_a_link_leads_to_its_environment(environment: Path, tmp_path: Path) -> None:
    """As pipx and uv make them; the folder of the links may have an interpreter, too."""
    links = tmp_path / "home" / ".local" / "bin"
    put_decoy(links, "python3")
    (links / "coffer-client").symlink_to(environment / "bin" / "coffer-client")
    (links / "another name").symlink_to("coffer-client")
    for link in ("coffer-client", "another name"):
        assert run(links / link)["file"] == str(environment / LIBRARIES / "coffer_client" / "cli" / "main.py")


def test_a_link_to_the_folder_of_programs_leads_to_its_environment(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "tools").symlink_to(environment / "bin")
    seen = run(tmp_path / "tools" / "coffer-client")
    assert Path(seen["file"]).resolve() == environment / LIBRARIES / "coffer_client" / "cli" / "main.py"


def test_it_starts_after_its_environment_was_moved(environment: Path, tmp_path: Path) -> None:
    moved = environment.rename(tmp_path / "elsewhere")
    seen = run(moved / "bin" / "coffer-client")
    assert seen["file"] == str(moved / LIBRARIES / "coffer_client" / "cli" / "main.py")
    assert str(environment) not in json.dumps(seen)


def test_no_variable_and_no_folder_of_the_users_brings_modules(environment: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "variable", tmp_path / "home" / ".local" / LIBRARIES, environment / "bin", tmp_path / "cwd"):
        folder.mkdir(parents=True, exist_ok=True)
        put_late(folder)
        (folder / "json.py").write_text("raise SystemExit('the wrong module')")
    (tmp_path / "cwd" / "usercustomize.py").write_text("raise SystemExit('the wrong module')")
    variables = {
        "PYTHONPATH": str(tmp_path / "variable"),
        "PYTHONHOME": str(tmp_path / "variable"),
        "PYTHONINSPECT": "1",
        "PYTHONUSERBASE": str(tmp_path / "home" / ".local"),
        "HOME": str(tmp_path / "home"),
    }
    seen = run(environment / "bin" / "coffer-client", cwd=tmp_path / "cwd", environment=variables)
    # `late` was looked for in all that a whole start of Python knows.
    assert seen["late"] is None
    assert "site" in seen["modules"]


def test_an_environment_that_sees_the_systems_packages_sees_them(tmp_path: Path) -> None:
    seen = run(put_environment(tmp_path / "env", system=True))
    # Debian's Python calls them dist-packages, and has several.
    line = "import site; print(*site.getsitepackages(), sep='\\n')"
    asked = subprocess.run([Path(sys.executable).resolve(), "-I", "-c", line], capture_output=True, text=True, check=True)
    system = next(path for path in asked.stdout.splitlines() if path in seen["path"])
    assert seen["path"].index(str(tmp_path / "env" / LIBRARIES)) < seen["path"].index(system)


@pytest.mark.parametrize("line", ["{folder}", "import sys; sys.path.append({folder!r})"], ids=["a folder", "a finder"])
def test_what_an_environment_knows_by_a_pth_file_is_found_late(line: str, environment: Path, tmp_path: Path) -> None:
    """As editable installations do it, and namespaces."""
    (tmp_path / "elsewhere").mkdir()
    put_late(tmp_path / "elsewhere")
    (environment / LIBRARIES / "some.pth").write_text(line.format(folder=str(tmp_path / "elsewhere")))
    assert run(environment / "bin" / "coffer-client")["late"] == str(tmp_path / "elsewhere" / "late.py")


def test_the_client_itself_may_be_known_by_a_pth_file(environment: Path, tmp_path: Path) -> None:
    shutil.move(environment / LIBRARIES / "coffer_client", tmp_path / "sources" / "coffer_client")
    (environment / LIBRARIES / "some.pth").write_text(str(tmp_path / "sources"))
    assert run(environment / "bin" / "coffer-client")["file"] == str(tmp_path / "sources" / "coffer_client" / "cli" / "main.py")


@pytest.mark.parametrize(
    "packages", [LIBRARIES, Path("lib", VERSION, "dist-packages")], ids=["--user and --prefix", "--prefix with Debian's Python"]
)
def test_without_an_environment_the_packages_tell_the_interpreter(packages: Path, tmp_path: Path) -> None:
    script = put_script(tmp_path / "base" / "bin")
    put_packages(tmp_path / "base" / packages)
    late = put_late(tmp_path / "base" / packages)
    # uv, for one, puts interpreters of its own here.
    put_decoy(tmp_path / "base" / "bin", "python3")
    put_decoy(tmp_path / "path", "python3")
    interpreter = put_interpreter(tmp_path / "path", VERSION)
    seen = run(script, environment={"PATH": f"{interpreter.parent}:{os.environ['PATH']}"})
    assert Path(seen["late"]).resolve() == late
    assert seen["isolated"]


def test_without_an_environment_the_interpreter_in_its_own_folder_comes_first(tmp_path: Path) -> None:
    script = put_script(tmp_path / "base" / "bin")
    put_packages(tmp_path / "base" / LIBRARIES)
    interpreter = put_interpreter(tmp_path / "base" / "bin", VERSION)
    put_decoy(tmp_path / "path", VERSION)
    seen = run(script, environment={"PATH": f"{tmp_path / 'path'}:{os.environ['PATH']}"})
    assert seen["executable"] == str(interpreter)


def test_an_interpreter_that_is_gone_does_not_hide_one_that_is_there(tmp_path: Path) -> None:
    script = put_script(tmp_path / "base" / "bin")
    put_packages(tmp_path / "base" / LIBRARIES)
    for version in ("python3.0", "python3.99"):
        put_packages(tmp_path / "base" / "lib" / version / "site-packages")
    interpreter = put_interpreter(tmp_path / "path", VERSION)
    assert run(script, environment={"PATH": f"{interpreter.parent}:/usr/bin:/bin"})["isolated"]


def test_what_was_installed_with_target_starts(tmp_path: Path) -> None:
    script = put_script(tmp_path / "target" / "bin")
    put_packages(tmp_path / "target")
    interpreter = put_interpreter(tmp_path / "path", "python3")
    seen = run(script, environment={"PATH": f"{interpreter.parent}:{os.environ['PATH']}"})
    assert Path(seen["file"]).resolve() == tmp_path / "target" / "coffer_client" / "cli" / "main.py"


@pytest.mark.parametrize("kind", ["environment", "user"])
def test_an_interpreter_that_is_missing_is_told(kind: str, tmp_path: Path) -> None:
    if kind == "environment":
        script = put_environment(tmp_path / "base")
        missing = script.parent / "python3"
        for path in script.parent.glob("python*"):
            path.unlink()
        variables = dict(os.environ)
    else:
        script = put_script(tmp_path / "base" / "bin")
        put_packages(tmp_path / "base" / "lib" / "python3.99" / "site-packages")
        missing = Path("python3.99")
        (tmp_path / "empty").mkdir()
        variables = {"PATH": str(tmp_path / "empty")}
    ran = subprocess.run([script], env=variables, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (127, "")
    assert ran.stderr == f"coffer-client: there is no {missing}, with which it was installed: install coffer-secrets again\n"


def test_a_python_that_is_given_the_script_runs_it(environment: Path) -> None:
    """Without -I and -S, as `python .venv/bin/coffer-client`, the folder of programs still brings no modules."""
    (environment / "bin" / "late.py").touch()
    seen = run(environment / "bin" / "python", environment / "bin" / "coffer-client")
    assert seen["late"] is None
    assert seen["path"] == [path for path in seen["path"] if path != str(environment / "bin")]


def test_a_package_that_is_missing_is_named(environment: Path) -> None:
    """As when pip found it among the user's own packages, and did not install it."""
    (environment / LIBRARIES / "coffer_client" / "cli" / "main.py").write_text("def main():\n    import no_such_package.part\n")
    ran = subprocess.run([environment / "bin" / "coffer-client"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "coffer-client: the package no_such_package is missing\nhint: packages of `pip install --user` are not used: "
    )
