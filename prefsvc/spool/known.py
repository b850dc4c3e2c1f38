"""What a process must know of the register to open its doors, kept beside the spool.

With it a service that starts while the database is away takes opt-outs all the same: links are
verified and texts told apart by the brands as they were, and kept in the spool. No secret and
nobody's address is in it.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from prefsvc.brand import Brand
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.errors import BrandRefusal
from prefsvc.installation import Installation
from prefsvc.spool.store import flush_folder
from prefsvc.vault import Vault

log = structlog.get_logger()

FILE: Final = "known.json"


@dataclass(frozen=True, slots=True)
class Known:
    """Which register it is, and its brands."""

    installation: Installation
    book: BrandBook
    book_version: str | None

    @property
    def version(self) -> tuple[Installation, str | None]:
        """Return what changes whenever any of it does."""
        return self.installation, self.book_version


class _Brand(msgspec.Struct, frozen=True):
    brand_id: int
    definition: dict[str, Any]
    retired_at: datetime | None


class _Kept(msgspec.Struct, frozen=True):
    pepper_fingerprint: bytes
    ledger_fingerprint: bytes
    installation_id: UUID
    feed_epoch: UUID
    book_version: str | None
    brands: tuple[_Brand, ...]

    @classmethod
    def of(cls, known: Known, vault: Vault) -> "_Kept":
        return cls(
            vault.pepper_fingerprint,
            vault.ledger_fingerprint,
            known.installation.installation_id,
            known.installation.feed_epoch,
            known.book_version,
            tuple(
                _Brand(brand_id, one.brand.to_document(), one.retired_at)
                for brand_id, one in known.book.by_id.items()
            ),
        )

    def read(self, vault: Vault) -> Known:
        brands = [
            AppliedBrand(one.brand_id, Brand.from_document(one.definition), one.retired_at)
            for one in self.brands
        ]
        installation = Installation(self.installation_id, self.feed_epoch)
        return Known(installation, BrandBook.of(brands, vault.token_masters), self.book_version)

    def is_of(self, vault: Vault) -> bool:
        ours = vault.pepper_fingerprint, vault.ledger_fingerprint
        return (self.pepper_fingerprint, self.ledger_fingerprint) == ours


def keep(folder: Path, known: Known, vault: Vault) -> None:
    """Keep it in this folder for the next start; raises OSError where that cannot be.

    Who reads it meanwhile finds what was there before, or all of this.
    """
    content = msgspec.json.encode(_Kept.of(known, vault))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Of our own: other processes of this machine may be at it, too.
    written = folder / f"{FILE}.{os.getpid()}"
    at = os.open(written, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(at, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / FILE)
    flush_folder(folder)


def kept(folder: Path, vault: Vault) -> Known | None:
    """Return what was kept in this folder; None where nothing is that can be used."""
    try:
        content = msgspec.json.decode((folder / FILE).read_bytes(), type=_Kept)
        if content.is_of(vault):
            return content.read(vault)
        log.warning("known_with_other_secrets")
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, BrandRefusal) as error:
        log.warning("known_unreadable", kind=type(error).__name__)
    return None
