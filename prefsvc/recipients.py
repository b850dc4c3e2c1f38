"""Recipients: an address with its key, and storing it the first time it is seen."""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import Struct

from prefsvc.address import Address, Channel, address_key, bucket_of, kind_of
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.vault import PEPPER_VERSION, Vault


class Recipient(Struct, frozen=True):
    """Whom an act is about; `address` is None where only its key is left: an erased address.

    Or where a list names it by its SHA-256 alone, which is then kept sealed.
    """

    address_key: bytes
    channel: Channel
    address: Address | None
    sealed_sha256: bytes | None = None

    @classmethod
    def of(cls, address: Address, vault: Vault) -> "Recipient":
        """Key an address."""
        key = address_key(vault.pepper, address.channel, address.sha256)
        return cls(key, address.channel, address)

    def aliases(self, vault: Vault) -> list["Recipient"]:
        """Return the same subscriber under the other spellings of the number, if it is known."""
        others = self.address.aliases if self.address else ()
        return [Recipient.of(other, vault) for other in others]

    def on(self, channel: Channel) -> "Recipient":
        """Return the same person on another channel that reaches the same address (S-31)."""
        address = replace(self.address, channel=channel) if self.address else None
        return Recipient(self.address_key, channel, address, self.sealed_sha256)

    @property
    def can_be_stored(self) -> bool:
        """Say whether there is anything by which lists could name it."""
        return self.address is not None or self.sealed_sha256 is not None

    @property
    def country(self) -> str | None:
        """Return the country that the address itself shows, if any."""
        return self.address.country if self.address else None

    @property
    def bucket(self) -> int:
        """Return the bucket that holds everything about this address."""
        return bucket_of(self.address_key)


async def store_addresses(tx: Tx, recipients: Iterable[Recipient]) -> None:
    """Store addresses that are not known yet; an erased one that speaks again is not restored."""
    known = [one for one in recipients if one.can_be_stored]
    await queries.ensure_addresses(
        tx.conn, rows=[_address(tx, one) for one in sorted(known, key=_by_bucket)]
    )


def _by_bucket(recipient: Recipient) -> tuple[int, bytes]:
    return (recipient.bucket, recipient.address_key)


def _address(tx: Tx, recipient: Recipient) -> queries.EnsureAddressesIn:
    address = recipient.address
    return queries.EnsureAddressesIn(
        bucket=recipient.bucket,
        address_key=recipient.address_key,
        channel=kind_of(recipient.channel),
        canonical=address.canonical if address else None,
        as_written=address.as_written
        if address and address.as_written != address.canonical
        else None,
        sealed_sha256=recipient.sealed_sha256,
        pepper_version=PEPPER_VERSION,
        first_seen_at=tx.now,
    )
