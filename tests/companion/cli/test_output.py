from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from coffer_companion.cli.output import CLIENTS_SHOWN, REVERTS_SHOWN, show_plan
from coffer_companion.releases.plan import ChangeKind, ClientChange, KeyChange, Plan, Revert
from tests.companion.conftest import Operator

from .command_lines import process


def client(name: str, change: ChangeKind, *keys: tuple[str, ChangeKind], is_emptied: bool = False) -> ClientChange:
    return ClientChange(client=name, change=change, keys=tuple(KeyChange(key=key, change=how) for key, how in keys), is_emptied=is_emptied)


PLAN = Plan(
    coffer="shop",
    serial=7,
    clients=(
        client("web", ChangeKind.CHANGED, ("db_url", ChangeKind.CHANGED), ("token", ChangeKind.ADDED), ("old", ChangeKind.REMOVED)),
        ClientChange(
            client="worker",
            change=ChangeKind.ADDED,
            keys=(KeyChange(key="base_url", change=ChangeKind.ADDED, public="https://shop.example"),),
        ),
        client("gone", ChangeKind.REMOVED),
    ),
    unchanged=40,
)


def shown(plan: Plan, **console: bool) -> str:
    stream = io.StringIO()
    show_plan(plan, False, Console(file=stream, width=80, highlight=False, markup=False, force_terminal=console.get("terminal", False)))
    return stream.getvalue()


def test_a_plan_for_people() -> None:
    assert shown(PLAN).splitlines() == [
        "coffer shop, release 7: 1 added, 1 changed, 1 removed, 40 unchanged",
        "  ~ web",
        "      ~ db_url",
        "      + token",
        "      - old",
        "  + worker",
        "      + base_url = https://shop.example",
        "  - gone",
    ]


def test_colours_on_a_terminal_alone_and_not_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in shown(PLAN)
    assert "\x1b[32m" in shown(PLAN, terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(PLAN, terminal=True)


def test_remarks_are_shown_to_people_and_programs() -> None:
    plan = Plan(coffer="shop", serial=2, clients=(), unchanged=3, remarks=("publisher laptop is added",))
    assert shown(plan).splitlines()[1] == "  publisher laptop is added"
    assert json.loads(plan.to_json())["remarks"] == ["publisher laptop is added"]


def test_what_goes_back_is_shown_up_to_a_number() -> None:
    reverts = tuple(Revert(client=f"c{number}", keys=("a",), serial=1) for number in range(REVERTS_SHOWN + 3))
    shown_lines = shown(Plan(coffer="shop", serial=2, clients=(), unchanged=0, reverts=reverts)).splitlines()
    assert shown_lines[1] == "  a of c0 goes back to what it was in release 1"
    assert len(shown_lines) == REVERTS_SHOWN + 2
    assert shown_lines[-1] == "  … and 3 more go back: --json prints all of them"


def test_nobody_reads_a_hundred_thousand_lines() -> None:
    plan = Plan(coffer="shop", serial=2, clients=tuple(client(f"c{n}", ChangeKind.REMOVED) for n in range(1000)), unchanged=0)
    lines = shown(plan).splitlines()
    assert len(lines) == CLIENTS_SHOWN + 2
    assert lines[-1] == "  … and 800 more clients: --json prints all of them"
    assert len(json.loads(plan.to_json())["clients"]) == 1000


def test_a_renewal_says_that_nothing_else_changes() -> None:
    renewal = Plan(coffer="shop", serial=2, clients=(), unchanged=3, is_renewal=True)
    assert shown(renewal).splitlines()[-1] == "  the release is renewed: only its expiry changes"


def test_colours_are_for_terminals_that_want_them(operator: Operator) -> None:
    file = operator.write("[web]\na = 1", "web")
    server = str(operator.address)
    for environment, has_colours in (({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)):
        out, err = process(operator, "diff", file, "--server", server, TERM="xterm", **environment).communicate(timeout=60)
        assert ("\x1b[32m" in out) == has_colours, err
