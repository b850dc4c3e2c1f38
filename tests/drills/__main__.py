"""Crash drills: break all that can break, under load, and count what was lost.

`make drills` holds all of them; DRILLS_ARGS="--only frozen --times 1" some. A drill that went wrong
is held again, with the same draws, by its seed.
"""

import argparse
import asyncio
import json
import random
import secrets
import time
import traceback
from pathlib import Path

from tests.drills.drill import drill
from tests.drills.places import NotPermittedError
from tests.drills.plan import Planned, drills
from tests.drills.report import Line, document, heading, row, summary

SECONDS_MAX = 1800
"""The longest that one drill may take."""


async def hold(planned: Planned, times: int, seed: int) -> Line:
    """Hold a drill, unless it cannot be held here."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS_MAX), planned.place() as (house, fault):
            draw = random.Random(f"{seed} {planned.name}")
            result = await drill(house, [fault] * times, random=draw, pace=planned.pace)
    except NotPermittedError as reason:
        return Line(planned.name, skipped=str(reason))
    except Exception:  # noqa: BLE001 - the others are to be held all the same
        return Line(planned.name, broken_off=traceback.format_exc())
    seconds = time.monotonic() - began
    return Line(planned.name, seconds, result, demands_meanwhile=planned.demands_meanwhile)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drills", description=__doc__)
    parser.add_argument("--only", default="", help="drills with these words in their names")
    parser.add_argument("--times", type=int, help="how often each breaks something")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--json", type=Path, help="a file to write the results to")
    given = parser.parse_args()
    print(f"seed {given.seed}\n{heading()}", flush=True)
    lines = []
    for planned in drills():
        if given.only in planned.name:
            lines.append(asyncio.run(hold(planned, given.times or planned.times, given.seed)))
            print(row(lines[-1]), flush=True)
            if not lines[-1].is_well:
                print(lines[-1].complaints, flush=True)
    print(summary(lines))
    if given.json:
        given.json.write_text(json.dumps(document(lines, given.seed), indent=2) + "\n")
    return 0 if all(line.is_well for line in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
