"""What came of the drills, as a table for people and as JSON for programs."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.drills.drill import Result

COLUMNS = (
    ("drill", 24), ("faults", 6), ("came", 7), ("taken", 7), ("meanwhile", 9), ("lost", 5),
    ("doubled", 7), ("other", 5), ("slowest", 8), ("starts", 6), ("seconds", 7),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One drill: what came of it, or why it was not held."""

    name: str
    seconds: float = 0
    result: Result | None = None
    skipped: str = ""
    broken_off: str = ""
    """What ended it before there was a tally; then it claims nothing."""
    demands_meanwhile: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing went wrong."""
        if self.result is None:
            return not self.broken_off
        return self.result.is_well and not self._owes_meanwhile

    @property
    def complaints(self) -> str:
        """Say what went wrong."""
        missing = "nothing was acknowledged meanwhile\n" if self._owes_meanwhile else ""
        return missing + str(self.result or self.broken_off)

    @property
    def _owes_meanwhile(self) -> bool:
        return self.demands_meanwhile and not (self.result and self.result.meanwhile)

    @property
    def other(self) -> int:
        """How many things are wrong that are neither lost nor doubled."""
        assert self.result is not None
        wrong = self.result.tally.wrong
        others = sum(len(found) for kind, found in wrong.items() if kind not in {"lost", "doubled"})
        return others + len(self.result.wrong_answers)

    def document(self) -> dict[str, object]:
        """Return it for programs."""
        if self.result is None:
            why = {"broken_off": self.broken_off} if self.broken_off else {"skipped": self.skipped}
            return {"drill": self.name} | why
        result = self.result
        return {
            "drill": self.name,
            "faults": result.faults,
            "came": result.came,
            "acknowledged": result.acknowledged,
            "acknowledged_meanwhile": result.meanwhile,
            "refusals": result.refusals,
            "starts": result.lives,
            "lost": result.tally.count("lost"),
            "doubled": result.tally.count("doubled"),
            "wrong": {kind: len(found) for kind, found in result.tally.wrong.items() if found},
            "wrong_answers": result.wrong_answers,
            "slowest_seconds": {door: round(s, 2) for door, s in result.slowest.items()},
            "seconds": round(self.seconds, 1),
        }


def heading() -> str:
    """Return the table's first line."""
    return "  ".join(
        f"{name:{'<' if n == 0 else '>'}{width}}" for n, (name, width) in enumerate(COLUMNS)
    )


def row(line: Line) -> str:
    """Return a drill's line of the table."""
    if line.result is None:
        why = "broken off" if line.broken_off else f"skipped: {line.skipped}"
        return f"{line.name:<{COLUMNS[0][1]}}  {why}"
    result = line.result
    cells = (
        result.faults, result.came, result.acknowledged, result.meanwhile,
        result.tally.count("lost"), result.tally.count("doubled"), line.other,
        f"{max(result.slowest.values(), default=0):.1f} s", result.lives, f"{line.seconds:.0f}",
    )  # fmt: skip
    widths = [width for _, width in COLUMNS[1:]]
    rest = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join([f"{line.name:<{COLUMNS[0][1]}}", *rest])


def summary(lines: Sequence[Line]) -> str:
    """Return the last line: all of it together."""
    held = [line.result for line in lines if line.result]
    return (
        f"{sum(one.faults for one in held)} faults, "
        f"{sum(one.acknowledged for one in held)} opt-outs acknowledged: "
        f"{sum(one.tally.count('lost') for one in held)} lost, "
        f"{sum(one.tally.count('doubled') for one in held)} doubled, "
        f"{sum(line.other for line in lines if line.result)} otherwise wrong"
    )


def document(lines: Sequence[Line], seed: int) -> dict[str, object]:
    """Return all for programs, with where and when it was."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "machine": {
            "system": platform.platform(),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "drills": [line.document() for line in lines],
    }
