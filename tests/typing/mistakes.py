"""What an application must not write. test_typing.py has mypy refuse each line that says so, for the reason that it gives, and no other."""

from __future__ import annotations

import coffer_client
from coffer_client import nonsense  # refused: attr-defined
from coffer_client.pydantic_source import CofferSettingsSource


def mistaken(coffer: coffer_client.Coffer) -> None:
    port: int = coffer.text("port")  # refused: assignment
    perhaps: str = coffer.text("url", default=None)  # refused: arg-type
    day: str = coffer.date("day")  # refused: assignment
    coffer.int("port", 5432)  # refused: call-overload
    coffer.text(7)  # refused: call-overload
    coffer["url"] = "x"  # refused: index
    coffer.release = coffer.release  # refused: misc
    coffer["port"] + 1  # refused: operator
    coffer.list("hosts")  # refused: attr-defined
    coffer.environ(only="db.*")  # refused: arg-type
    coffer_client.fetch("coffer://…")  # refused: call-arg
    coffer_client.fetch(timeout=3)  # refused: call-arg
    coffer_client.nothing()  # refused: attr-defined
    CofferSettingsSource(coffer)  # refused: arg-type
    print(nonsense, port, perhaps, day)
