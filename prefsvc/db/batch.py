"""Many rows in few statements: multi-row VALUES, cut into a handful of sizes.

ENGINE.md 2.3 measured it: the one form of a batch that is fast on plain PostgreSQL and on Citus.
A chunk has up to 16 rows, or a multiple of 16: so most batches are two statements at most, and a
connection prepares 31 for a query, not one for each number of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

LARGEST_CHUNK = 256
STEP = 16
_PARAMETERS_MAX = 30_000  # the protocol ends at 32,767
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Batch:
    """A statement around its rows: the text before them and after, and each column's type.

    `fixed` is how many parameters stand outside the rows; they come first.
    """

    before: str
    after: str
    fixed: int
    types: tuple[str, ...]

    @property
    def largest(self) -> int:
        """Return how many rows one statement may carry."""
        rows = min(LARGEST_CHUNK, (_PARAMETERS_MAX - self.fixed) // len(self.types))
        return rows - rows % STEP if rows > STEP else rows

    def text(self, count: int) -> str:
        """Return the statement for this many rows."""
        return _text(self, count)

    def cut(self, rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
        """Cut the rows, in order, into chunks of one of those sizes, the largest first."""
        start, largest = 0, self.largest
        while (left := len(rows) - start) > 0:
            size = min(left, largest)
            if size > STEP:
                size -= size % STEP
            yield rows[start : start + size]
            start += size


def filled(count: int) -> int:
    """Return how many rows there must be, so that what `cut` leaves is one chunk and not several.

    For those who have rows to add that change nothing.
    """
    whole, rest = divmod(count, LARGEST_CHUNK)
    return whole * LARGEST_CHUNK + (1 << (rest - 1).bit_length() if rest else 0)


@lru_cache(maxsize=1024)
def _text(batch: Batch, count: int) -> str:
    width = len(batch.types)
    # Every row is cast, not only the first: so all rows are read by the same types.
    rows = (
        ", ".join(f"${first + i}::{name}" for i, name in enumerate(batch.types))
        for first in range(batch.fixed + 1, batch.fixed + 1 + count * width, width)
    )
    return batch.before + ", ".join(f"({row})" for row in rows) + batch.after
