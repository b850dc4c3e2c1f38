"""How far a long command has come: one line on a terminal, and nothing where there is none."""

import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TextIO

_SECONDS_BETWEEN: Final = 0.1
_BAR: Final = 24
_CLEAR: Final = "\r\x1b[K"


@dataclass(slots=True)
class Progress:
    """A bar with the rate and the time left; `total` is what `done` counts up to, if known."""

    what: str
    total: int | None
    begun: float = field(default_factory=time.monotonic)
    out: TextIO = field(default_factory=lambda: sys.stderr)
    _shown: float = 0.0

    def show(self, done: int, count: int) -> None:
        """Say that so much is done, which was so many of what is counted."""
        now = time.monotonic()
        if not self.out.isatty() or now - self._shown < _SECONDS_BETWEEN:
            return
        self._shown = now
        print(_CLEAR + self.line(done, count, now - self.begun), end="", file=self.out, flush=True)

    def line(self, done: int, count: int, seconds: float) -> str:
        """Write the line."""
        rate = f"{count:,} {self.what}, {count / max(seconds, 0.001):,.0f} a second"
        if not self.total or not done:
            return rate
        part = min(done / self.total, 1)
        left = timedelta(seconds=round(seconds / part - seconds))
        bar = "#" * round(part * _BAR)
        return f"[{bar:<{_BAR}}] {part:4.0%}  {rate}, {left} left"

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self.out.isatty():
            print(_CLEAR, end="", file=self.out, flush=True)
