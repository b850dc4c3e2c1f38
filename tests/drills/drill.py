"""One drill: people come, something breaks again and again, and the tally is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from tests.drills.caller import calling
from tests.drills.doors import all_doors, mint
from tests.drills.faults import Fault, Scene
from tests.drills.house import House
from tests.drills.tally import Span, Tally, tally
from tests.drills.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast people come, and how many are acknowledged between two faults."""

    per_second: float = 120
    at_once: int = 48
    fewest: int = 200
    most: int = 400
    tokens: int = 4000
    """For each door that needs them; afterwards nobody comes there any more."""
    keeps_order: bool = False
    """Whether what is acknowledged during a fault has its places in that order.

    Only where no write that was given up can succeed: across addresses there is no order else.
    """


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a drill."""

    faults: int
    came: int
    acknowledged: int
    meanwhile: int
    """How many of them while something was broken."""
    refusals: int
    lives: int
    slowest: dict[str, float]
    """By door, the longest wait for an answer, in seconds."""
    wrong_answers: list[str]
    tally: Tally

    @property
    def is_well(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.tally.wrong.values()) and not self.wrong_answers

    def __str__(self) -> str:
        """Say what is wrong."""
        return "\n".join([*self.wrong_answers, str(self.tally)])


async def drill(house: House, faults: Sequence[Fault], *, random: Random, pace: Pace) -> Result:
    """Break something again and again under load, and hold the service to what it said."""
    spans = []
    async with house.kept_running(), calling(house) as caller:
        doors = all_doors()
        await mint(caller, doors, pace.tokens)
        traffic = Traffic(caller, doors, random, pace.per_second, pace.at_once)
        async with traffic.flowing():
            await traffic.taken_everywhere()
            for fault in faults:
                await traffic.more(random.randrange(pace.fewest, pace.most))
                spans.append(await _strike(fault, Scene(house, traffic, random)))
                await traffic.taken_everywhere()
        await traffic.finish()
        found = await tally(caller, traffic.opt_outs, spans if pace.keeps_order else [])
    return Result(
        faults=len(faults),
        came=len(traffic.opt_outs),
        acknowledged=traffic.acknowledged,
        meanwhile=sum(len(span.meanwhile(traffic.opt_outs)) for span in spans),
        refusals=traffic.refusals,
        lives=house.lives,
        slowest=traffic.slowest,
        wrong_answers=traffic.wrong_answers,
        tally=found,
    )


async def _strike(fault: Fault, scene: Scene) -> Span:
    began_at = datetime.now(UTC)
    await fault(scene)
    return Span(began_at, datetime.now(UTC))
