"""Long work in turns: what computes for long lets everything else go on in between."""

import asyncio
from dataclasses import dataclass
from typing import Final

STEPS_PER_TURN: Final = 1000
"""How many steps are done in one go; a step is some microseconds."""


@dataclass(slots=True)
class Pace:
    """Counts the steps since others last had their turn."""

    steps: int = 0

    async def after(self, steps: int) -> None:
        """Count work that was done; let others have their turn once it was enough."""
        self.steps += steps
        if self.steps >= STEPS_PER_TURN:
            self.steps = 0
            await asyncio.sleep(0)
