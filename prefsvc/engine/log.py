"""The server's log: one file, and the one before it."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BYTES_MAX = 4 * 2**20
_TAIL_BYTES_MAX = 16 * 2**10
_TAIL_LINES = 10


@dataclass(frozen=True, slots=True)
class ServerLog:
    """A file that the server appends to by itself, so that it never waits for us to read."""

    path: Path

    def open(self) -> int:
        """Return a descriptor to append to."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def size(self) -> int:
        """Return how many bytes it has."""
        return self.path.stat().st_size if self.path.exists() else 0

    def rotate(self, bytes_max: int = _BYTES_MAX) -> None:
        """Begin anew once it is large. The server goes on writing to the same file."""
        if self.size() > bytes_max:
            with suppress(OSError):  # on a full disk, room is worth more
                shutil.copy2(self.path, self.path.with_name(f"{self.path.name}.1"))
            os.truncate(self.path, 0)

    def tail(self, since: int) -> str:
        """Return the last lines written after that many bytes."""
        size = self.size()
        start = max(since if since <= size else 0, size - _TAIL_BYTES_MAX)
        with self.path.open("rb") as file:
            file.seek(start)
            text = file.read(_TAIL_BYTES_MAX).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-_TAIL_LINES:])
