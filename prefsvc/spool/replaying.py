"""Giving the spool's items back to the register, in the order in which they came.

Each is recorded with the moment at which it was received, and once: an act under the id that it
was given when it was kept, a text under its message's. An item leaves the file after its commit, so
a crash between the two only has it read again. What the register does not take is set aside.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from prefsvc import reviews, short_links, texts
from prefsvc.act import Act
from prefsvc.country import known_country
from prefsvc.db.away import AWAY
from prefsvc.db.connection import Tx
from prefsvc.doors import Service
from prefsvc.scopes import scope_of
from prefsvc.spool.items import Doubted, Item, OptedOut, Pressed, Texted, decode
from prefsvc.spool.store import Kept, Store

log = structlog.get_logger()

_LOCK: Final = "replay.lock"


async def replay(service: Service) -> int:
    """Give back all that waits; return how many items are in the register now.

    Raises what says that the database is away; what was not given back then waits on. Where another
    process is at it, nothing is done here.
    """
    with _alone(service) as is_alone:
        return await _replay(service) if is_alone else 0


async def _replay(service: Service) -> int:
    spool, size, count = service.spool, service.settings.spool_replay_max, 0
    while kept := await spool.use(lambda store: store.first(size)):
        given_back = await _together(service, kept)
        await spool.use(partial(Store.given_back, item_ids=given_back))
        count += len(given_back)
    if count:
        log.info("spool_given_back", items=count)
    return count


async def _together(service: Service, kept: Sequence[Kept]) -> list[int]:
    """Give back the first of these: all opt-outs up to something else, or that by itself."""
    ids, acts = _opt_outs_of(service, kept)
    if len(ids) > 1:
        try:
            await service.commit(acts)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one of them it is; each by itself will tell
            log.warning("spool_items_apart", kind=type(error).__name__)
        else:
            return ids
    return await _alone_or_aside(service, kept[0])


def _opt_outs_of(service: Service, kept: Sequence[Kept]) -> tuple[list[int], list[Act]]:
    """Read the opt-outs that come first, as far as they can be read."""
    ids: list[int] = []
    acts: list[Act] = []
    for one in kept:
        try:
            item = decode(one.content)
            said = item.read(service.book) if isinstance(item, OptedOut) else []
        except Exception:  # noqa: BLE001 - whatever it is, it comes up again alone
            break
        if not said or len(acts) + len(said) > service.settings.spool_replay_max:
            break
        ids.append(one.item_id)
        acts += said
    return ids, acts


async def _alone_or_aside(service: Service, kept: Kept) -> list[int]:
    try:
        await _give_back(service, decode(kept.content))
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - it must not hold up those behind it
        kind = type(error).__name__
        log.error("spool_item_set_aside", item_id=kept.item_id, kind=kind)  # noqa: TRY400 - no text
        await service.spool.use(lambda store: store.set_aside(kept.item_id, kind))
        return []
    return [kept.item_id]


async def _give_back(service: Service, item: Item) -> None:
    match item:
        case OptedOut():
            await service.commit(item.read(service.book))
        case Pressed():
            await service.commit([await _act(service, item)])
        case Texted():
            await _hear(service, item)
        case Doubted():
            doubt = item.read(service.book)
            await service.write(
                lambda tx: reviews.open_review(tx, service.vault, doubt), doubt.brand
            )


async def _act(service: Service, item: Pressed) -> Act:
    """Find what a short link stands for, and return what pressing it meant."""
    brand = service.book.get(item.brand)
    async with service.database.read() as tx:
        found = await short_links.find(tx, brand, item.link_id)
    channel = found.recipient.channel
    scope = item.scope.read() if item.scope else scope_of(brand, channel, None, found.topic)
    return Act(
        brand,
        found.recipient,
        scope,
        item.source,
        item.evidence,
        received_at=item.received_at,
        country=known_country(found.country),
        event_id=item.event_id,
    )


async def _hear(service: Service, item: Texted) -> None:
    """Record a STOP; nobody can be asked any more when texts were sent that it crossed."""
    word, settings = item.read(service.book), service.settings

    async def settle(tx: Tx) -> object:
        waited = max(tx.now - item.act.received_at, timedelta(0))
        return await texts.settle(tx, service.vault, word, {}, within=settings.text_order + waited)

    await service.write(settle, word.act.brand)


@contextmanager
def _alone(service: Service) -> Iterator[bool]:
    """Say whether no other process gives items back; none does for the block."""
    folder = service.spool.folder
    if not folder.is_dir():
        yield False
        return
    at = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(at, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(at)
