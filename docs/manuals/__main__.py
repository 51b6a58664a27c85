"""Write everything that is made from what the programs say about themselves, and remove what is no longer made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coffer_client.cli.completion import bash, fish, zsh
from coffer_client.cli.options import PROGRAM

from . import man, page
from .applications import COMPANION, SERVER
from .help import texts
from .reference import CLIENT

ROOT: Final = Path(__file__).parents[2]
SHARE: Final = "docs/share"
HELP: Final = "tests/manuals/help"
PAGE: Final = "docs/client.md"
PROGRAMS: Final = (CLIENT, SERVER, COMPANION)


def made() -> dict[str, str]:
    """Return what is made, by its path in the repository. An installation has `docs/share` as `share`, below its prefix."""
    return {
        **{f"{SHARE}/man/man1/{name}": text for program in PROGRAMS for name, text in man.pages(program).items()},
        f"{SHARE}/bash-completion/completions/{PROGRAM}": bash.script(),
        f"{SHARE}/zsh/site-functions/_{PROGRAM}": zsh.script(),
        f"{SHARE}/fish/vendor_completions.d/{PROGRAM}.fish": fish.script(),
        **{f"{HELP}/{name}.txt": text for name, text in texts().items()},
        PAGE: page.with_reference((ROOT / PAGE).read_text(encoding="utf-8")),
    }


def write() -> None:
    """Make the files be what is made."""
    files = made()
    for path in (*(ROOT / SHARE).rglob("*"), *(ROOT / HELP).rglob("*")):
        if path.is_file() and path.relative_to(ROOT).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
