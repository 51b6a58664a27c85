from __future__ import annotations

from tests.companion.conftest import Operator

from .command_lines import Run, good


def test_check_counts_and_warns(operator: Operator, run: Run) -> None:
    done = good(run("check", operator.write('[web]\na = "changeme"\n9lives = 9', "web*2")))
    assert done.out.endswith(": 1 clients with 2 public keys, 2 values: good\n")
    assert "looks like a placeholder" in done.err
    assert "web: '9lives' gives '9lives', which is not a name for a variable" in done.err


def test_check_names_what_is_wrong(operator: Operator, run: Run) -> None:
    done = run("check", operator.write("[web]\na = []", "web"))
    assert (done.code, done.out) == (2, "")
    assert "web.a" in done.err


def test_explain(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    assert good(run("explain", "web", "a", "--file", file)).out.startswith("web a: own value, ")
    assert "the clients are web" in run("explain", "worker", "a", "--file", file).err
    assert run("explain", "web", "b", "--file", file).code == 2
