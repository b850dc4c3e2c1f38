"""What the parent tells a worker that it starts."""

from typing import Final

import msgspec

ALIVE_SECONDS: Final = 1.0
"""How often a worker says that it is not stuck."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's part, and the files that it inherits. No secret is in it: others can see it."""

    number: int
    port: int
    dsn: str | None
    """Of the embedded PostgreSQL."""
    line: int
    http: tuple[int, ...]
    mail: tuple[int, ...]
    is_first: bool = False
    """The first of those that start together applies the brand files."""
    greets: bool = False
    is_patient: bool = False
    """It serves though the database is away; one that is to replace another has no need to."""
