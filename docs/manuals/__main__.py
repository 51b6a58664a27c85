"""Writes everything that is made of what the programs say of themselves, and removes what is made no longer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coffer_client.cli.completion import bash, fish, zsh
from coffer_client.cli.options import PROGRAM

from . import man, page
from .applications import COMPANION, SERVER
from .reference import CLIENT

ROOT: Final = Path(__file__).parents[2]
SHARE: Final = "docs/share"
PAGE: Final = "docs/client.md"
PROGRAMS: Final = (CLIENT, SERVER, COMPANION)


def made() -> dict[str, str]:
    """What is made, by its path in the repository. What is below `docs` of those in `docs/share` is below an installation's prefix."""
    return {
        **{f"{SHARE}/man/man1/{name}": text for program in PROGRAMS for name, text in man.pages(program).items()},
        f"{SHARE}/bash-completion/completions/{PROGRAM}": bash.script(),
        f"{SHARE}/zsh/site-functions/_{PROGRAM}": zsh.script(),
        f"{SHARE}/fish/vendor_completions.d/{PROGRAM}.fish": fish.script(),
        PAGE: page.with_reference((ROOT / PAGE).read_text(encoding="utf-8")),
    }


def write() -> None:
    """Make the files be what is made."""
    files = made()
    for path in (ROOT / SHARE).rglob("*"):
        if path.is_file() and path.relative_to(ROOT).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
