"""The spool's file: SQLite, flushed to the disk before anybody is told that something is kept.

One connection, used by one thread at a time. Several processes may have the file open: SQLite lets
one write at a time, and one of them at a time gives the items back (`replaying`).
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prefsvc.errors import SpoolUnusable

FILE: Final = "spool.sqlite"
_PAGE_BYTES: Final = 4096
_BUSY_SECONDS: Final = 5.0

_SCHEMA: Final = """
create table if not exists item (
    item_id integer primary key autoincrement,
    kept_at text not null,
    content blob not null,
    -- Why it could not be given back, where it was set aside for somebody to look at.
    fault text
) strict;
create index if not exists item_waits on item (item_id) where fault is null;
create index if not exists item_is_set_aside on item (item_id) where fault is not null;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An item, when it was kept, and why it is set aside, if it is."""

    item_id: int
    kept_at: datetime
    content: bytes
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How much there is: what waits to be given back, since when, and what is set aside."""

    waiting: int
    oldest_at: datetime | None
    set_aside: int


class Store:
    """Keeps items in order."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        """Open the file in this folder, making both where they are missing.

        Raises SpoolUnusable where that cannot be.
        """
        self._folder = folder
        with _usable(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Ours alone from its first moment: people's addresses are in it.
            os.close(os.open(folder / FILE, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(
                folder / FILE,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._set_up(bytes_max)

    def _set_up(self, bytes_max: int) -> None:
        for pragma in (
            f"page_size = {_PAGE_BYTES}",
            "journal_mode = wal",
            "synchronous = full",  # a commit is on the disk
            f"max_page_count = {max(bytes_max // _PAGE_BYTES, 16)}",
            "secure_delete = on",  # what was given back is gone from the file, too
        ):
            self._db.execute(f"pragma {pragma}")
        self._db.executescript(_SCHEMA)
        flush_folder(self._folder)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def keep(self, contents: Sequence[tuple[datetime, bytes]]) -> None:
        """Keep items, all or none; they are on the disk when this returns.

        Raises SpoolUnusable where the file is full or cannot be written.
        """
        with self._writing():
            self._db.executemany(
                "insert into item (kept_at, content) values (?, ?)",
                [(at.astimezone(UTC).isoformat(), content) for at, content in contents],
            )

    def first(self, size: int) -> list[Kept]:
        """Return the items that were kept first and wait to be given back."""
        return self._read("where fault is null order by item_id limit ?", size)

    def set_aside_ones(self, size: int) -> list[Kept]:
        """Return the items that were set aside first."""
        return self._read("where fault is not null order by item_id limit ?", size)

    def given_back(self, item_ids: Sequence[int]) -> None:
        """Forget items that are in the register now."""
        with self._writing():
            self._db.executemany("delete from item where item_id = ?", [(n,) for n in item_ids])

    def set_aside(self, item_id: int, fault: str) -> None:
        """Leave an item out from now on, for somebody to look at; it is not lost."""
        with self._writing():
            self._db.execute("update item set fault = ? where item_id = ?", (fault, item_id))

    def try_again(self) -> int:
        """Let what was set aside wait to be given back again; return how much that is."""
        with self._writing():
            return self._db.execute("update item set fault = null where fault is not null").rowcount

    def standing(self) -> Standing:
        """Return how much there is."""
        with _usable(self._folder):
            waiting, oldest, aside = self._db.execute(
                "select count(*) filter (where fault is null),"
                " min(kept_at) filter (where fault is null),"
                " count(*) filter (where fault is not null) from item"
            ).fetchone()
        return Standing(waiting, datetime.fromisoformat(oldest) if oldest else None, aside)

    def _read(self, which: str, size: int) -> list[Kept]:
        query = f"select item_id, kept_at, content, fault from item {which}"  # noqa: S608 - our own
        with _usable(self._folder):
            rows = self._db.execute(query, (size,)).fetchall()
        return [
            Kept(item_id, datetime.fromisoformat(at), content, fault)
            for item_id, at, content, fault in rows
        ]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _usable(self._folder):
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        # Which kind it is says enough; SQLite's own words may repeat what is written.
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise SpoolUnusable(
            f"The spool in {folder.name}/ cannot be used ({name}); see to its disk and its rights."
        ) from error


def flush_folder(folder: Path) -> None:
    """Have the disk know which files are in it."""
    at = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(at)
    finally:
        os.close(at)
