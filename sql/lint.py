"""Check sql/migrations and sql/queries for the rules that let one schema run on Citus, too.

usage: python sql/lint.py

The rules are those of ENGINE.md 2.4 and STYLE.md A.5, as far as text shows them; each message
names its rule. Exit status 1 where one is broken.
"""

import sys
from pathlib import Path

import lint_migrations
import lint_queries
from query_files import QueryError, read_folder
from statement import Finding

from prefsvc.db.sql_files import read_migrations

SQL = Path(__file__).resolve().parent


def findings(folder: Path = SQL) -> list[Finding]:
    """Return every broken rule in the folder's migrations and queries."""
    migrations = read_migrations(folder / "migrations")
    tables = lint_migrations.read_tables(
        [one for migration in migrations for one in lint_migrations.statements(migration)]
    )
    found = lint_migrations.check(migrations)
    for query in read_folder(folder / "queries"):
        found += lint_queries.check(query, tables)
    return found


def main() -> int:
    """Print what is found."""
    try:
        found = findings()
    except QueryError as error:
        print(error)
        return 1
    for finding in found:
        print(finding.text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
