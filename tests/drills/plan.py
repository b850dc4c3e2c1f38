"""Which drills there are, and how often each breaks what it breaks."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial

from tests.drills import faults
from tests.drills.drill import Pace
from tests.drills.faults import Fault
from tests.drills.house import House
from tests.drills.places import NotPermittedError, at_home, elsewhere, on_small_disk
from tests.drills.release import Shelf
from tests.support.running_service import PREFSVC

PACE = Pace()
OUTAGE_SECONDS = 60
OUTAGE = Pace(per_second=300, at_once=600, tokens=6000, keeps_order=True)


@dataclass(frozen=True, slots=True)
class Planned:
    """A drill to be: where, what breaks, and how often."""

    name: str
    times: int
    place: Callable[[], AbstractAsyncContextManager[tuple[House, Fault]]]
    pace: Pace = PACE
    demands_meanwhile: bool = False
    """Whether opt-outs must have been acknowledged while it was broken."""


def drills() -> list[Planned]:
    """Return all of them."""
    away = partial(faults.go_away, seconds=OUTAGE_SECONDS)
    return [
        Planned("service killed", 20, _at_home(faults.kill_service)),
        Planned("worker killed", 5, _with_workers(faults.kill_worker)),
        Planned("PostgreSQL killed", 10, _at_home(faults.kill_server)),
        Planned("backend killed", 5, _at_home(faults.kill_backend)),
        Planned("all killed at once", 5, _at_home(faults.kill_everything)),
        Planned("PostgreSQL frozen", 5, _at_home(faults.freeze_server)),
        Planned("sessions ended", 5, _at_home(faults.end_sessions)),
        Planned("connections cut", 5, _over_a_wire(faults.cut)),
        Planned("connections lost", 5, _over_a_wire(faults.lose)),
        Planned("line held", 5, _over_a_wire(faults.hold)),
        Planned("database refuses", 5, _over_a_wire(faults.refuse)),
        Planned("started without it", 5, _over_a_wire(faults.start_without)),
        Planned("database's disk full", 5, _on_small_disk("postgres")),
        Planned("whole disk full", 5, _on_small_disk("")),
        Planned("next release", 5, _of_releases),
        Planned(
            f"no database for {OUTAGE_SECONDS} s",
            1,
            _over_a_wire(away),
            OUTAGE,
            demands_meanwhile="spool" in _help(),
        ),
    ]


Place = Callable[[], AbstractAsyncContextManager[tuple[House, Fault]]]


def _at_home(fault: Fault) -> Place:
    @asynccontextmanager
    async def place():
        async with at_home() as house:
            yield house, fault

    return place


def _with_workers(fault: Fault) -> Place:
    @asynccontextmanager
    async def place():
        if "--workers" not in _help("serve"):
            raise NotPermittedError("this prefsvc has no --workers")
        async with at_home("--workers", "2") as house:
            yield house, fault

    return place


def _over_a_wire(fault: Callable[..., Fault]) -> Place:
    @asynccontextmanager
    async def place():
        async with elsewhere() as (house, wire):
            yield house, fault(wire)

    return place


def _on_small_disk(part: str) -> Place:
    @asynccontextmanager
    async def place():
        async with on_small_disk(part) as (house, disk):
            yield house, faults.fill(disk)

    return place


@asynccontextmanager
async def _of_releases():
    async with at_home() as house:
        yield house, faults.upgrade(Shelf(house.folder))


@cache
def _help(*words: str) -> str:
    """Return what this prefsvc says that it can do."""
    return subprocess.run(
        [*PREFSVC, *words, "--help"], check=True, capture_output=True, text=True
    ).stdout
