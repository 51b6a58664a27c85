from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

WITHOUT = "import sys; sys.modules[{module!r}] = None; from coffer_companion.__main__ import main; main()"


@pytest.mark.parametrize("module", ["dotenv", "rich", "tomlkit", "trio"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"coffer-companion needs {module}, which is not installed: pip install 'coffer-secrets[companion]'\n"


def test_what_else_is_missing_is_not_hidden() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(module="typer")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
