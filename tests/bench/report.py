"""What was measured, as a table for people and as JSON with the machine it was measured on."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

LIBRARIES = ("prefsvc", "aiohttp", "asyncpg", "msgspec", "uvloop")


class Measured(msgspec.Struct):
    """One measurement: every round of it, what it was held against, and the target."""

    name: str
    unit: str
    ours: list[float]
    limit: list[float]
    """The same rounds of what it is held against; none where the target is a number."""
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None
    """The target: of the ratio to the limit where there is one, else of the number itself."""

    @property
    def ratio(self) -> float | None:
        """Return the median of the rounds' own ratios: what disturbs a round disturbs both."""
        pairs = zip(self.ours, self.limit, strict=True) if self.limit else ()
        return statistics.median(ratios) if (ratios := [a / b for a, b in pairs]) else None

    @property
    def is_met(self) -> bool | None:
        found = statistics.median(self.ours) if self.ratio is None else self.ratio
        if self.at_least is not None:
            return found >= self.at_least
        return found <= self.at_most if self.at_most is not None else None

    @property
    def row(self) -> tuple[str, ...]:
        """Return its row in the table."""
        limit = f"{_number(statistics.median(self.limit))} {self.against}" if self.limit else ""
        sign, target = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        return (
            self.name,
            f"{_number(statistics.median(self.ours))} {self.unit}",
            limit,
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if target is None else f"{sign} {target:g}",
            {True: "yes", False: "no", None: ""}[self.is_met],
        )


class Report(msgspec.Struct):
    """Everything that one run measured, and where."""

    taken_at: datetime
    machine: dict[str, str]
    versions: dict[str, str]
    measured: list[Measured] = []

    @classmethod
    def begin(cls) -> "Report":
        return cls(datetime.now(UTC), _machine(), {name: version(name) for name in LIBRARIES})

    def add(self, one: Measured) -> None:
        """Take a measurement in, and show it at once: a run is long."""
        self.measured.append(one)
        print("  " + "  ".join(part for part in one.row if part), flush=True)

    def against(
        self,
        name: str,
        unit: str,
        pairs: Sequence[tuple[float, float]],
        limit: str,
        **target: float,
    ) -> None:
        """Add rounds of ours and of the limit."""
        ours, limits = ([*column] for column in zip(*pairs, strict=True))
        self.add(Measured(name, unit, ours, limits, limit, **target))

    def alone(self, name: str, unit: str, values: Sequence[float], **target: float) -> None:
        """Add rounds that are held against a number, or against nothing."""
        self.add(Measured(name, unit, [*values], [], **target))

    def show(self) -> None:
        """Print the table, in the form that docs/performance.md has it."""
        head = ("what", "prefsvc", "the limit", "ratio", "target", "met")
        rows = [head, *(one.row for one in self.measured)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print(f"\n{self.taken_at:%Y-%m-%d}, {', '.join(self.machine.values())}; ", end="")
        print(", ".join(f"{name} {number}" for name, number in self.versions.items()) + "\n")
        for n, row in enumerate(rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("| " + " | ".join(cells) + " |")
            if n == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")

    def save(self, file: Path) -> None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine() -> dict[str, str]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processors": f"{os.cpu_count()} × {model[1] if model else platform.machine()}",
        "memory": f"{int(memory[1]) / 1048576:.0f} GiB" if memory else "memory unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"Python {platform.python_version()}",
    }
