"""The drills' short form: each fault once or twice, under load, at the pace of a busy machine.

`make drills` holds them long enough for numbers (docs/performance.md).
"""

import random
import sys

import pytest

from tests.drills import faults
from tests.drills.drill import Pace, drill
from tests.drills.places import at_home, elsewhere

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

SEED = 6
PACE = Pace(per_second=40, at_once=24, fewest=20, most=40, tokens=400)
QUICK = {
    "connect_timeout_seconds": 1,
    "statement_timeout_seconds": 1.5,
    "request_timeout_seconds": 2,
    "webhook_timeout_seconds": 2,
    "spool_after_seconds": 0.5,
}
"""So that nobody waits long for a database that does not answer."""


async def test_whatever_is_killed_or_frozen_nothing_acknowledged_is_lost_or_doubled():
    breaking = [
        faults.kill_service, faults.kill_server, faults.kill_backend, faults.freeze_server,
        faults.kill_everything,
    ]  # fmt: skip
    async with at_home(**QUICK) as house:
        result = await drill(house, breaking, random=random.Random(SEED), pace=PACE)
    assert result.is_well, result
    assert result.acknowledged >= PACE.fewest * len(breaking)


async def test_whatever_becomes_of_the_line_nothing_acknowledged_is_lost_or_doubled():
    async with elsewhere(**QUICK) as (house, wire):
        breaking = [
            faults.cut(wire), faults.hold(wire), faults.lose(wire), faults.refuse(wire),
            faults.end_sessions, faults.start_without(wire),
        ]  # fmt: skip
        result = await drill(house, breaking, random=random.Random(SEED), pace=PACE)
    assert result.is_well, result
    assert result.acknowledged >= PACE.fewest * len(breaking)
