"""Many rows in few statements: multi-row VALUES, cut into a handful of sizes.

ENGINE.md 2.3 measured it: the one form of a batch that is fast on plain PostgreSQL and on Citus.
Chunks are powers of two so that a connection prepares nine statements for a query, not one for
each number of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

LARGEST_CHUNK = 256
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
        chunk = LARGEST_CHUNK
        while chunk > 1 and chunk * len(self.types) + self.fixed > _PARAMETERS_MAX:
            chunk //= 2
        return chunk

    def text(self, count: int) -> str:
        """Return the statement for this many rows."""
        return _text(self, count)

    def cut(self, rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
        """Cut the rows, in order, into chunks of a power of two, the largest first."""
        start, size = 0, self.largest
        while start < len(rows):
            while size > len(rows) - start:
                size //= 2
            yield rows[start : start + size]
            start += size


@lru_cache(maxsize=1024)
def _text(batch: Batch, count: int) -> str:
    width = len(batch.types)
    # Every row is cast, not only the first: so all rows are read by the same types.
    rows = (
        ", ".join(f"${first + i}::{name}" for i, name in enumerate(batch.types))
        for first in range(batch.fixed + 1, batch.fixed + 1 + count * width, width)
    )
    return batch.before + ", ".join(f"({row})" for row in rows) + batch.after
