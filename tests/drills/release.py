"""Releases that there are not yet: this program, with more migrations.

Older ones cannot be had from a clone alone, and what a start does is the same: it finds a database
that is behind, with all that was acknowledged in it, and migrates it.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from prefsvc.db.sql_files import read_migrations

PROJECT = Path(__file__).parents[2]
PARTS = ("prefsvc", "sql", "deploy", "openapi.yaml")
MIGRATING = "select true from pg_stat_activity where wait_event = 'PgSleep'"
"""Says whether a migration is in the midst of its work."""

_IN_ONE = """-- What a release does to tables in use, in a transaction.
create table prefsvc.drill_{number} (drill_id integer not null, primary key (drill_id));
alter table prefsvc.preference_event add column drill_{number} smallint;
select pg_sleep(0.5);
"""
_OUTSIDE = """-- outside a transaction
drop index concurrently if exists prefsvc.drill_{number};
create index concurrently drill_{number} on prefsvc.preference_event (bucket, received_at);
"""


@dataclass
class Shelf:
    """Holds the next releases, each with two migrations more than the one before."""

    folder: Path
    releases: int = 0

    def next_release(self) -> tuple[str, ...]:
        """Make the next release; return how it is called."""
        self.releases += 1
        tree = self.folder / f"release-{self.releases}"
        before = self.folder / f"release-{self.releases - 1}" if self.releases > 1 else PROJECT
        for part in PARTS:
            _copy(before / part, tree / part)
        _add_migrations(tree / "sql" / "migrations")
        return ("env", f"PYTHONPATH={tree}", sys.executable, "-m", "prefsvc")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _add_migrations(folder: Path) -> None:
    last = read_migrations(folder)[-1].version
    for number, text in enumerate((_IN_ONE, _OUTSIDE), start=last + 1):
        name = f"{number:04d}_drill.sql"
        (folder / name).write_text(text.format(number=number))
