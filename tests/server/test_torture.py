"""A server that is killed with -9 at random moments of real uploads. scripts/torture does it a thousand times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .torture import Moment, Outcome, plans, report, torture

SEED = 20_270_115
ROUNDS = 50


def test_nothing_is_lost_and_nothing_is_half_there(tmp_path: Path) -> None:
    planned = plans(ROUNDS, SEED)
    moments = Counter(plan.moment for plan in planned)
    # What is drawn with this seed, and so must be seen.
    assert min(moments[moment] for moment in Moment) >= 10
    assert sum(plan.releases for plan in planned) >= ROUNDS // 2
    seen = torture(tmp_path, planned, seed=SEED)
    print(f"seed {SEED}: {report(seen)}")
    assert seen.cut[Moment.SENDING, Outcome.GONE] == moments[Moment.SENDING]
    assert seen.cut[Moment.ANSWERED, Outcome.ACKNOWLEDGED] == moments[Moment.ANSWERED]
    # What became of the others is a matter of a moment; that each was whole or not there, every round has looked at.
    assert sum(seen.cut[Moment.COMMITTING, outcome] for outcome in Outcome) == moments[Moment.COMMITTING]
