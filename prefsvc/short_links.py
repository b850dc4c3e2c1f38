"""Short links: minted for addresses that the register then holds, and read back."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefsvc.address import Address, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidToken
from prefsvc.recipients import Recipient, store_addresses
from prefsvc.token import Keyring, bucket_of_link, link_id_for

_ATTEMPTS_MAX = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a short link is to stand for."""

    recipient: Recipient
    topic: str | None = None
    mailshot: str | None = None
    language: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a short link stands for."""

    recipient: Recipient
    topic: str | None
    mailshot: str | None
    language: str | None
    country: str | None


async def mint(
    tx: Tx, keyring: Keyring, brand: AppliedBrand, wanted: Sequence[Wanted]
) -> list[str]:
    """Mint links, storing each address and link once; the same again gives the same token."""
    await store_addresses(tx, [one.recipient for one in wanted])
    return [
        keyring.short_token(brand.slug, link_id)
        for link_id in await _link_ids(tx, keyring, brand, wanted)
    ]


async def _link_ids(
    tx: Tx, keyring: Keyring, brand: AppliedBrand, wanted: Sequence[Wanted]
) -> list[bytes]:
    made: dict[int, bytes] = {}
    for attempt in range(_ATTEMPTS_MAX):
        left = {n: one for n, one in enumerate(wanted) if n not in made}
        ids = {n: _link_id(keyring, brand, one, attempt) for n, one in left.items()}
        await _store(tx, brand, [(ids[n], left[n]) for n in left])
        stored = await _stored(tx, list(ids.values()))
        # Two links that happen to share an id: all but the one that got it try the next.
        made |= {n: ids[n] for n, one in left.items() if stored[ids[n]] == _meaning(brand, one)}
        if len(made) == len(wanted):
            return [made[n] for n in range(len(wanted))]
    raise LookupError("short links kept colliding")


def _link_id(keyring: Keyring, brand: AppliedBrand, one: Wanted, attempt: int) -> bytes:
    return link_id_for(
        keyring.key(brand.slug),
        one.recipient.address_key,
        channel=one.recipient.channel,
        topic=one.topic,
        mailshot=one.mailshot,
        language=one.language,
        country=one.country,
        attempt=attempt,
    )


_Meaning = tuple[int, bytes, str, str | None, str | None, str | None, str | None]


def _meaning(brand: AppliedBrand, one: Wanted) -> _Meaning:
    recipient = one.recipient
    return (
        brand.brand_id, recipient.address_key, recipient.channel, one.topic, one.mailshot,
        one.language, one.country,
    )  # fmt: skip


async def _store(tx: Tx, brand: AppliedBrand, links: Sequence[tuple[bytes, Wanted]]) -> None:
    rows = {
        link_id: queries.EnsureShortLinksIn(
            bucket=one.recipient.bucket,
            link_id=link_id,
            brand_id=brand.brand_id,
            address_key=one.recipient.address_key,
            channel=one.recipient.channel,
            topic=one.topic,
            mailshot=one.mailshot,
            language=one.language,
            country=one.country,
            created_at=tx.now,
        )
        for link_id, one in reversed(links)
    }
    in_order = sorted(rows.values(), key=lambda row: (row.bucket, row.link_id))
    await queries.ensure_short_links(tx.conn, rows=in_order)


async def _stored(tx: Tx, link_ids: Sequence[bytes]) -> dict[bytes, _Meaning]:
    by_bucket: dict[int, set[bytes]] = {}
    for link_id in link_ids:
        by_bucket.setdefault(bucket_of_link(link_id), set()).add(link_id)
    found: dict[bytes, _Meaning] = {}
    for bucket, ids in sorted(by_bucket.items()):
        for row in await queries.short_links(tx.conn, bucket=bucket, link_ids=sorted(ids)):
            found[row.link_id] = (
                row.brand_id, row.address_key, row.channel, row.topic, row.mailshot, row.language,
                row.country,
            )  # fmt: skip
    return found


async def find(tx: Tx, brand: AppliedBrand, link_id: bytes) -> Found:
    """Read what a link stands for; its token was checked before."""
    row = await queries.short_link(
        tx.conn, bucket=bucket_of_link(link_id), link_id=link_id, brand_id=brand.brand_id
    )
    if row is None:
        raise InvalidToken
    channel = parse_channel(row.channel)
    address = Address(channel, row.canonical, row.canonical) if row.canonical else None
    recipient = Recipient(row.address_key, channel, address)
    return Found(recipient, row.topic, row.mailshot, row.language, row.country)
