from __future__ import annotations

import json

from tests.companion.conftest import Operator

from .command_lines import Run, good, lines


def test_a_timer_may_run_it_as_often_as_it_likes(published: Operator, run: Run) -> None:
    done = good(run("renew", "--expires", "7d"))
    assert done.out == ""
    assert f"published release 4 of {published.coffer}, which expires 20" in done.err
    # Nothing is due: it says nothing.
    done = good(run("renew", "--expires", "7d"))
    assert (done.out, done.err) == ("", "")
    assert "(in 6d" in lines(run("status"))[0]
    told = json.loads(good(run("renew", "--json")).out)
    assert (told["serial"], told["renewed"]) == (4, False)
    again = json.loads(good(run("renew", "--expires", "30d", "--json")).out)
    assert (again["coffer"], again["serial"], again["renewed"]) == (published.coffer, 5, True)
    assert again["expires"] > told["expires"]


def test_a_life_without_end_is_none(published: Operator, run: Run) -> None:
    for word in ("never", "soon"):
        assert run("renew", "--expires", word).code == 2
