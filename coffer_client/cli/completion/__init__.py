"""Scripts with which shells complete a command line, made from the table in `options`.

A script holds the commands, the options and their values. Only for a KEY it runs the program, as `keys --cached`, which asks no server;
its errors are dropped. What was typed is split into words and never evaluated.

Modules:
    bash.py     the script for bash
    zsh.py      the script for zsh
    fish.py     the script for fish
    offers.py   what all shells offer for each kind of value
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from . import bash, fish, zsh

SCRIPTS: Final[Mapping[str, Callable[[], str]]] = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
