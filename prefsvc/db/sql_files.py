"""The migrations as files: where they are, whether they are whole, what each one's digest is."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from prefsvc.errors import MigrationsIncomplete

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of sql/migrations."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Return the digest that the database remembers it by."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_transactional(self) -> bool:
        """Whether it runs whole or not at all: unless its first line says otherwise."""
        return not self.text.startswith("-- outside a transaction")


def migrations_folder() -> Path:
    """Find sql/migrations: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "sql" / "migrations"
    return installed if installed.is_dir() else _PACKAGE.parent / "sql" / "migrations"


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Read the folder's migrations in order; refuse holes, twins and names without a number."""
    found = sorted(folder.glob("*.sql"))
    if misnamed := [file.name for file in found if not _NAME.fullmatch(file.name)]:
        raise MigrationsIncomplete(f"Not named like 0001_what_it_does.sql: {', '.join(misnamed)}.")
    read = tuple(_read(file) for file in found)
    versions = [one.version for one in read]
    if not read or versions != list(range(1, len(read) + 1)):
        names = ", ".join(one.name for one in read) or "none"
        raise MigrationsIncomplete(
            f"The migrations in {folder} are not numbered 0001, 0002 ... without holes or twins "
            f"({names}); install prefsvc again, or renumber the new ones."
        )
    return read


def _read(file: Path) -> Migration:
    # Universal newlines: a checkout that writes CRLF has not edited anything.
    return Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8"))
